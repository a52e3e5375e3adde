"""The live directory: counts move by themselves, and nothing moves under a hand."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.audience.services import audience_sweep
from apps.streams.services import category_ensure, stream_end
from tests.browser.conftest import House, Person, Stage, crowd

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SOON_MS = 15_000
ASKED_BY_MS = 46_000  # an empty page asks again within 45 s


def expect_count(page: Page, stream_id: int, viewers: int) -> None:
    count = page.locator(f"[data-count-of='{stream_id}']")
    expect(count).to_have_attribute("data-value", str(viewers), timeout=SOON_MS)


def test_counts_move_while_people_come_and_go(house: House, stage: Stage, person: Callable[..., Person]):
    server, popular, quiet = house(), stage("Popular"), stage("Quiet")
    page = person(server).visit("/")
    expect_count(page, popular.pk, 0)
    with crowd(server, popular, 5), crowd(server, quiet, 2):
        expect_count(page, popular.pk, 5)
        expect_count(page, quiet.pk, 2)
    expect_count(page, popular.pk, 0)
    expect_count(page, quiet.pk, 0)


def test_the_house_figure_adds_the_streams_up(house: House, stage: Stage, person: Callable[..., Person]):
    server, one, two = house(), stage("One"), stage("Two")
    audience_sweep()
    page = person(server).visit("/")
    total = page.locator("[data-house]")
    expect(total).to_have_attribute("data-value", "0")
    with crowd(server, one, 3), crowd(server, two, 2):
        expect_count(page, one.pk, 3)
        expect_count(page, two.pk, 2)
        audience_sweep()
        expect(total).to_have_attribute("data-value", "5", timeout=SOON_MS)


def test_a_stream_that_ends_keeps_its_place_and_says_so(house: House, stage: Stage, person: Callable[..., Person]):
    server, ending = house(), stage("Ending")
    page = person(server).visit("/")
    card = page.locator(f"[data-stream='{ending.pk}']")
    expect(card.locator(".badge")).to_have_text("LIVE")
    stream_end(stream=ending)
    expect(card.locator(".badge")).to_have_text("Ended", timeout=SOON_MS)
    expect(card.locator(".count")).to_have_text("—")


def test_search_and_categories_find_and_say_when_nothing_is_found(
    house: House, stage: Stage, person: Callable[..., Person]
):
    music = category_ensure(slug="music", name="Music", name_ko="음악", position=2)
    server = house()
    stage("Chess with viewers")
    stage("Piano requests", music)
    page = person(server).visit("/")
    expect(page.locator(".card")).to_have_count(2)
    page.get_by_role("searchbox").fill("piano")
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator(".card h2")).to_have_text(["Piano requests"])
    page.goto(server.base_url)
    page.get_by_role("link", name="Games", exact=True).click()
    expect(page.locator(".card h2")).to_have_text(["Chess with viewers"])
    page.goto(f"{server.base_url}/?q=nothing-like-it")
    expect(page.get_by_role("heading", name="Nothing live matches")).to_be_visible()
    page.get_by_role("link", name="Show everything that is live").click()
    expect(page.locator(".card")).to_have_count(2)


def test_an_empty_house_invites(house: House, person: Callable[..., Person]):
    page = person(house()).visit("/")
    expect(page.get_by_role("heading", name="The house is dark")).to_be_visible()
    expect(page.get_by_role("link", name="Start a stream")).to_be_visible()


@pytest.mark.parametrize(
    ("locale", "path", "offer"),
    [
        ("en-US", "/", "Streams are live now. Show them"),
        ("ko-KR", "/", "지금 방송이 시작되었습니다. 보기"),
        ("en-US", "/?q=piano", "Something matches now. Show it"),
    ],
)
def test_an_empty_page_wakes_up(
    house: House, stage: Stage, person: Callable[..., Person], locale: str, path: str, offer: str
):
    visitor = person(house(), locale=locale)
    visitor.context.clock.install()
    page = visitor.visit(path)
    link = page.get_by_role("link", name=offer)
    with page.expect_response("**/api/streams?*") as asked:
        page.clock.run_for(ASKED_BY_MS)
    assert asked.value.json()["total"] == 0
    expect(link).to_be_hidden()
    stage("Piano requests")
    with page.expect_response("**/api/streams?*"):
        page.clock.run_for(ASKED_BY_MS)
    expect(link).to_be_visible()
    link.click()
    expect(page.locator(".card h2")).to_have_text(["Piano requests"])


def test_the_keyboard_reaches_the_content_the_search_and_the_first_card(
    house: House, stage: Stage, person: Callable[..., Person]
):
    server, stream = house(), stage("By keys alone")
    page = person(server).visit("/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("searchbox")).to_be_focused()
    skip.focus()
    page.keyboard.press("Enter")
    card = page.get_by_role("link", name="By keys alone")
    for _ in range(8):  # past the categories
        page.keyboard.press("Tab")
        if card.evaluate("link => link === document.activeElement"):
            break
    expect(card).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{server.base_url}/live/{stream.pk}/")
