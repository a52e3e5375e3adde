"""Debian's Chromium, driven by Playwright."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

from .process import find_program

# A browser that speaks to the pages under test and to nobody else.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser for as long as the block lasts.

    Playwright's synchronous API keeps an event loop running in this thread meanwhile. Django would then refuse the
    test's own queries, although nothing runs beside them, so it is told not to; and the loop is gone again before a
    coroutine test needs one of its own.
    """
    chromium = find_program("chromium")
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
            try:
                yield browser
            finally:
                browser.close()
    finally:
        if before is None:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
        else:
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture(scope="module", name="browser")
def one_browser() -> Iterator[Browser]:
    """One Chromium for all tests of the file that imports this; everybody has a context of their own in it."""
    with open_browser() as opened:
        yield opened
