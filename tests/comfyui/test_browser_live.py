"""The live mask in a real browser: it moves with the knobs, without a run; it is painted on; it goes with the node."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from browser import open_page, toasts
from graphs import REFINE, picture, png, with_node
from installations import Installation
from PIL import Image
from server import PACK, Server

pytestmark = pytest.mark.newest

FIRST, AGAIN = "Run once, then turn the knobs.", "This run is no longer held. Turn a knob and run again."
NUMBERS = itertools.count(50)  # of parts to keep, more than there are: no two pages run the same prompt
BUTTONS = ("Mask on picture", "Mask", "Heatmap", "Picture", "Add", "Take away", "Undo", "Clear")
WORDS = json.loads((PACK / "locales" / "zh.json").read_text(encoding="utf-8"))
SIZE = (96, 80)
NODE = f"window.node = app.graph.nodes.find((each) => each.type === '{REFINE}')"
LOOK = "() => node.liveMask.canvas.toDataURL()"
TURN = """([name, value]) => {
  const widget = node.widgets.find((each) => each.name === name);
  widget.value = value;
  widget.callback?.(value);
}"""
ANSWER = """async () => {
  const { run, view, settings } = node.liveMask;
  const asked = { client: app.api.clientId, run, view, settings };
  const answer = await app.api.fetchApi("/diffedit/refine", { method: "POST", body: JSON.stringify(asked) });
  const image = await createImageBitmap(await answer.blob());
  const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL();
}"""


@pytest.fixture(scope="module")
def server(bare_server: Server) -> Server:
    """With a picture."""
    bare_server.upload("example.png", png(picture(*SIZE)))
    return bare_server


@pytest.fixture(params=[False, True], ids=["canvas", "nodes 2.0"])
def page(request: pytest.FixtureRequest, installation: Installation, server: Server) -> Iterator[Any]:
    """With the graph open, and not run yet."""
    if request.param and not installation.has("0.33"):
        pytest.skip("no Nodes 2.0 in this version")
    graph = with_node({}, "1", "LoadImage", image="example.png")
    graph = with_node(graph, "2", "ImageToMask", image=["1", 0], channel="red")
    graph = with_node(
        graph, "3", REFINE, mask=["2", 0], picture=["1", 0], **widgets(server) | {"keep_largest": next(NUMBERS)}
    )
    server.post("/history", {"clear": True})
    settings = {"Comfy.VueNodes.Enabled": request.param, "Comfy.Locale": "en"}
    with open_page(f"http://127.0.0.1:{server.port}", **settings) as page:
        page.evaluate("(graph) => app.loadApiJson(graph, 'live')", graph)
        page.evaluate(
            f"() => {{ {NODE}; app.canvas.ds.scale = 1; node.pos = [300, 80]; app.canvas.centerOnNode(node); }}"
        )
        page.wait_for_timeout(500)
        yield page


def widgets(server: Server) -> dict[str, Any]:
    inputs = server.get(f"/object_info/{REFINE}")[REFINE]["input"]
    both = {**inputs["required"], **inputs["optional"]}
    return {name: spec[1]["default"] for name, spec in both.items() if "default" in spec[1]} | {"rule": "otsu"}


def run(page: Any) -> None:
    before = page.evaluate("() => node.liveMask.run ?? null")
    page.evaluate("() => app.queuePrompt(0)")
    page.wait_for_function("(before) => (node.liveMask.run ?? null) !== before", arg=before, timeout=60_000)
    settle(page)


def settle(page: Any) -> None:
    """Until the page has shown the answer to what it asked last."""
    page.wait_for_timeout(450)
    page.wait_for_function("() => !node.liveMask.busy && node.liveMask.shown.now", timeout=30_000)


def prompts(server: Server) -> int:
    queue = server.get("/queue")
    return len(server.get("/history")) + len(queue["queue_running"]) + len(queue["queue_pending"])


def line(page: Any) -> str:
    return page.evaluate("() => node.liveMask.line.textContent")


def test_the_mask_moves_with_the_knobs_without_a_run(page: Any, server: Server) -> None:
    assert line(page) == FIRST
    run(page)
    assert prompts(server) == 1 and "% of the picture" in line(page)
    seen = [page.evaluate(LOOK)]
    for name, value in (
        ("value", 0.5),
        ("rule", "top"),
        ("grow", -3),
        ("feather", 4),
        ("edge_snap", "guided"),
        ("invert", True),
    ):
        page.evaluate(TURN, [name, value])
        page.wait_for_function(f"(before) => ({LOOK})() !== before", arg=seen[-1], timeout=30_000)
        settle(page)
        seen.append(page.evaluate(LOOK))
        assert seen[-1] == page.evaluate(ANSWER)  # what is shown is what the server says
    page.evaluate("() => { node.widgets.find((each) => each.name === 'invert').value = false; }")  # with no callback
    page.wait_for_function(f"(before) => ({LOOK})() !== before", arg=seen[-1], timeout=30_000)
    page.evaluate(TURN, ["value", 2.0])  # of rule "top"
    page.wait_for_function("() => node.liveMask.line.textContent.includes('from 0 to 1')", timeout=30_000)
    assert prompts(server) == 1 and not toasts(page)


def test_it_shows_the_mask_the_heatmap_and_the_picture_and_wipes_between(page: Any) -> None:
    run(page)
    seen = set()
    for view in ("Mask on picture", "Mask", "Heatmap", "Picture"):
        page.get_by_role("button", name=view, exact=True).click()
        settle(page)
        seen.add(page.evaluate(LOOK))
    assert len(seen) == 4
    page.get_by_role("button", name="Mask", exact=True).click()
    settle(page)
    before = page.evaluate(LOOK)
    drag(page, (0.1, 0.5), (0.6, 0.5))
    assert page.evaluate(LOOK) != before


def test_what_is_painted_is_what_you_get(page: Any, server: Server) -> None:
    run(page)
    page.evaluate(TURN, ["rule", "top"])
    page.evaluate(TURN, ["value", 0.0])
    settle(page)
    page.get_by_role("button", name="Add", exact=True).click()
    drag(page, (0.2, 0.3), (0.4, 0.3))
    page.get_by_role("button", name="Take away", exact=True).click()
    drag(page, (0.6, 0.9), (0.8, 0.9))
    settle(page)
    assert page.evaluate(LOOK) == page.evaluate(ANSWER)
    painted = page.evaluate("() => node.liveMask.corrections.value")
    assert painted.startswith(f"{SIZE[0]}x{SIZE[1]} ") and "+" in painted and "-" in painted
    run(page)
    (images,) = page.evaluate("() => [node.id].map((id) => app.nodeOutputs[id].images)")
    mask = np.asarray(Image.open(io.BytesIO(server.view(images[0]))).convert("L"))
    assert mask[round(0.3 * SIZE[1]), round(0.2 * SIZE[0]) : round(0.4 * SIZE[0])].min() == 255
    assert mask[round(0.9 * SIZE[1]), round(0.6 * SIZE[0]) : round(0.8 * SIZE[0])].max() == 0
    saved = page.evaluate("() => node.serialize().widgets_values")
    assert saved[len(widgets(server)) - 1] == painted  # the last of the node's own; ComfyUI adds its line of text
    page.get_by_role("button", name="Undo", exact=True).click()
    assert "-" not in page.evaluate("() => node.liveMask.corrections.value")
    page.get_by_role("button", name="Clear", exact=True).click()
    assert page.evaluate("() => node.liveMask.corrections.value") == ""


def test_it_comes_back_with_the_graph_and_goes_with_the_node(page: Any) -> None:
    run(page)
    saved = page.evaluate("() => app.graph.serialize()")
    page.evaluate(TURN, ["grow", 3])
    settle(page)
    word = page.evaluate("() => node.liveMask.run")
    asked = f"""async () => (await app.api.fetchApi("/diffedit/refine", {{ method: "POST", body: JSON.stringify(
        {{ client: app.api.clientId, run: "{word}" }}) }})).status"""
    page.evaluate("""async () => { const { nodeOutputs } = app, saved = app.graph.serialize();
        await app.loadGraphData(saved); Object.assign(app.nodeOutputs, nodeOutputs); }""")
    page.evaluate(f"() => {{ {NODE} }}")
    settle(page)
    assert "of the picture" in line(page) and page.evaluate("() => node.liveMask.run") == word
    page.evaluate("() => app.graph.remove(node)")
    page.wait_for_timeout(500)
    assert page.evaluate(asked) == 404
    page.evaluate("(saved) => app.loadGraphData(saved)", saved)
    page.evaluate(f"() => {{ {NODE} }}")
    page.evaluate("() => app.queuePrompt(0)")  # nothing has changed, so the server runs nothing
    page.wait_for_function("() => node.liveMask.shown.now", timeout=60_000)
    assert line(page) == AGAIN
    page.evaluate(TURN, ["grow", 4])
    run(page)
    assert "of the picture" in line(page)


def test_inside_a_subgraph_it_follows_the_knobs_on_the_outside(page: Any) -> None:
    page.evaluate("""() => {
      const { node: outer, subgraph } = app.graph.convertToSubgraph(new Set([node]));
      window.outer = outer;
      window.node = subgraph.nodes.find((each) => each.type === node.type);
      const slot = node.inputs.find((each) => each.widget?.name === "grow");
      subgraph.addInput("grow", "INT").connect(slot, node);
    }""")
    run(page)
    before = page.evaluate(LOOK)
    page.evaluate("() => { outer.widgets.find((each) => each.name === 'grow').value = 9; }")
    page.wait_for_function(f"(before) => ({LOOK})() !== before", arg=before, timeout=30_000)
    assert page.evaluate("() => node.liveMask.settings.grow") == 9


def test_the_node_speaks_the_language_of_the_page(installation: Installation, server: Server) -> None:
    with open_page(f"http://127.0.0.1:{server.port}", **{"Comfy.Locale": "zh"}) as page:
        page.evaluate("(graph) => app.loadApiJson(graph, 'live')", with_node({}, "1", REFINE, **widgets(server)))
        page.evaluate(f"() => {{ {NODE} }}")
        page.wait_for_function("() => node.liveMask.line.textContent")
        assert line(page) == WORDS[FIRST]
        buttons = page.evaluate(
            "() => [...node.liveMask.element.querySelectorAll('button')].map((each) => each.textContent)"
        )
    assert buttons == [WORDS[name] for name in BUTTONS]


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """On the picture, in shares of it."""
    box = page.evaluate("""() => { const { canvas } = node.liveMask, box = canvas.getBoundingClientRect();
        const scale = Math.min(box.width / canvas.width, box.height / canvas.height);
        const [width, height] = [canvas.width * scale, canvas.height * scale];
        return [box.left + (box.width - width) / 2, box.top + (box.height - height) / 2, width, height]; }""")
    (x, y), (to_x, to_y) = ((box[0] + across * box[2], box[1] + down * box[3]) for across, down in (start, end))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(to_x, to_y, steps=12)
    page.mouse.up()
