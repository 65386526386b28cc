"""The templates, the apps and the blueprints as a real browser shows them, and the demo as it is run there."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browser import open_page, toasts
from graphs import APPS, NAMES, TITLES, api, png, ui
from installations import Installation
from PIL import Image
from server import FOLDER_NAME, Server
from ui_format import nodes_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

BLUEPRINT, LISTED_SINCE = "Edit one thing, keep the rest", "0.20.0"
OPEN = """async ([folder, title]) => {
    const address = `/api/workflow_templates/${folder}/${encodeURIComponent(title)}.json`
    const graph = await (await fetch(address)).json()
    await app.loadGraphData(graph, true, true, title, { openSource: 'template' })
    const pages = [app.graph, ...(app.graph.subgraphs?.values() ?? [])]
    const nodes = pages.flatMap((page) => page._nodes ?? page.nodes)
    const known = (node) => node.subgraph || LiteGraph.registered_node_types[node.type] || node.type === 'MarkdownNote'
    return { count: nodes.length, missing: nodes.filter((node) => !known(node)).map((node) => node.type) }
}"""
SENT = "async () => (await app.graphToPrompt()).output"
RUN = "() => app.queuePrompt(0)"


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Page]:
    server.upload("example.png", png(np.zeros((64, 64, 3), np.uint8)))
    with open_page(f"http://127.0.0.1:{server.port}") as opened:
        yield opened


def opened(page: Page, name: str) -> dict[str, Any]:
    found = page.evaluate(OPEN, [FOLDER_NAME, TITLES[name]])
    page.keyboard.press("Escape")  # what a page tells of models that are missing, and of apps to whoever sees the first
    return found


def unfolded(prompt: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """{id: inputs}; the page names a node of a subgraph by the way to it, as 26:5."""
    short = {number: number.rpartition(":")[2] for number in prompt}
    return {
        short[number]: {
            name: [short[value[0]], value[1]] if isinstance(value, list) else value
            for name, value in node["inputs"].items()
        }
        for number, node in prompt.items()
    }


@pytest.mark.parametrize("name", TITLES)
def test_a_template_opens_without_a_complaint_and_sends_what_the_api_file_says(name: str, page: Page) -> None:
    found = opened(page, name)
    assert not found["missing"]
    assert found["count"] >= len(nodes_of(ui(name)))
    assert toasts(page) == []
    if name in NAMES:
        assert unfolded(page.evaluate(SENT)) == {number: node["inputs"] for number, node in api(name).items()}


def test_the_demo_runs_in_the_page(page: Page, server: Server) -> None:
    opened(page, "demo")
    outputs = run_by(page, server, lambda: page.evaluate(RUN))
    whole = ui("demo")
    panels, saved = (
        next(str(node["id"]) for node in nodes_of(whole) if node["type"] == kind)
        for kind in ("DiffEdit_Panels", "SaveImage")
    )
    assert len(outputs[panels]["images"]) == len(outputs[saved]["images"]) == 1
    shown = f"() => app.graph.getNodeById({panels}).imgs?.[0]?.naturalWidth > 300"
    page.wait_for_function(shown, timeout=20_000)
    assert toasts(page) == []


def test_the_blueprint_is_found_by_searching_edit(page: Page, installation: Installation) -> None:
    if not installation.has(LISTED_SINCE):
        pytest.skip(f"the page lists no blueprints of packs before ComfyUI {LISTED_SINCE}")
    page.evaluate("() => app.extensionManager.command.execute('Workspace.SearchBox.Toggle')")
    page.keyboard.type("edit")
    found = page.get_by_test_id("result-item").filter(has_text=BLUEPRINT)
    found.wait_for(timeout=20_000)
    found.click()
    page.mouse.click(500, 500)
    page.wait_for_function(
        "(title) => app.graph._nodes.some((node) => node.title === title && node.subgraph?.nodes.length > 8)",
        arg=BLUEPRINT,
    )
    assert toasts(page) == []


@pytest.fixture
def has_apps(installation: Installation) -> None:
    since = APPS["app_demo"].since
    if not installation.has(since):
        pytest.skip(f"there are no apps before ComfyUI {since}")


def test_the_demos_app_shows_a_result_and_both_pictures(page: Page, server: Server, has_apps: None) -> None:
    opened(page, "app_demo")
    run_by(page, server, lambda: press_run(page))
    page.get_by_test_id("linear-output-info").wait_for()
    before, after = slid(page)
    assert before.shape == after.shape and (before != after).any()
    assert toasts(page) == []


def test_an_app_takes_two_pictures_and_shows_what_was_meant(page: Page, server: Server, has_apps: None) -> None:
    rng = np.random.default_rng(0)
    before = np.kron(rng.integers(40, 215, (12, 16, 3)), np.ones((10, 10, 1))).astype(np.uint8)
    after = np.clip(before + 6, 0, 255).astype(np.uint8)
    after[40:70, 50:90] = (250, 240, 20)
    opened(page, "app_keep_the_rest")
    zones = page.locator("[data-slot=drop-zone]")
    for i, picture in enumerate((before, after)):
        with page.expect_file_chooser() as chosen:
            zones.nth(i).click()
        chosen.value.set_files([{"name": f"dropped{i}.png", "mimeType": "image/png", "buffer": png(picture)}])
        page.wait_for_function(f"() => app.graph._nodes.some((n) => n.widgets?.[0]?.value?.includes?.('dropped{i}'))")
    run_by(page, server, lambda: press_run(page))
    original, kept = slid(page)
    np.testing.assert_array_equal(original, before)
    changed = (kept != original).any(-1)
    assert changed[45:65, 55:85].all()
    changed[36:74, 46:94] = False
    assert not changed.any()


def press_run(page: Page) -> None:
    page.get_by_test_id("linear-run-button").get_by_role("button", name="Run").click()


def run_by(page: Page, server: Server, press: Any) -> dict[str, Any]:
    """The outputs of what is queued by a press, by the numbers inside of subgraphs."""
    known = set(server.get("/history"))
    press()
    for _ in range(600):
        new = set(server.get("/history")) - known
        if new and server.get(f"/history/{min(new)}")[min(new)]["status"]["completed"]:
            outputs = server.get(f"/history/{min(new)}")[min(new)]["outputs"]
            return {number.rpartition(":")[2]: output for number, output in outputs.items()}
        page.wait_for_timeout(200)
    raise TimeoutError(f"nothing came of it: {toasts(page)}")


def slid(page: Page) -> tuple[np.ndarray, np.ndarray]:
    """The pictures of the slider, before and after, as the page shows them: [H, W, 3] each."""
    slider = page.locator("[data-testid=app-mode-widget-item]").last
    shown = [slider.get_by_alt_text(f"{side} image") for side in ("Before", "After")]
    shown[1].wait_for(timeout=20_000)
    files = [page.request.get(each.evaluate("(image) => image.src")).body() for each in shown]
    before, after = (np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in files)
    return before, after
