"""The operators' admin in a browser: figures that move, pages that anybody can use, and deeds that act at once."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, WebSocket, expect

from apps.accounts.models import User
from apps.accounts.services import operator_ensure, user_register
from apps.operations.models import AlertChannel, AlertEvent, AlertRule
from apps.operations.roles import roles_ensure
from apps.streams.models import Stream
from apps.waitingroom.services import zone_create
from tests.browser.axe import violations
from tests.browser.conftest import House, Person, Stage, crowd
from tests.operations.alert_stage import channel_make, endpoint_open, rule_make
from tests.services.web import WebServer

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PASSWORD = "a long enough pass"
# Text that would run if a page took it for markup.
EVIL = "<img src=x onerror=window.slippedIn=1>"
LONG = "A name of eighty letters that nobody would choose but somebody will type one day"


@pytest.fixture
def operator(transactional_db: None) -> User:
    roles_ensure()
    return operator_ensure(username="operator", password=PASSWORD)


def sign_in(someone: Person, user: User) -> None:
    """As the sign-in page does, without its keyboard."""
    desk = Client()
    desk.force_login(user)
    cookie = desk.cookies["sessionid"].value
    someone.context.add_cookies([{"name": "sessionid", "value": cookie, "url": someone.base_url}])


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def test_the_dashboard_moves_without_a_reload_and_keeps_the_focus(
    house: House, stage: Stage, operator: User, person: Callable[..., Person]
):
    stream, server = stage("Evening"), house()
    someone, leaver = person(server), person(server)
    someone.forgive(r"ERR_CONNECTION_REFUSED")
    for each in (someone, leaver):
        sign_in(each, operator)
    page, left = someone.visit("/admin/"), leaver.visit("/admin/")
    expect(left.locator("[data-total=viewers]")).to_be_visible()
    leaver.context.clear_cookies()
    row = page.get_by_role("row").filter(has_text="Evening")
    expect(row.get_by_role("cell").last).to_have_text("0")
    page.evaluate("window.stillHere = true")
    row.get_by_role("link").focus()
    with crowd(server, stream, 3):
        expect(row.get_by_role("cell").last).to_have_text("3", timeout=15_000)
        expect(row.get_by_role("link")).to_be_focused()
        process = page.get_by_role("region", name="Server processes").get_by_role("row").filter(has_text=":")
        expect(process.first.get_by_role("cell").nth(2)).to_have_text("3", timeout=15_000)
    assert page.evaluate("window.stillHere") is True
    expect(left.get_by_text("You are signed out.")).to_be_visible(timeout=15_000)
    left.locator("[data-signed-out]").get_by_role("link").click()
    left.wait_for_url("**/admin/login/**")
    lost = page.get_by_text("These figures cannot be refreshed now.")
    expect(lost).to_be_hidden()
    server.terminate(deadline=15)
    for _ in range(2):  # who comes back to the tab need not wait for the next turn
        with page.expect_event("requestfailed"):
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(lost).to_be_visible()


# --- pages --------------------------------------------------------------------------------------------------------


@pytest.fixture
def addresses(stage: Stage, operator: User) -> list[str]:
    """The admin's own pages, with rows whose names are long, or would be markup."""
    stream = stage(EVIL)
    stage(LONG)
    Stream.objects.filter(pk=stream.pk).update(featured_order=1)
    user = user_register(username="mina", password=PASSWORD, display_name=EVIL[:40])
    zone_create(actor=operator, zone_id="door", name=EVIL, name_ko=EVIL, app="<b>app", screen="s", per_minute=60)
    channel = channel_make(name=EVIL, failures=1, last_error=EVIL, last_sent_at=timezone.now())
    rule = rule_make(channel, name=EVIL, kind="line", app="<b>app", severity="critical")
    told = {"rule_name": rule.name, "kind": "line", "severity": "critical", "subject": "door", "place": LONG}
    event = AlertEvent.objects.create(
        rule=rule, place_ko=EVIL, limit=1, last_value=2, worst_value=3, opened_at=timezone.now(), **told
    )
    event.notices.create(channel=channel, channel_name=channel.name, kind="trouble", value=2, made_at=timezone.now())
    return [
        "",
        "accounts/user/",
        f"accounts/user/{user.pk}/change/",
        f"accounts/user/{user.pk}/ban/",
        "streams/stream/",
        f"streams/stream/{stream.pk}/change/",
        f"streams/stream/{stream.pk}/disconnect/",
        "waitingroom/zone/",
        "waitingroom/zone/door/change/",
        "waitingroom/zonemanager/add/",
        "operations/alertchannel/",
        "operations/alertrule/",
        f"operations/alertrule/{rule.pk}/change/",
        f"operations/alertevent/{event.pk}/change/",
        "admin/logentry/",
    ]


