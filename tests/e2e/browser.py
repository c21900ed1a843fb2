"""Pages in headless Chromium."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.e2e.wait import LIMIT_S, wait_for

AXE: Final = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
expect.set_options(timeout=LIMIT_S * 1000)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the system's Chromium; skip the test where there is none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Tab:
    """A page, and what went wrong in it.

    Attributes:
        page: The page.
        errors: Exceptions that its scripts did not catch, and breaches of its policy.
        asked: Addresses that it asked for.
        answers: The same, with the status of the answer.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.answers: list[tuple[str, int]] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("response", lambda answer: self.answers.append((answer.url, answer.status)))
        page.on("websocket", lambda socket: self.asked.append(socket.url))
        page.on("console", self._note)

    def _note(self, message: Any) -> None:
        if "Content Security Policy" in message.text:
            self.errors.append(message.text)

    def ask(self, expression: str) -> Any:
        """Evaluate JavaScript."""
        return self.page.evaluate(expression)

    def wait(self, expression: str, limit_s: float = LIMIT_S) -> Any:
        """Wait until an expression is true; return its value."""
        return wait_for(lambda: self.ask(expression), expression, limit_s)

    def wait_text(self, text: str, limit_s: float = LIMIT_S) -> None:
        """Wait until the page shows a text."""
        look: Callable[[], bool] = lambda: text in self.text  # noqa: E731
        wait_for(look, f"the text {text!r}", limit_s)

    @property
    def text(self) -> str:
        """What the page shows; a figure is on one line with its unit by a space of its own."""
        return self.page.inner_text("body").replace("\xa0", " ")

    def check(self) -> list[str]:
        """Have axe look for what is not accessible (WCAG 2.2 AA); return its findings."""
        if not AXE.exists():
            pytest.skip("axe-core is not installed: .ci/libraries --tests")
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate(
            "axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })"
        )
        return [
            f"{fault['id']}: {node['target']} {node['failureSummary']}"
            for fault in found["violations"]
            for node in fault["nodes"]
        ]


OpenTab = Callable[..., Tab]


@contextmanager
def tabs(browser: Browser) -> Iterator[OpenTab]:
    """Open pages; at the end none of their scripts may have failed."""
    contexts = []
    opened: list[Tab] = []

    def open_tab(address: str = "", **options: Any) -> Tab:
        contexts.append(browser.new_context(**options))
        opened.append(Tab(contexts[-1].new_page()))
        if address:
            opened[-1].page.goto(address)
        return opened[-1]

    yield open_tab
    errors = [error for tab in opened for error in tab.errors]
    for context in contexts:
        context.close()
    assert not errors, "\n".join(errors)
