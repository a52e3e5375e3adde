"""A zone's page in a browser while others change the zone, frames come late, and the server cannot take it."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Route, WebSocketRoute, expect

from apps.accounts.models import User
from apps.waitingroom.manage import frames
from tests.browser.conftest import House, Person
from tests.browser.managing import SOON_MS, change, expect_live, expect_waiting, in_line, newest, zone_make, zone_now
from tests.services.browser import one_browser as one_browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SOCKETS = re.compile(r"/ws/manage/")
RATE = "[data-figure=per_minute]"
# Keeps every text that N has had since the page was there.
KEEP_RATES = """document.addEventListener("DOMContentLoaded", () => {
  window.rates = [];
  const place = document.querySelector("[data-figure=per_minute]");
  const look = () => window.rates.push(place.textContent);
  if (place) new MutationObserver(look).observe(place, { childList: true, characterData: true, subtree: true });
});"""


def test_a_frame_that_comes_late_takes_no_change_back(
    house: House, hana: User, minsu: User, person: Callable[..., Person]
):
    """Another page of the zone is open, so the server has facts of before the change, and pushes them to who comes."""
    zone_make(hana, per_minute=300, mode="paused")
    server = house()
    manager = person(server)
    manager.sign_in(hana)
    heard: list[str | bytes] = []

    def late(socket: WebSocketRoute) -> None:
        behind, is_first = socket.connect_to_server(), True

        def pass_on(text: str | bytes) -> None:
            nonlocal is_first
            if is_first and heard:
                socket.send(heard[0])
            is_first = False
            heard.append(text)
            socket.send(text)

        behind.on_message(pass_on)

    manager.context.route_web_socket(SOCKETS, late)
    manager.context.add_init_script(KEEP_RATES)
    page = manager.visit("/manage/zones/hall/")
    expect_live(page)
    page.locator("[data-deed=rate] [name=per_minute]").fill("450")
    page.get_by_role("button", name="Change N").click()
    expect(page.get_by_text("Entries a minute: changed.")).to_be_visible()
    with in_line(server, 1):
        expect_waiting(page, "1")  # so what came late has come
        expect(page.locator(RATE)).to_have_text("450")
        assert page.evaluate("window.rates") == []
        expect(page.locator("[data-changed]")).to_be_hidden()
        for deed in ("rate", "mode"):
            expect(page.locator(f"[data-deed={deed}] [name=version]")).to_have_value(str(zone_now().version))
        change(minsu, per_minute=120)
        expect(page.locator("[data-changed]")).to_have_text(
            re.compile(r"^최민수 \(minsu\) changed the zone at \d\d:\d\d:\d\d\. Figures and forms here follow\.$"),
            timeout=SOON_MS,
        )
        expect(page.locator(RATE)).to_have_text("120")


def test_the_list_of_changes_stays_while_somebody_aims_at_it(
    house: House, hana: User, minsu: User, person: Callable[..., Person]
):
    zone_make(hana, per_minute=300, mode="paused")
    change(hana, per_minute=310, why="mine")
    server = house()
    manager = person(server)
    manager.sign_in(hana)
    page = manager.visit("/manage/zones/hall/")
    expect_live(page)
    expect(newest(page)).to_contain_text("mine")
    page.locator("[data-changes]").hover()
    change(minsu, per_minute=120, why="theirs")
    expect(page.locator("[data-changed]")).to_be_visible(timeout=SOON_MS)
    with in_line(server, 1):
        expect_waiting(page, "1")  # frames go on
        expect(newest(page)).to_contain_text("mine")
        page.mouse.move(0, 0)
        expect(newest(page)).to_contain_text("theirs", timeout=SOON_MS)

        undo = newest(page).get_by_role("button")
        undo.focus()
        change(minsu, per_minute=130, why="once more")
        expect(page.locator(RATE)).to_have_text("130", timeout=SOON_MS)
        with in_line(server, 1):
            expect_waiting(page, "2")
            expect(newest(page)).to_contain_text("theirs")
            expect(undo).to_be_focused()
            undo.blur()
            expect(newest(page)).to_contain_text("once more", timeout=SOON_MS)

    # A question that is open stays with what was typed.
    change(minsu, mode="bypass")
    change(minsu, mode="paused", why="too many")
    expect(newest(page)).to_contain_text("too many", timeout=SOON_MS)
    newest(page).locator("summary").click()
    reason = newest(page).locator("[name=why]")
    reason.fill("let them")
    reason.blur()
    page.mouse.move(0, 0)
    change(minsu, per_minute=140, why="the last")
    expect(page.locator(RATE)).to_have_text("140", timeout=SOON_MS)
    with in_line(server, 1):
        page.wait_for_function("() => Number(document.querySelector('[data-figure=waiting]').dataset.value) > 0")
        expect(newest(page)).to_contain_text("too many")
        expect(reason).to_have_value("let them")
        newest(page).get_by_text("Leave it").click()
        page.mouse.move(0, 0)
        expect(newest(page)).to_contain_text("the last", timeout=SOON_MS)


def test_undo_pressed_twice_is_done_once(house: House, hana: User, person: Callable[..., Person]):
    zone_make(hana, per_minute=300)
    change(hana, per_minute=310)
    manager = person(house())
    manager.sign_in(hana)
    page = manager.visit("/manage/zones/hall/")
    held: list[Route] = []  # what a slow network does
    page.route("**/undo/", lambda route: held.append(route))
    undo = newest(page).get_by_role("button")
    undo.scroll_into_view_if_needed()
    box = undo.bounding_box()
    assert box is not None
    place = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    with page.expect_request("**/undo/"):
        page.mouse.click(*place)
    page.mouse.click(*place)
    page.mouse.click(*place)
    assert len(held) == 1
    held[0].continue_()
    expect(page.get_by_text("Undone.", exact=True)).to_be_visible()
    expect(page.locator(".conflict")).to_have_count(0)
    assert zone_now().per_minute == 300


def test_what_stands_beside_the_forms_is_of_now(house: House, hana: User, minsu: User, person: Callable[..., Person]):
    zone_make(hana, per_minute=300, mode="paused")
    server = house()
    manager = person(server)
    manager.sign_in(hana)
    sockets: list[WebSocketRoute] = []
    is_there = True

    def keep(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server().on_message(lambda text: socket.send(text) if is_there else None)

    manager.context.route_web_socket(SOCKETS, keep)
    page = manager.visit("/manage/zones/hall/")
    loses = page.locator("[data-loses]")
    expect_live(page)
    expect(loses).to_have_text("0 people lose their places. This cannot be undone.")
    with in_line(server, 1):
        expect(loses).to_have_text("1 person loses their place. This cannot be undone.", timeout=SOON_MS)
        with in_line(server, 1):
            expect(loses).to_have_text("2 people lose their places. This cannot be undone.", timeout=SOON_MS)
    opens_at = (timezone.now() + timedelta(days=1)).replace(second=0, microsecond=0)
    change(minsu, message="Soon", message_ko="곧", opens_at=opens_at)
    expect(page.locator("[data-message-now]")).to_have_text("Soon", timeout=SOON_MS)
    expect(page.locator("[data-opening-now]")).to_have_text(f"opens {timezone.localtime(opens_at):%Y-%m-%d %H:%M}")
    change(minsu, message="", message_ko="", opens_at=None)
    expect(page.locator("[data-message-now]")).to_have_text("none", timeout=SOON_MS)
    expect(page.locator("[data-opening-now]")).to_have_text("none")
    is_there = False  # Redis, as far as this page hears
    sockets[-1].send(frames.stale(0))
    expect(loses).to_contain_text("how many they are cannot be read now")


def test_a_server_that_cannot_take_the_page_is_not_called_a_full_house(
    house: House, hana: User, person: Callable[..., Person]
):
    zone_make(hana)
    server = house()
    for locale, text in (
        ("en-US", "The server cannot take this page now"),
        ("ko-KR", "지금은 서버가 이 페이지를 받지 못합니다"),
    ):
        manager = person(server, locale=locale)
        manager.sign_in(hana)
        manager.context.route_web_socket(
            SOCKETS, lambda socket: socket.close(code=1013, reason="unverified: nobody can tell now what you may see")
        )
        for path in ("/manage/", "/manage/zones/hall/"):
            expect(manager.visit(path).locator("[data-state]")).to_have_text(text, timeout=SOON_MS)


# Another chart of the same kind in a corner of the page, fed by hand: half an hour of a line of seven until `at`.
CHART = """async () => {
  const address = performance.getEntriesByType("resource").find(({ name }) => name.includes("manage-chart")).name;
  const { Course } = await import(address);
  const figure = document.querySelector("[data-course]").cloneNode(true);
  figure.id = "another";
  figure.style.cssText = "position: fixed; inset: 0 auto auto 0; width: 40rem; z-index: 9999; background: white";
  figure.querySelector(".plot").replaceChildren();
  document.body.append(figure);
  window.course = new Course(figure);
  window.at = Math.floor(Date.now() / 60000) * 60;
  const minutes = [...Array(30).keys()].map((number) => [window.at - 1800 + number * 60, 7, 1]);
  const now = Date.now;
  Date.now = () => now() - 3_600_000;
  window.course.load(minutes, [], 60, window.at);
  Date.now = now;
}"""


def test_the_chart_goes_by_the_servers_clock(house: House, hana: User, person: Callable[..., Person]):
    zone_make(hana)
    manager = person(house())
    manager.sign_in(hana)
    page = manager.visit("/manage/zones/hall/")
    expect_live(page)
    page.evaluate(CHART)
    plot, reading = page.locator("#another .u-over"), page.locator("#another [data-reading]")
    expect(plot).to_be_visible()  # by a browser that is an hour slow
    box = plot.bounding_box()
    assert box is not None
    end = box["x"] + box["width"] - 2, box["y"] + 20
    page.mouse.move(*end)
    expect(reading).to_contain_text("· 7 · 1 / 60")
    # The server's clock is set back by ten minutes: what it says from then on is shown.
    page.evaluate("() => { course.add(at + 1, 7, 1, 60); course.add(at - 600, 8, 2, 60); course.draw(); }")
    page.evaluate("() => { course.add(at - 540, 9, 3, 60); course.draw(); }")
    page.mouse.move(box["x"] + 50, end[1])
    page.mouse.move(*end)
    expect(reading).to_contain_text("· 9 · 3 / 60")


def test_what_is_foretold_follows_the_line(house: House, hana: User, minsu: User, person: Callable[..., Person]):
    zone_make(hana, per_minute=60, mode="paused")
    server = house()
    manager = person(server)
    manager.sign_in(hana)
    page = manager.visit("/manage/zones/hall/")
    expect_live(page)
    foretold = page.locator("[data-preview]")
    expect(foretold).to_have_text("Nobody waits, and nobody enters for now. Later 60 a minute do.")
    with in_line(server, 2) as poll:
        expect_waiting(page, "2")
        expect(foretold).to_have_text("At 60 a minute the line of 2 does not move.", timeout=2 * SOON_MS)
        page.locator("[data-deed=rate] [name=per_minute]").fill("90")
        expect(foretold).to_have_text("At 90 a minute the line of 2 does not move.")
        change(minsu, mode="open")
        expect(foretold).to_have_text(re.compile("^At 90 a minute the line of 2 clears at"), timeout=2 * SOON_MS)
        poll()


def test_what_is_foretold_before_an_opening_goes_with_the_clock(
    house: House, hana: User, person: Callable[..., Person]
):
    now = timezone.now()
    zone_make(hana, per_minute=60, opens_at=now + timedelta(minutes=30), prequeue_from=now)
    server = house()
    manager = person(server)
    manager.sign_in(hana)
    page = manager.visit("/manage/zones/hall/")
    expect_live(page)
    with in_line(server, 2):
        expect_waiting(page, "2")
        foretold = page.locator("[data-preview]")
        expect(foretold).to_have_text(re.compile(r"^At 60 a minute the line of 2 clears at .*, in \d\d:\d\d\.$"))
        said = foretold.inner_text()
        expect(foretold).not_to_have_text(said, timeout=SOON_MS)  # and nobody came or went
        assert page.locator("[data-figure=waiting]").inner_text() == "2"
