"""A manager's page that lost touch: how old it says it is, what it tells of what came to pass meanwhile."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from apps.accounts.models import User
from apps.waitingroom.manage import frames
from apps.waitingroom.models import Role, Zone
from apps.waitingroom.role_services import manager_set
from tests.browser.conftest import House, Person
from tests.browser.managing import SOON_MS, change, expect_live, newest, zone_make, zone_now
from tests.services.browser import one_browser as one_browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# So many ms later than it is.
SHIFT = "const now = Date.now; window.shift = 0; Date.now = () => now() + window.shift;"
MINUTE_MS = 60_000


class Line:
    """Every socket of a page; what the server says passes while `is_open`, with another role if there is one."""

    def __init__(self, manager: Person) -> None:
        self.sockets: list[WebSocketRoute] = []
        self.is_open = True
        self.role = ""
        manager.context.route_web_socket(re.compile(r"/ws/manage/"), self._keep)

    def _keep(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        behind = socket.connect_to_server()

        def pass_on(text: str | bytes) -> None:
            if self.is_open:
                socket.send(re.sub(r'"role":\d', f'"role":{self.role}', str(text)) if self.role else text)

        behind.on_message(pass_on)

    def change_servers(self, page: Page) -> None:
        """The connection is lost, and the page has come back."""
        before = len(self.sockets)
        self.sockets[-1].close(code=1012, reason="draining: come back in a moment")
        for _ in range(100):
            if len(self.sockets) > before:
                return
            page.wait_for_timeout(100)
        raise AssertionError("the page does not come back")


def opacity(page: Page, what: str) -> Any:
    return page.locator(what).first.evaluate("(one) => getComputedStyle(one).opacity")


def changed_at() -> datetime:
    """When the zone was, in the time of this site."""
    return timezone.localtime(zone_now().updated_at)


def test_old_figures_look_it_until_there_are_others(
    house: House, hana: User, minsu: User, person: Callable[..., Person]
):
    """Redis is away, the server is replaced, and a new one has nothing to tell either, or does not even answer."""
    zone_make(hana, per_minute=300)
    opens_at = timezone.now() + timedelta(hours=2)
    zone_make(hana, "later", opens_at=opens_at)
    manager = person(house())
    manager.sign_in(hana)
    manager.context.add_init_script(SHIFT)
    line = Line(manager)
    for path, figure in (("/manage/", ".zone dd"), ("/manage/zones/hall/", ".figure")):
        line.is_open = True
        page = manager.visit(path)
        expect_live(page)
        assert opacity(page, figure) == "1"
        if figure == ".zone dd":
            told = page.locator("[data-zone=later] .health")
            expect(told).to_have_text(f"Not open yet: opens {timezone.localtime(opens_at):%H:%M}")
        else:
            for per_minute in (120, 130):
                change(minsu, per_minute=per_minute)
                expect(page.locator("[data-changed]")).to_have_text(
                    f"최민수 (minsu) changed the zone at {changed_at():%H:%M:%S}. Figures and forms here follow.",
                    timeout=SOON_MS,
                )
        line.is_open = False
        line.sockets[-1].send(frames.stale(0))
        page.evaluate(f"window.shift = 20 * {MINUTE_MS}")
        line.change_servers(page)
        line.sockets[-1].send(frames.stale(0))
        box = page.locator("[data-state-box]")
        expect(box).to_contain_text("Figures are old")
        expect(box).to_contain_text("as of 20 min. ago")
        assert opacity(page, figure) == "0.5"
        line.change_servers(page)
        page.evaluate(f"window.shift = 25 * {MINUTE_MS}")
        expect(page.locator("[data-state]")).to_have_text("Connecting…")
        expect(box).to_contain_text("as of 25 min. ago")
        assert opacity(page, figure) == "0.5"
        line.is_open = True
        line.change_servers(page)
        expect_live(page)
        assert opacity(page, figure) == "1"
    page.evaluate(f"window.shift = 4 * 24 * 60 * {MINUTE_MS}")
    expect(page.locator("[data-changed]")).to_contain_text(f"changed the zone at {changed_at():%Y-%m-%d %H:%M:%S}.")


def test_a_role_that_was_given_meanwhile_is_known_when_the_page_is_back(
    house: House, hana: User, minsu: User, person: Callable[..., Person]
):
    opened_at = timezone.now() - timedelta(hours=30)
    zone_make(hana)
    Zone.objects.filter(pk="hall").update(opens_at=opened_at)
    manager_set(actor=None, user=minsu, role=Role.VIEWER, zone_id="hall")
    manager = person(house())
    manager.sign_in(minsu)
    line = Line(manager)
    page = manager.visit("/manage/zones/hall/")
    expect_live(page)
    form = page.locator("[data-deed=rate]")
    expect(form).to_have_count(0)
    line.is_open = False
    manager_set(actor=None, user=minsu, role=Role.OPERATOR, zone_id="hall")
    line.is_open = True
    line.change_servers(page)
    expect(form).to_have_count(1, timeout=SOON_MS)
    expect_live(page)
    expect(page.locator("[data-opening-now]")).to_have_text(f"opened {timezone.localtime(opened_at):%Y-%m-%d %H:%M}")
    # From where the socket comes it is another one than from where the page does: they do not go on about it.
    line.role = "1"
    before = len(line.sockets)
    line.change_servers(page)
    for per_minute in (70, 80):
        change(hana, per_minute=per_minute)
        expect(page.locator("[data-figure=per_minute]")).to_have_text(str(per_minute), timeout=SOON_MS)
        expect_live(page)
    assert len(line.sockets) == before + 2


def test_the_list_of_changes_asks_again_when_it_was_refused(
    house: House, hana: User, minsu: User, person: Callable[..., Person]
):
    zone_make(hana, per_minute=300)
    manager = person(house())
    manager.sign_in(hana)
    manager.forgive(r"status of 502|Failed to fetch|ERR_")
    page = manager.visit("/manage/zones/hall/")
    expect_live(page)
    asked: list[Route] = []

    def answer(route: Route) -> None:
        asked.append(route)
        if len(asked) == 1:
            route.fulfill(status=502, body="<h1>Bad gateway</h1>")
        elif len(asked) == 2:
            route.fulfill(status=302, headers={"location": "/accounts/sign-in/"})
        else:
            assert page.locator("[data-newer]").inner_text() == "There are newer changes"
            route.continue_()

    page.route("**/changes/?part=1", answer)
    change(minsu, per_minute=120, why="theirs")
    expect(newest(page)).to_contain_text("theirs", timeout=2 * SOON_MS)
    expect(page.locator("[data-newer]")).to_be_empty()
    expect(page.locator("[data-changes] form[action*=sign-in]")).to_have_count(0)
    assert len(asked) == 3
    newest(page).get_by_role("button").click()
    expect(page.get_by_text("Undone.", exact=True)).to_be_visible()
    assert zone_now().per_minute == 300
