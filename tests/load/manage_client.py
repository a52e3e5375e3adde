"""Somebody who manages zones: over HTTP, at a page's socket, and in a real browser."""

import http.client
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from .figures import percentile
from .house import House
from .scenario import say

if TYPE_CHECKING:
    from apps.accounts.models import User

PATIENCE_S = 10.0
PAINTS = 5
SETTLE_MS = 1_500
TASKS = """window.tasks = [];
new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((one) => [one.startTime, one.duration])))
  .observe({ type: "longtask", buffered: true });"""
PAINTED = """() => {
  const [page] = performance.getEntriesByType("navigation");
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  return [page.responseStart, paint && Math.max(paint.startTime, page.domContentLoadedEventEnd)];
}"""


class Manager:
    """Somebody signed in, over one kept connection."""

    def __init__(self, house: House, user: "User") -> None:
        from tests.waitingroom.managing import session_of

        self.house = house
        self.session = session_of(user)
        self._token = ""

    def get(self, path: str) -> tuple[float, str]:
        """(seconds until all of it was here, the page)."""
        began = time.perf_counter()
        status, headers, body = self._ask("GET", path)
        took = time.perf_counter() - began
        if status != 200:
            raise RuntimeError(f"{path} answered {status}")
        cookie = re.search(r"csrftoken=(\w+)", headers.get("Set-Cookie", ""))
        self._token = cookie[1] if cookie else self._token
        return took, body

    def rate(self, zone_id: str, per_minute: int, version: int) -> None:
        """Send the form that changes N."""
        typed = {"per_minute": per_minute, "version": version, "why": "", "csrfmiddlewaretoken": self._token}
        status, _headers, body = self._ask("POST", f"/manage/zones/{zone_id}/rate/", urlencode(typed))
        if status != 302:
            raise RuntimeError(f"the change was answered {status}: {body[:400]}")

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, Any, str]:
        connection = http.client.HTTPConnection(self.house.address, timeout=30)
        try:
            headers = {
                "Cookie": f"sessionid={self.session}; csrftoken={self._token}",
                "Origin": self.house.web.base_url,
            }
            if body is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def watch(self, path: str) -> ClientConnection:
        """Open a page's socket, and wait for its first frame."""
        socket = connect(
            f"{self.house.web.ws_url}{path}",
            origin=Origin(self.house.web.base_url),
            additional_headers={"Cookie": f"sessionid={self.session}"},
            max_size=None,
        )
        socket.recv(timeout=PATIENCE_S)
        return socket


def painted(browser: Browser, manager: Manager, *, zones: int, seconds: float) -> dict[str, Any]:
    """How soon the wall is there, and how it moves: as it was opened, and with every card drawn."""
    took = []
    cookie: Any = {"name": "sessionid", "value": manager.session, "url": manager.house.web.base_url}
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_cookies([cookie])
    context.add_init_script(TASKS)
    page = context.new_page()
    for visit in range(PAINTS + 1):
        page.goto(f"{manager.house.web.base_url}/manage/new/")
        page.goto(f"{manager.house.web.base_url}/manage/")
        page.locator("[data-link=live]").wait_for()
        first, ready = page.evaluate(PAINTED)
        if ready is None:
            raise RuntimeError("the page was never painted")
        if visit:  # scripts and styles are in the browser's cache by then
            took.append(ready - first)
        if page.locator("[data-total=zones]").text_content() != f"{zones:,}":
            raise RuntimeError("the wall does not know all zones")
    say(f"Chromium drew the wall within {max(took):.0f} ms")
    opened = _moving(page, seconds)
    while page.locator("[data-more]").is_visible():
        page.locator("[data-more]").scroll_into_view_if_needed()
        page.wait_for_timeout(100)
    if page.locator(".zone").count() != zones:
        raise RuntimeError("the wall does not show all zones")
    drawn = _moving(page, seconds)
    context.close()
    say(f"tasks above 50 ms while it moves: {opened}; with all {zones} cards: {drawn}")
    return {
        "wall_render_ms": round(max(took), 1),
        "wall_render_p50_ms": round(percentile(took, 0.5), 1),
        "long_tasks": len(opened) + len(drawn),
        "longest_task_ms": max([*opened, *drawn], default=0),
    }


def _moving(page: Page, seconds: float) -> list[float]:
    """Tasks above 50 ms of a page whose figures move meanwhile, ms."""
    figure = page.locator(".waiting dd").first
    page.wait_for_timeout(SETTLE_MS)
    before = figure.text_content()
    began = page.evaluate("performance.now()")
    page.wait_for_timeout(seconds * 1_000)
    if figure.text_content() == before:
        raise RuntimeError("the wall's figures do not move")
    return [duration for start, duration in page.evaluate("window.tasks") if start > began]
