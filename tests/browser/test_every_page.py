"""What holds on every page: it fits a phone, speaks the chosen language, keeps the theme, runs no inline script."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.realtime.content_policy import CONTENT_POLICY
from apps.streams.services import stream_end
from apps.waitingroom.models import Role
from apps.waitingroom.role_services import manager_set
from apps.waitingroom.services import zone_create
from tests.analytics.owned import owned_make
from tests.browser.conftest import House, Person, Stage
from tests.waitingroom.test_pages import FILES as WAITING_PAGE

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TAB_ICON = "img/mark.svg"

LONG = (
    "A title of one hundred and twenty letters, which is all that the form takes, without mercy on any narrow telephone"
)


@pytest.fixture
def addresses(stage: Stage) -> list[str]:
    """Every kind of page that anybody may see."""
    live, ended = stage(LONG), stage("무궁화꽃이피었습니다" * 8)
    stage("Superkalifragilistik" * 5)
    stream_end(stream=ended)
    return [
        "/",
        "/?q=none",
        f"/live/{live.pk}/",
        f"/live/{ended.pk}/",
        "/rankings/",
        "/accounts/sign-in/",
        "/accounts/sign-up/",
        "/no",
    ]


@pytest.fixture
def desk(transactional_db: None) -> tuple[User, list[str]]:
    """Somebody who broadcasts and runs a zone, and every kind of page that is for such people; and who waits there."""
    owned = owned_make()
    zone_create(actor=None, zone_id="hall", name=LONG[:80], app="hall", message=LONG, mode="queue-all", per_minute=0)
    manager_set(actor=None, user=owned.mina, role=Role.OWNER, app="hall")
    return owned.mina, [
        "/wait/hall/?next=/",
        "/studio/",
        "/studio/statistics/?from=2026-03-01&to=2026-03-03",
        f"/live/{owned.second.pk}/statistics/",
        "/manage/",
        "/manage/new/",
        *(f"/manage/zones/hall/{part}" for part in ("", "settings/", "people/", "changes/", "report/")),
    ]


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
def test_nothing_scrolls_sideways_on_a_small_phone(
    house: House, addresses: list[str], person: Callable[..., Person], locale: str
):
    phone = person(house(), locale=locale, width=360)
    phone.forgive(r"status of 404")
    assert {path: overflow(phone.visit(path)) for path in addresses} == dict.fromkeys(addresses, 0)


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
def test_the_pages_of_those_who_work_here_fit_a_small_phone_in_the_chosen_shade(
    house: House, desk: tuple[User, list[str]], person: Callable[..., Person], locale: str
):
    mina, paths = desk
    phone = person(house(), locale=locale, width=360, color_scheme="dark")
    phone.sign_in(mina)
    page = phone.visit("/")
    page.get_by_role("button", name="Light or dark" if locale == "en-US" else "밝게 또는 어둡게").click()
    for path in paths:
        page.goto(phone.base_url + path)
        expect(page.locator("html")).to_have_attribute("data-theme", "light")
        expect(page.locator("html")).to_have_attribute("lang", locale[:2])
        assert overflow(page) == 0, path


def test_the_pages_of_those_who_work_here_keep_to_the_content_policy_and_to_this_host(
    house: House, desk: tuple[User, list[str]], person: Callable[..., Person]
):
    mina, paths = desk
    someone = person(house())
    someone.sign_in(mina)
    asked: set[str] = set()
    someone.context.on("request", lambda request: asked.add(request.url))
    someone.visit(paths[0])
    expect(someone.context.pages[0].locator("[data-figure]")).to_have_text("1")
    files = (url.partition("/static/")[2] for url in asked if "/static/" in url)
    assert {re.sub(r"\.[0-9a-f]{12}(?=\.\w+$)", "", name) for name in files} == {*WAITING_PAGE, TAB_ICON}
    for path in paths:
        page = someone.context.new_page()
        answer = page.goto(someone.base_url + path)
        assert answer is not None
        assert (answer.status, answer.headers["content-security-policy"]) == (200, CONTENT_POLICY), path
        expect(page.locator("main")).to_be_visible()
    assert {url for url in asked if not url.startswith(someone.base_url)} == set()


def test_korean_is_chosen_by_the_browser_and_by_hand(house: House, addresses: list[str], person: Callable[..., Person]):
    server = house()
    korean = person(server, locale="ko-KR").visit("/")
    expect(korean.locator("html")).to_have_attribute("lang", "ko")
    expect(korean.get_by_role("link", name="게임", exact=True)).to_be_visible()
    expect(korean.locator(".card").first.locator(".watching")).to_contain_text("명 시청 중")
    live = person(server, locale="ko-KR").visit(addresses[2])
    expect(live.locator("[data-state]")).to_have_text("실시간 집계 중")
    expect(live.locator("[data-fresh]")).to_contain_text("기준")
    visitor = person(server).visit("/")
    visitor.get_by_role("button", name="한국어").click()
    expect(visitor.get_by_role("link", name="로그인")).to_be_visible()
    visitor.get_by_role("button", name="English").click()
    expect(visitor.get_by_role("link", name="Sign in")).to_be_visible()


def test_the_theme_follows_the_system_until_it_is_chosen(house: House, person: Callable[..., Person]):
    visitor = person(house(), color_scheme="dark")
    page = visitor.visit("/")
    root = page.locator("html")
    expect(root).to_have_attribute("data-shade", "dark")
    page.get_by_role("button", name="Light or dark").click()
    expect(root).to_have_attribute("data-theme", "light")
    page.reload()
    expect(root).to_have_attribute("data-theme", "light")
    page.get_by_role("button", name="Light or dark").click()
    assert root.get_attribute("data-theme") is None  # the system's own choice is not stored


def test_every_page_keeps_to_its_content_policy(house: House, addresses: list[str], person: Callable[..., Person]):
    visitor = person(house())
    visitor.forgive(r"status of 404")
    for path in addresses:
        page = visitor.context.new_page()
        answer = page.goto(visitor.base_url + path)
        assert answer is not None
        assert answer.headers["content-security-policy"] == CONTENT_POLICY
        expect(page.locator("main")).to_be_visible()  # and what was refused would be an error on the console
    page = visitor.visit(addresses[2])
    expect(page.locator("[data-state]")).to_have_text("Counting live")
    expect(page.locator("[data-trail] canvas")).to_be_visible()


def test_the_page_of_the_api_draws_itself_within_its_own(house: House, person: Callable[..., Person]):
    page = person(house()).visit("/api/docs")
    expect(page.locator("#operations-tag-streams, .opblock").first).to_be_visible()


def test_the_content_policy_stops_a_script_that_slipped_in(house: House, person: Callable[..., Person]):
    visitor = person(house())
    visitor.forgive(r"Content Security Policy")
    page = visitor.visit("/")
    with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), {text: 'window.slippedIn = 1'}))"
        )
    assert page.evaluate("window.slippedIn === undefined")


def test_pages_ask_nothing_of_other_hosts(house: House, addresses: list[str], person: Callable[..., Person]):
    server = house()
    visitor = person(server)
    visitor.forgive(r"status of 404")
    asked: set[str] = set()
    visitor.context.on("request", lambda request: asked.add(request.url))
    for path in addresses:
        visitor.visit(path)
    assert asked
    assert {url for url in asked if not url.startswith(server.base_url)} == set()
