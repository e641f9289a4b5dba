"""A real browser, Debian's Chromium, in front of a whole ledger; each page is checked for errors and barriers."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ledger.dev.child_processes import environment_of
from ledger.dev.stack import Stack
from tests.payments.payment_system import PaymentSystem, payment_system
from tests.support.invoicing import SUPPLIER
from tests.support.programs import Program

AXE = Path(__file__).with_name("axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CHROMIUM = shutil.which("chromium")
PATIENCE_MS = 40_000  # the machine may have other things to do
PICTURES = os.environ.get("LEDGER_PICTURES", "")
DEVICES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1200, "height": 850}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 375, "height": 760}, "color_scheme": "dark", "has_touch": True},
}


class Window:
    """One window of the browser. What our pages print on its console are errors."""

    def __init__(self, page: Page, device: str, folder: Path, ours: str) -> None:
        self.page, self.device, self.folder, self._ours = page, device, folder, ours
        self.errors: list[str] = []
        page.on("console", lambda said: self._note(said.text, said.location.get("url", "")))
        page.on("pageerror", lambda error: self._note(str(error), page.url))

    def check(self, name: str) -> None:
        """Keeps a picture. axe finds no barrier, in light and in dark, and the page is no wider than the window."""
        self.page.evaluate("scrollTo(0, 0)")
        self.page.screenshot(path=self.folder / f"billing-{name}-{self.device}.png", full_page=True)
        self.page.context.new_cdp_session(self.page).send("Runtime.evaluate", {"expression": AXE})
        usual = DEVICES[self.device]["color_scheme"]
        self._axe({"type": "tag", "values": RULES}, usual)
        other = "dark" if usual == "light" else "light"
        self.page.emulate_media(color_scheme=other)
        self._axe({"type": "rule", "values": ["color-contrast"]}, other)
        self.page.emulate_media(color_scheme=usual)
        assert not self.page.evaluate("document.documentElement.scrollWidth > innerWidth"), "it has to be scrolled"
        assert self.errors == []

    def _axe(self, rules: dict[str, Any], scheme: str) -> None:
        found = self.page.evaluate("rules => axe.run({runOnly: rules})", rules)
        barriers = [(each["id"], [node["target"] for node in each["nodes"]]) for each in found["violations"]]
        assert barriers == [], f"{self.page.url} on the {self.device}, {scheme}"

    def _note(self, said: str, where: str) -> None:
        # The browser notes a form that was refused, and a link that is over, as a failed request.
        refused = "status of 422" in said or "status of 410" in said
        if (where or self.page.url).startswith(self._ours) and not refused:
            self.errors.append(f"{self.page.url}: {said}")


@pytest.fixture(scope="module")
def system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentSystem]:
    """A ledger with consumers, which charge top-ups."""
    folder = tmp_path_factory.mktemp("system")
    with (
        payment_system(stack, folder, brand_name="Nova Router", supplier=SUPPLIER) as running,
        consuming(running, folder),
    ):
        yield running


@contextmanager
def consuming(system: PaymentSystem, folder: Path) -> Iterator[None]:
    """`ledger consume` for this ledger."""
    given = environment_of(system.settings)
    with (folder / "consume.log").open("ab") as out:
        running = Program("-m", "ledger.cli", "consume", environment=given, stdout=out, stderr=out)
    try:
        yield
    finally:
        running.terminate()
        running.wait(20)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=DEVICES)
def window(
    request: pytest.FixtureRequest, chromium: Browser, system: PaymentSystem, tmp_path: Path
) -> Iterator[Window]:
    """A window of each device. With LEDGER_PICTURES its pictures are kept there. Fails if a page of ours had errors."""
    context = chromium.new_context(**DEVICES[request.param], accept_downloads=True, locale="en-US")
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(PATIENCE_MS)
    window = Window(context.new_page(), request.param, Path(PICTURES) if PICTURES else tmp_path, system.url)
    yield window
    context.close()
    assert window.errors == []
