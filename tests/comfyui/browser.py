"""A real browser on a real server's page: Chromium, where it is installed, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOW_TO_GET_ONE = "no Chromium found; install it (Debian: apt install chromium) to try the pages in a real browser"
READY = "() => Boolean(window.app?.graph && window.app.extensionManager && window.LiteGraph)"
SETTINGS = {
    "Comfy.TutorialCompleted": True,  # else the templates are the first thing shown
    "Comfy.Minimap.Visible": False,
}


@contextmanager
def open_page(address: str, **settings: Any) -> Iterator[Page]:
    """ComfyUI's page, as soon as it can be worked with. Nothing but the server can be reached from it."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip(HOW_TO_GET_ONE)
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.route(lambda url: not url.startswith((address, "data:", "blob:")), lambda route: route.abort())
        page.request.post(f"{address}/api/settings", data=SETTINGS | settings)
        page.goto(address)
        page.wait_for_function(READY, timeout=90_000)
        page.wait_for_timeout(1500)  # extensions set up after the graph is there
        yield page
        browser.close()


def toasts(page: Page) -> list[str]:
    """What the page complains of just now in its corner."""
    return page.locator(".p-toast-message-error, .p-toast-message-warn").all_inner_texts()
