"""The waiting page: two browsers and one door, honest figures, and a place that survives what happens to browsers."""

import json
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.waitingroom.services import zone_clear, zone_create
from tests.browser.conftest import House, Person
from tests.browser.waiting import (
    FAST,
    WAIT,
    change,
    expect_inside,
    expect_place,
    expect_status,
    ticket,
    waiting,
)
from tests.services.browser import one_browser as one_browser
from tests.services.waiting import eventually
from tests.waitingroom.gate import Client

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def record(page: Page) -> None:
    """Keep every time left that the page shows from now on, and what it says to a screen reader."""
    page.evaluate(
        """() => {
            const keep = (name) => {
                const element = document.querySelector(`[data-${name}]`), seen = window[name] = [element.textContent];
                new MutationObserver(() => seen.push(element.textContent)).observe(element, {childList: true});
            };
            keep("left");
            keep("say");
        }"""
    )


def seconds(shown: str) -> int:
    if shown == "any moment":
        return 0
    minutes, rest = shown.split(":")
    return int(minutes) * 60 + int(rest)


def test_the_second_waits_counts_down_and_is_let_in(house: House, person: Callable[..., Person]):
    zone_create(actor=None, zone_id="hall", per_minute=10, **FAST)
    server = house()
    came_at = time.monotonic()
    first = person(server).visit(WAIT)
    expect_inside(first)
    others = Client(server.port)
    for _ in range(9):
        assert others.ask("wait", {"zoneId": "hall"}).json["canEnter"] is True
    others.close()

    second = person(server).visit(WAIT)
    expect_status(second, "You are next")
    expect_place(second, 1, 0)
    record(second)
    since_s = time.monotonic() - came_at
    requests: list[str] = []
    second.on("request", lambda request: requests.append(request.url))
    # Two tabs opened at once by the third are one person.
    third = person(server)
    tabs = [third.context.new_page(), third.context.new_page()]
    for tab in tabs:
        tab.goto(server.base_url + WAIT, wait_until="commit")
    for tab in tabs:
        expect_place(tab, 2, 0)
    assert ticket(tabs[0]) == ticket(tabs[1]) != ""
    expect_place(second, 1, 1)
    second.evaluate(
        """() => new Promise((done) => {
            const timer = setInterval(() => window.left.length > 4 && done(clearInterval(timer)), 100);
        })"""
    )

    left = [seconds(shown) for shown in second.evaluate("window.left")]
    assert left == sorted(left, reverse=True)
    assert 53 - since_s <= left[0] <= 66  # ten entered at once, so the next one does ten windows of 6 s later
    # A screen reader heard the place once, and not with every answer.
    assert len(second.evaluate("window.say")) == 1
    assert second.evaluate("window.say[0]").startswith("You are next. Your place in line: 1. Time left in minutes: ")
    assert second.title() == "1 · The Hall"
    assert set(requests) <= {f"{server.base_url}/traffic/entry"}

    change(per_minute=600)
    expect_inside(second)
    for tab in tabs:
        expect_inside(tab)
    assert waiting() == 0


def test_a_place_outlives_its_tab_and_is_given_up_on_purpose_only(house: House, person: Callable[..., Person]):
    zone_create(actor=None, zone_id="hall", per_minute=0, mode="queue-all", **FAST)
    server = house(role="gate")
    ann, bob = person(server), person(server)
    page = ann.visit(WAIT)
    expect_place(page, 1, 0)
    other = bob.visit(WAIT)
    expect_place(other, 2, 0)
    held = ticket(page)
    page.close()
    page = ann.visit(WAIT)
    expect_place(page, 1, 1)
    assert ticket(page) == held
    page.reload()
    expect_place(page, 1, 1)

    page.get_by_role("button", name="Leave the line…").click()
    page.get_by_role("button", name="Stay").click()
    expect_place(page, 1, 1)
    tab = ann.visit(WAIT)
    expect_place(tab, 1, 1)
    page.get_by_role("button", name="Leave the line…").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    for one in (page, tab):
        expect_status(one, "You have left the line")
    expect_place(other, 1, 0)
    assert waiting() == 1
    page.get_by_role("button", name="Get in line again").click()
    for one in (page, tab):
        expect_place(one, 2, 0)
    assert waiting() == 2


