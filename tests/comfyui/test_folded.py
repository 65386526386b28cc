"""The nodes in a real browser: what is seen of each at first, in English and in Chinese."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from graphs import NODES
from installations import Installation
from server import Server

api = pytest.importorskip("playwright.sync_api", reason="no browser: pip install playwright")
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
LOADED = "() => !!(window.app?.graph && window.LiteGraph?.registered_node_types?.DiffEdit_MaskRefine)"
PUT = """names => Object.fromEntries(names.map(name => {
  const knobs = node => (node.widgets ?? []).filter(each => each.name !== 'live_mask');
  const node = LiteGraph.createNode(name);
  app.graph.add(node);
  const [never, widgets] = [true, false].map(hidden => knobs(node).filter(each => !!each.options?.hidden === hidden));
  const isSeen = widget => node.isWidgetVisible(widget) && !widget.hidden;
  const seen = () => widgets.filter(isSeen).map(each => each.label);
  const first = seen(), height = node.computeSize()[1];
  node.toggleAdvanced();
  const grows = node.computeSize()[1] - height;
  const painted = never.filter(each => !isSeen(each)).map(each => each.name);
  return [name, { title: node.title, all: widgets.length, first, then: seen().length, grows, painted }];
}))"""
MOST_WIDGETS, SINCE = 6, "0.10"  # ComfyUI folds widgets from there on


@pytest.mark.skipif(BROWSER is None, reason="no browser: apt install chromium")
@pytest.mark.parametrize(
    ("locale", "title", "label"), [("en", "DiffEdit Mask", "strength"), ("zh", "DiffEdit 遮罩", "强度")]
)
def test_few_widgets_are_seen_at_first(
    locale: str, title: str, label: str, server: Server, installation: Installation
) -> None:
    with api.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(locale=locale)
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.wait_for_function(LOADED, timeout=120_000)
        nodes: dict[str, Any] = page.evaluate(PUT, NODES)
        browser.close()
    assert nodes["DiffEdit_DiffEditMask"]["title"] == title and label in nodes["DiffEdit_DiffEditMask"]["first"]
    assert nodes["DiffEdit_MaskRefine"]["painted"] == ["corrections"]  # with the rest unfolded
    for name, node in nodes.items():
        assert node["then"] == node["all"], f"{name}: {node}"
        if installation.has(SINCE):
            assert len(node["first"]) <= MOST_WIDGETS, f"{name}: {node}"
            assert (node["grows"] > 0) == (len(node["first"]) < node["all"]), f"{name} leaves gaps: {node}"
        else:
            assert len(node["first"]) == node["all"], f"{name}: {node}"
