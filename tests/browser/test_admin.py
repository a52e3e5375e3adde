"""The operators' admin in a browser: figures that move, pages that anybody can use, and viewers who are sent away."""

from collections.abc import Callable

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.accounts.ports import sockets
from apps.accounts.services import operator_ensure
from apps.waitingroom.services import zone_create
from tests.browser.axe import violations
from tests.browser.conftest import House, Person, Stage, crowd

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PASSWORD = "a long enough pass"


@pytest.fixture
def operator(transactional_db: None) -> User:
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
    someone = person(server)
    someone.forgive(r"ERR_CONNECTION_REFUSED")
    sign_in(someone, operator)
    page = someone.visit("/admin/")
    row = page.get_by_role("row").filter(has_text="Evening")
    expect(row.get_by_role("cell").last).to_have_text("0")
    page.evaluate("window.stillHere = true")
    row.get_by_role("link").focus()
    with crowd(server, stream, 3):
        expect(row.get_by_role("cell").last).to_have_text("3", timeout=10_000)
        expect(row.get_by_role("link")).to_be_focused()
        process = page.get_by_role("region", name="Server processes").get_by_role("row").filter(has_text=":")
        expect(process.first.get_by_role("cell").nth(1)).to_have_text("3", timeout=10_000)
    assert page.evaluate("window.stillHere") is True
    lost = page.get_by_text("These figures cannot be refreshed now.")
    expect(lost).to_be_hidden()
    server.terminate(deadline=15)
    expect(lost).to_be_visible(timeout=15_000)


def test_who_is_signed_out_is_told_so(house: House, operator: User, person: Callable[..., Person]):
    someone = person(house())
    sign_in(someone, operator)
    page = someone.visit("/admin/")
    expect(page.locator("[data-total=viewers]")).to_be_visible()
    someone.context.clear_cookies()
    expect(page.get_by_text("You are signed out.")).to_be_visible(timeout=10_000)
    page.locator("[data-signed-out]").get_by_role("link").click()
    page.wait_for_url("**/admin/login/**")


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
def test_the_dashboard_and_the_questions_are_for_everybody(
    house: House, stage: Stage, operator: User, person: Callable[..., Person], locale: str
):
    stream, server = stage("A title of one hundred letters " * 3), house()
    zone_create(actor=None, zone_id="door", name="Front door", name_ko="정문", per_minute=60)
    addresses = {
        "/admin/": "[data-dashboard]",
        f"/admin/streams/stream/{stream.pk}/feature/": "#content form",
        f"/admin/streams/stream/{stream.pk}/disconnect/": "#content form",
        f"/admin/accounts/user/{operator.pk}/ban/": "#content form",
    }
    for shade in ("light", "dark"):
        for width in (1280, 390):
            someone = person(server, locale=locale, width=width, color_scheme=shade)
            sign_in(someone, operator)
            for path, part in addresses.items():
                page = someone.visit(path)
                page.locator(part).first.wait_for()
                assert violations(page, part) == {}, (path, shade, width)
                assert overflow(page) == 0, (path, shade, width)
                page.close()


def test_a_viewer_who_is_sent_away_is_told_so_and_stays_away(
    house: House, stage: Stage, operator: User, person: Callable[..., Person]
):
    stream = stage("Evening")
    viewer = person(house())
    sign_in(viewer, operator)
    page = viewer.visit(f"/live/{stream.pk}/")
    state = page.locator("[data-state]")
    expect(state).to_have_text("Counting live")
    sockets().viewer_disconnect(viewer_id=operator.viewer_id, stream_id=stream.pk, reason="Spam")
    expect(state).to_have_text("An operator has closed this for you")
    expect(page.get_by_role("button", name="Watch here")).to_be_hidden()


def test_featured_streams_keep_their_place_while_counts_move(
    house: House, stage: Stage, operator: User, person: Callable[..., Person]
):
    chosen, full = stage("Chosen"), stage("Full")
    server = house()
    someone = person(server)
    sign_in(someone, operator)
    page = someone.visit(f"/admin/streams/stream/{chosen.pk}/feature/")
    page.get_by_role("button", name="Feature them").click()
    expect(page.get_by_text("1 stream featured.")).to_be_visible()
    with crowd(server, full, 2):
        front = someone.visit("/")
        first = front.locator(".card").first
        expect(first).to_contain_text("Chosen")
        expect(first.get_by_text("Featured", exact=True)).to_be_visible()
        expect(front.locator(".card").nth(1).locator("[data-count-of]")).to_have_text("2", timeout=10_000)