def test_the_page_tells_what_the_manager_does(house: House, person: Callable[..., Person]):
    zone_create(
        actor=None,
        zone_id="hall",
        per_minute=1,
        mode="blocked",
        message="Back at nine.",
        message_ko="아홉 시에.",
        **FAST,
    )
    server = house()
    newcomer, korean = person(server), person(server, locale="ko-KR", width=320, color_scheme="dark")
    for one in (newcomer, korean):
        one.forgive(r"status of 410")
    korean.context.clock.install()
    page, kpage = newcomer.visit(WAIT), korean.visit(WAIT)
    expect_status(page, "Closed for now")
    expect(page.locator("[data-message]")).to_have_text("Back at nine.")
    expect_status(kpage, "지금은 닫혀 있습니다")
    expect(kpage.locator("[data-message]")).to_have_text("아홉 시에.")
    expect(page.locator("[data-hero]")).to_be_hidden()
    kept = page.get_by_text("your place is kept for")
    expect(kept).to_be_hidden()  # there is none

    change(mode="paused", message="<i>Soon</i>", message_ko="")
    expect_status(page, "The line is paused")
    expect(page.locator("[data-message]")).to_have_text("<i>Soon</i>")  # text, whatever it looks like
    expect(page.locator("[data-left]")).to_have_text("—")
    expect(kept).to_be_visible()
    expect_status(kpage, "입장을 잠시 멈췄습니다")
    eventually(lambda: waiting() == 2)
    assert kpage.evaluate("document.documentElement.scrollWidth") == 320

    zone_clear(actor=None, zone_id="hall")
    expect_status(page, "The line was emptied")
    page.get_by_role("button", name="Get in line again").click()
    expect_status(page, "The line is paused")
    expect(page.get_by_text("The manager emptied the line, so you start anew.")).to_be_visible()
    expect_status(kpage, "줄을 비웠습니다")
    kpage.clock.fast_forward(8_000)  # by itself, within so long
    expect_status(kpage, "입장을 잠시 멈췄습니다")
    change(mode="bypass")
    expect_inside(page)
    expect_inside(kpage)

    # A site that sends people back with a good pass does not make them run in circles.
    used = page.url
    for _ in range(2):
        page.goto(server.base_url + WAIT)
        page.wait_for_url(used)
    page.goto(server.base_url + WAIT)
    expect_status(page, "Your pass was not accepted")
    page.get_by_role("button", name="Get in line again").click()
    expect_inside(page)
    assert page.url != used


def test_an_interrupted_page_says_so_and_goes_on(house: House, person: Callable[..., Person]):
    zone_create(actor=None, zone_id="hall", per_minute=0, mode="queue-all", **FAST)
    server = house(role="gate")
    someone = person(server)
    someone.forgive(r"ERR_INTERNET_DISCONNECTED|WebSocket connection to|status of 410")
    page = someone.visit(WAIT)
    expect_place(page, 1, 0)
    someone.context.set_offline(True)
    expect_status(page, "You are offline")
    expect(page.locator("[data-words]")).to_contain_text("Your place is kept for")
    someone.context.set_offline(False)
    expect_status(page, "Connected again")
    expect_place(page, 1, 0)

    # Out of sight it asks nobody, and is heard of all the same.
    look = "value => { Object.defineProperty(document, 'hidden', {value, configurable: true});"
    look += " document.dispatchEvent(new Event('visibilitychange')) }"
    with page.expect_websocket(lambda socket: "/ws/zones/hall/" in socket.url) as opened:
        page.evaluate(look, True)
    frame = json.loads(str(opened.value.wait_for_event("framereceived")))
    assert (frame["type"], frame["waiting"]["rank"], frame["state"]) == ("line", 1, "waiting")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    opened.value.wait_for_event("framereceived")
    assert asked == []
    with page.expect_request("**/traffic/entry"), opened.value.expect_event("close"):
        page.evaluate(look, False)

    # Given up behind its back, it says so and starts at the end.
    other = person(server).visit(WAIT)
    expect_place(other, 2, 0)
    body = json.dumps({"zoneId": "hall", "token": ticket(page)})
    post = "body => fetch('/traffic/leave', {method: 'POST', body}).then((answer) => answer.json())"
    assert page.evaluate(post, body) == {"left": True}
    expect_status(page, "We lost you")
    page.get_by_role("button", name="Get in line again").click()
    expect_place(page, 2, 0)
    expect(page.locator("[data-lost]")).to_contain_text("You start at the end.")
