"""A zone's page whose list of changes is held, whose form gets no answer, and whose frames come late."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, WebSocketRoute, expect

from apps.accounts.models import User
from tests.browser.conftest import House, Person
from tests.browser.managing import SOON_MS, change, expect_live, newest, zone_make
from tests.services.browser import one_browser as one_browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RATE = "[data-figure=per_minute]"
# What is to be done in ten seconds is done when a key is pressed.
TEN_SECONDS_PASS = """const later = window.setTimeout;
window.setTimeout = (act, ms, ...more) =>
  ms === 10_000 ? void addEventListener("keydown", () => act(), { once: true }) : later(act, ms, ...more);"""
PHONE = {"width": 390, "has_touch": True, "is_mobile": True}


def expect_newest(page: Page, text: str) -> None:
    expect(newest(page)).to_contain_text(text, timeout=SOON_MS)
    expect(page.locator("[data-newer]")).to_be_empty()


@pytest.mark.parametrize("device", [{}, PHONE], ids=["mouse", "finger"])
def test_a_question_that_is_left_lets_the_list_go_on(
    house: House, hana: User, minsu: User, person: Callable[..., Person], device: dict[str, Any]
):
    zone_make(hana, per_minute=300, mode="bypass")
    change(hana, mode="paused", why="first")
    change(hana, per_minute=310, why="mine")
    manager = person(house(), **device)
    manager.sign_in(hana)
    page = manager.visit("/manage/zones/hall/")
    expect_live(page)

    def press(target: Locator) -> None:
        if device:
            target.tap()
        else:
            target.click()

    def go_away() -> None:
        if not device:
            page.mouse.move(0, 0)

    said = page.locator("[data-newer]")
    height = "(one) => one.getBoundingClientRect().y - one.closest('section').getBoundingClientRect().y"
    press(newest(page).get_by_text("Say why…"))
    go_away()
    before = newest(page).get_by_role("button").evaluate(height)
    change(minsu, per_minute=120, why="theirs")
    expect(said).to_have_text("There are newer changes", timeout=SOON_MS)
    expect(newest(page)).to_contain_text("mine")
    assert newest(page).get_by_role("button").evaluate(height) == pytest.approx(
        before
    )  # nothing moved under anybody's hand
    press(newest(page).get_by_text("Leave it"))
    go_away()
    expect_newest(page, "theirs")

    asked = page.locator("[data-changes] .sure")
    press(asked.get_by_text("Undo…"))
    go_away()
    change(minsu, per_minute=130, why="once more")
    expect(said).to_have_text("There are newer changes", timeout=SOON_MS)
    press(asked.get_by_text("Leave it"))
    go_away()
    expect_newest(page, "once more")
    if device:  # where a finger was last, nobody points
        page.locator("#changes-title").tap()
        change(minsu, per_minute=140, why="the last")
        expect_newest(page, "the last")


def test_a_form_that_gets_no_answer_may_be_sent_again(house: House, hana: User, person: Callable[..., Person]):
    zone_make(hana, per_minute=300)
    manager = person(house())
    manager.sign_in(hana)
    manager.context.add_init_script(TEN_SECONDS_PASS)
    page = manager.visit("/manage/zones/hall/")
    sent: list[Route] = []

    def answer_the_second(route: Route) -> None:
        sent.append(route)
        if len(sent) > 1:
            route.continue_()

    page.route("**/rate/", answer_the_second)
    page.locator("[data-deed=rate] [name=per_minute]").fill("450")
    send = page.get_by_role("button", name="Change N")
    send.scroll_into_view_if_needed()
    box = send.bounding_box()
    assert box is not None
    place = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    with page.expect_request("**/rate/"):
        page.mouse.click(*place)
    page.mouse.click(*place)
    assert len(sent) == 1
    page.keyboard.press("Shift")
    page.mouse.click(*place)
    expect(page.get_by_text("Entries a minute: changed.")).to_be_visible()


def test_a_frame_that_comes_late_tells_what_was(house: House, hana: User, person: Callable[..., Person]):
    zone = zone_make(hana, per_minute=300, mode="paused")
    manager = person(house())
    manager.sign_in(hana)
    heard: list[str] = []
    sockets: list[WebSocketRoute] = []
    is_there = True

    def pass_on(text: str | bytes) -> None:
        if is_there:
            heard.append(str(text))
            sockets[-1].send(text)

    def keep(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server().on_message(pass_on)

    manager.context.route_web_socket(re.compile("/ws/manage/"), keep)
    page = manager.visit("/manage/zones/hall/")
    expect_live(page)
    is_there = False
    whole = next(frame for frame in map(json.loads, heard) if frame["type"] == "zone")
    gates = [{"gate": "the-other-gate", "seen_ms": whole["at"], "sockets": 3}]
    late = whole | {"version": zone.version - 1, "per_minute": 7, "mode": "open", "gates": gates}
    sockets[-1].send(json.dumps(late))
    expect(page.locator("[data-gates]")).to_contain_text("the-other-gate")
    expect(page.locator(RATE)).to_have_text("300")
    expect(page.locator("[data-mode-tag]")).to_have_text("Paused")
    expect(page.locator("[data-changed]")).to_be_hidden()
