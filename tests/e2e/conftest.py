"""A real browser, Debian's Chromium, in front of a whole ledger; and eyes for what a page looks and sounds like."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ledger.dev.stack import Stack
from tests.integration.api_harness import ROOT, environment
from tests.payments.market import Market, market

AXE = Path(__file__).with_name("axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PATIENCE_MS = 40_000  # the machine may have other things to do
PICTURES = os.environ.get("LEDGER_PICTURES", "")
DEVICES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1200, "height": 850}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 375, "height": 760}, "color_scheme": "dark", "has_touch": True},
}


class Eyes:
    """One window. Whatever its console says is an error of the page."""

    def __init__(self, page: Page, device: str, folder: Path) -> None:
        self.page, self.device, self.folder = page, device, folder
        self.complaints: list[str] = []
        page.on("console", lambda said: self._hear(said.text))
        page.on("pageerror", lambda error: self._hear(str(error)))

    def look(self, name: str) -> None:
        """Keeps a picture; the page has no barrier that axe finds, and is no wider than the window."""
        self.page.screenshot(path=self.folder / f"billing-{name}-{self.device}.png", full_page=True)
        self.page.context.new_cdp_session(self.page).send("Runtime.evaluate", {"expression": AXE})
        found = self.page.evaluate("rules => axe.run({runOnly: {type: 'tag', values: rules}})", RULES)
        barriers = [(each["id"], [node["target"] for node in each["nodes"]]) for each in found["violations"]]
        assert barriers == [], f"{self.page.url} on the {self.device}"
        assert not self.page.evaluate("document.documentElement.scrollWidth > innerWidth"), "it has to be scrolled"
        assert self.complaints == []

    def _hear(self, said: str) -> None:
        # The browser notes a form that was refused as a failed request; the provider's pages are the provider's.
        if "/billing" in self.page.url and "status of 422" not in said:
            self.complaints.append(f"{self.page.url}: {said}")


@pytest.fixture(scope="module")
def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """A ledger with consumers, which charge top-ups."""
    folder = tmp_path_factory.mktemp("shop")
    with market(stack, folder, brand_name="Nova Router") as running, consuming(running, folder):
        yield running


@contextmanager
def consuming(shop: Market, folder: Path) -> Iterator[None]:
    """`ledger consume` for this ledger."""
    command = [sys.executable, "-m", "ledger.cli", "consume"]
    with (folder / "consume.log").open("ab") as out:
        running = subprocess.Popen(command, env=environment(shop.settings), cwd=ROOT, stdout=out, stderr=out)
    try:
        yield
    finally:
        running.terminate()
        running.wait(20)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's own."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=DEVICES)
def eyes(request: pytest.FixtureRequest, chromium: Browser, tmp_path: Path) -> Iterator[Eyes]:
    """A window of each device. With LEDGER_PICTURES its pictures are kept there."""
    context = chromium.new_context(**DEVICES[request.param], accept_downloads=True, locale="en-US")
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(PATIENCE_MS)
    yield Eyes(context.new_page(), request.param, Path(PICTURES) if PICTURES else tmp_path)
    context.close()
