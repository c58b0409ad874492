"""A real browser for the tests of pages, where there is one; in CI its absence is a failure."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

WIDE, NARROW = (1280, 1000), (400, 800)
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def program() -> str:
    """Return the browser's program, or skip; fail in CI."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None and os.environ.get("CI"):
        pytest.fail("there is no Chromium, and in CI there must be one")
    if found is None:
        pytest.skip("there is no Chromium")
    return found


@contextmanager
def started() -> Iterator[Browser]:
    """Start the browser; as root it takes no sandbox."""
    path = program()
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


class Reader:
    """Somebody who reads a page from a file. It must load nothing, and complain of nothing."""

    def __init__(self, browser: Browser, file: Path, size: tuple[int, int], **options: Any) -> None:
        viewport = {"width": size[0], "height": size[1]}
        self.context = browser.new_context(viewport=viewport, **options)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.loaded: list[str] = []
        self.address = file.as_uri()
        self.page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.loaded.append(request.url))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))

    def open(self, script: str = "") -> None:
        """Open the page; a script of a test's own may run before it."""
        if script:
            self.context.add_init_script(script)
        self.page.goto(self.address)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def saved(self) -> Any:
        """Return what is saved when it is asked for."""
        with self.page.expect_download() as download:
            self.page.keyboard.press("s")
        assert download.value.suggested_filename == "decisions.json"
        return json.loads(Path(download.value.path()).read_text(encoding="utf-8"))

    def text(self, selector: str) -> str:
        """Return what an element says."""
        return self.page.inner_text(selector)

    def count(self, selector: str) -> int:
        """Return how many elements can be seen."""
        return self.page.locator(selector).filter(visible=True).count()

    def close(self) -> None:
        """Go away, and say what was wrong."""
        self.context.close()
        others = [url for url in self.loaded if url != self.address and "blob:" not in url[:5]]
        assert not self.complaints, self.complaints
        assert not others, others