def test_every_page_is_for_everybody_and_runs_nobodys_names(
    house: House, addresses: list[str], operator: User, person: Callable[..., Person]
):
    """Each page once: on a desk in light and on a telephone in the dark, every other one in Korean."""
    server = house()
    people = [person(server, locale=locale) for locale in ("en-US", "ko-KR")]
    for someone in people:
        sign_in(someone, operator)
    tabs = [someone.context.new_page() for someone in people]
    found: dict[str, Any] = {}
    for number, path in enumerate(addresses):
        page = tabs[number % 2]
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(f"{server.base_url}/admin/{path}")
        found[f"{path} on a desk"] = (violations(page), overflow(page))
        page.set_viewport_size({"width": 390, "height": 800})
        page.evaluate("document.documentElement.classList.add('dark')")  # which is all that the theme's switch does
        found[f"{path} on a telephone"] = (violations(page), overflow(page))
        assert page.evaluate("window.slippedIn === undefined"), path
    assert {path: wrong for path, wrong in found.items() if wrong != ({}, 0)} == {}


# --- deeds --------------------------------------------------------------------------------------------------------


def test_who_is_sent_away_or_banned_loses_the_socket_at_once(
    house: House, stage: Stage, operator: User, person: Callable[..., Person]
):
    stream, server = stage("Evening"), house()
    mina = user_register(username="mina", password=PASSWORD)
    viewer, someone = person(server), person(server)
    sign_in(viewer, mina)
    sign_in(someone, operator)
    sockets: list[WebSocket] = []
    page, desk = viewer.context.new_page(), someone.context.new_page()
    page.on("websocket", lambda opened: sockets.append(opened))
    page.goto(f"{server.base_url}/live/{stream.pk}/")
    state = page.locator("[data-state]")
    expect(state).to_have_text("Counting live")

    desk.goto(f"{server.base_url}/admin/streams/stream/{stream.pk}/disconnect/")
    desk.get_by_label("Viewer").fill("mina")
    desk.get_by_label("Reason").fill("Spam")
    desk.get_by_role("button", name="Disconnect", exact=True).click()
    expect(desk.get_by_text(f"u{mina.pk} is disconnected.")).to_be_visible()
    expect(state).to_have_text("An operator has closed this for you")
    expect(page.get_by_role("button", name="Watch here")).to_be_hidden()
    page.reload()
    expect(state).to_have_text("Counting live")  # it was no ban

    desk.goto(f"{server.base_url}/admin/accounts/user/{mina.pk}/ban/")
    desk.get_by_label("Reason").fill("Again")
    with sockets[-1].expect_event("close"):
        desk.get_by_role("button", name="Ban them").click()
    expect(state).to_have_text("An operator has closed this for you")
    expect(desk.get_by_text("1 user banned.")).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    desk.goto(f"{server.base_url}/admin/admin/logentry/")
    expect(desk.get_by_text("Again")).to_be_visible()
    expect(desk.get_by_text("Spam")).to_be_visible()


def test_a_rule_is_made_a_channel_tried_and_a_stream_put_first(
    web: Callable[..., WebServer],
    embedded_files: dict[str, str],
    stage: Stage,
    operator: User,
    person: Callable[..., Person],
):
    chosen, full = stage("Chosen"), stage("Full")
    with endpoint_open() as endpoint:
        server = web(env={**embedded_files, "ALERT_SCHEMES": "json", "ALERT_INTERNAL_HOSTS": "127.0.0.1"})
        someone = person(server)
        sign_in(someone, operator)
        page = someone.visit("/admin/operations/alertchannel/add/")
        page.get_by_label("Name").fill("Night")
        page.get_by_label("New address").fill(endpoint.url)
        page.get_by_role("button", name="Save and send a test notice").click()
        expect(page.get_by_text("Night took the test notice.")).to_be_visible()
        assert endpoint.titles == ["Fullhouse: Test notice"]
        endpoint.answer = 503
        page.get_by_role("link", name="Night").first.click()
        page.get_by_role("button", name="Save and send a test notice").click()
        expect(page.get_by_text("Night was tried a moment ago.")).to_be_visible()
        caches["default"].delete(f"alerts:tested:{AlertChannel.objects.get().pk}")  # as after ten seconds
        page.get_by_role("link", name="Night").first.click()
        page.get_by_role("button", name="Save and send a test notice").click()
        expect(page.get_by_text("Night did not take the test notice:")).to_be_visible()
        assert "s3cr3t" not in page.content()
    page.goto(f"{server.base_url}/admin/operations/alertrule/")
    page.get_by_role("link", name="Add the usual rules").click()
    page.get_by_role("button", name="Add them").click()
    expect(page.get_by_text("10 rules added.")).to_be_visible()
    channel = AlertChannel.objects.get()
    assert {tuple(rule.channels.all()) for rule in AlertRule.objects.all()} == {(channel,)}

    page.goto(f"{server.base_url}/admin/streams/stream/{chosen.pk}/feature/")
    page.get_by_role("button", name="Feature them").click()
    expect(page.get_by_text("1 stream featured.")).to_be_visible()
    with crowd(server, full, 2):
        front = someone.visit("/")
        first = front.locator(".card").first
        expect(first).to_contain_text("Chosen")
        expect(first.get_by_text("Featured", exact=True)).to_be_visible()
        expect(front.locator(".card").nth(1).locator("[data-count-of]")).to_have_text("2", timeout=15_000)
