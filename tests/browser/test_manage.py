"""The zone managers' pages in a browser: figures that move, actions that act, what two managers see of each other."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.accounts.services import user_register
from apps.waitingroom.models import Role, Zone, ZoneManager
from apps.waitingroom.role_services import manager_remove, manager_set
from apps.waitingroom.services import zone_update
from tests.browser.conftest import House, Person
from tests.browser.managing import SOON_MS, change, expect_live, expect_waiting, in_line, zone_make, zone_now
from tests.services.browser import one_browser as one_browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FIELD = "[data-deed=rate] [name=per_minute]"


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until this has the focus, as who has no mouse does."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} cannot be reached by keyboard")


def test_a_line_is_seen_and_run_without_a_mouse(house: House, hana: User, person: Callable[..., Person]):
    zone_make(hana, per_minute=600, mode="paused")
    server = house()
    manager, visitor = person(server), person(server)
    manager.sign_in(hana)
    visitor.forgive(r"status of 410")  # the door is closed, and says so
    wall = manager.visit("/manage/")
    expect_live(wall)
    card = wall.locator("[data-zone=hall]")
    waiting = visitor.visit("/wait/hall/?next=/")
    with in_line(server, 2) as poll:
        expect(card.locator(".waiting dd")).to_have_text("3", timeout=SOON_MS)
        expect(card.locator(".health")).to_have_text("Stands still: paused")
        tab_to(wall, "[data-zone=hall] a")
        wall.keyboard.press("Enter")
        expect_live(wall)
        expect_waiting(wall, "3")
        expect(wall.locator("[data-course] canvas")).to_be_visible()

        # N, with a look ahead and a reason.
        tab_to(wall, FIELD)
        wall.keyboard.press("Control+a")
        wall.keyboard.type("1,200")
        expect(wall.locator("[data-preview]")).to_have_text("At 1,200 a minute the line of 3 does not move.")
        tab_to(wall, "[data-deed=rate] [name=why]")
        wall.keyboard.type("a second door")
        wall.keyboard.press("Enter")
        expect(wall.get_by_text("Entries a minute: changed.")).to_be_visible()
        assert zone_now().per_minute == 1_200
        expect(wall.locator("[data-changes] li").first).to_contain_text("“a second door”")

        # A message to those who wait, and the line goes on.
        tab_to(wall, ".folds summary")
        wall.keyboard.press("Enter")
        tab_to(wall, "[data-deed=message] [name=message]")
        wall.keyboard.type("<b>Soon</b>")
        expect(wall.locator("[data-told-of=message]")).to_have_text("<b>Soon</b>")
        wall.get_by_role("button", name="Show this message").press("Enter")
        expect(waiting.locator("[data-message]")).to_have_text("<b>Soon</b>", timeout=SOON_MS)
        assert poll() == [False, False]
        tab_to(wall, ".modes [value=open]")
        wall.keyboard.press("Enter")
        expect(wall.locator("[data-mode-tag]")).to_have_text("Open")
        expect(wall.locator("[data-mode-since]")).to_have_text(
            re.compile(r"^Open since \d\d:\d\d, set by Hana Kim \(hana\)$")
        )
        waiting.wait_for_url(re.compile(r"pass=fp1\.hall"), timeout=20_000)

        # Taken back.
        undo = wall.locator("[data-changes] li").first.get_by_role("button")
        undo.press("Enter")
        expect(wall.locator("[data-mode-tag]")).to_have_text("Paused")


def test_what_is_dangerous_takes_two_steps(house: House, hana: User, person: Callable[..., Person]):
    zone = zone_make(hana, per_minute=0)
    server = house()
    manager = person(server)
    manager.sign_in(hana)
    manager.forgive(r"status of 400")
    page = manager.visit("/manage/zones/hall/")
    with in_line(server, 3):
        expect_waiting(page, "3")
        page.get_by_text("Clear the line").first.click()
        page.get_by_label("Type the zone's id").fill("haal")
        page.get_by_role("button", name="Clear the line").click()
        expect(page.get_by_text("Type the id of the zone, hall, to clear its line.")).to_be_visible()
        expect_waiting(page, "3")
        page.get_by_label("Type the zone's id").fill("hall")
        page.get_by_role("button", name="Clear the line").click()
        expect(page.get_by_text("The line is empty. Whoever waited begins anew.")).to_be_visible()
        expect_waiting(page, "0")
        assert zone_now().epoch > zone.epoch

        for mode, button, name in (
            ("blocked", "Block", "Blocked"),
            ("observe", "Let everybody in and count", "Observe"),
            ("bypass", "Let everybody in", "Bypass"),
        ):
            press = page.get_by_role("button", name=button, exact=True)
            expect(press).to_be_hidden()
            page.locator(f"summary[data-mode-of={mode}]").click()
            press.click()
            expect(page.locator("[data-mode-tag]")).to_have_text(name)
            assert zone_now().mode == mode


def test_the_second_sees_that_the_first_changed_it(
    house: House, hana: User, minsu: User, person: Callable[..., Person]
):
    zone_make(hana, per_minute=300)
    manager = person(house())
    manager.sign_in(hana)
    manager.forgive(r"status of 409")
    page = manager.visit("/manage/zones/hall/")
    expect_live(page)
    page.locator(FIELD).fill("450")
    page.locator("[data-deed=rate] [name=why]").fill("more stock")
    change(minsu, per_minute=120, mode="queue-all", why="payment is slow")
    expect(page.locator("[data-changed]")).to_have_text(
        re.compile(r"^최민수 \(minsu\) changed the zone at \d\d:\d\d:\d\d\. Figures and forms here follow\.$"),
        timeout=SOON_MS,
    )
    # What nobody touched follows; what was typed stays.
    expect(page.locator("[data-figure=per_minute]")).to_have_text("120")
    expect(page.locator(".modes [aria-current]")).to_have_attribute("value", "queue-all")
    expect(page.locator("[data-mode-since]")).to_have_text(
        re.compile(r"^Queue all since .*, set by 최민수 \(minsu\): “payment is slow”$")
    )
    expect(page.locator(FIELD)).to_have_value("450")
    page.get_by_role("button", name="Change N").click()
    conflict = page.locator(".conflict")
    expect(conflict).to_contain_text("Somebody else changed this zone first. Nothing of yours was saved.")
    expect(conflict).to_contain_text("“payment is slow”")
    assert zone_now().per_minute == 120
    expect(page.locator(FIELD)).to_have_value("450")
    expect(page.locator("[data-deed=rate] [name=why]")).to_have_value("more stock")
    page.get_by_role("button", name="Change N").click()
    expect(page.get_by_text("Entries a minute: changed.")).to_be_visible()
    assert (zone_now().per_minute, zone_now().mode) == (450, "queue-all")


def test_who_loses_the_role_is_told_and_shown_nothing_more(
    house: House, hana: User, minsu: User, person: Callable[..., Person]
):
    zone_make(hana)
    zone_make(minsu, "other")
    server = house()
    manager = person(server)
    manager.sign_in(hana)
    manager.forgive(r"status of 404|ERR_CONNECTION_REFUSED|WebSocket connection")
    page, wall = manager.visit("/manage/zones/hall/"), manager.visit("/manage/")
    for one in (page, wall):
        expect_live(one)
    expect(wall.locator(".zone")).to_have_count(1)

    # A name that is given while the wall is open is text, whatever it looks like.
    evil = "<img src=x onerror='window.slippedIn = 1'>"
    change(minsu, name=evil, message=evil)
    expect(wall.locator("[data-zone=hall] a b")).to_have_text(evil, timeout=SOON_MS)
    change(minsu, per_minute=7, why=evil)
    expect(page.locator("[data-changes] li").first).to_contain_text(evil, timeout=SOON_MS)
    for one in (page, wall):
        assert one.evaluate("window.slippedIn === undefined")

    manager_remove(actor=minsu, manager_id=ZoneManager.objects.get(user=hana).pk)
    for one, text in ((page, "Deleted, or not yours any more"), (wall, "Not yours any more")):
        expect(one.locator("[data-state]")).to_have_text(text, timeout=SOON_MS)
    assert manager.context.request.get(f"{server.base_url}/manage/zones/hall/").status == 404

    manager_set(actor=None, user=hana, role=Role.VIEWER, zone_id="other")
    wall.reload()
    expect_live(wall)
    server.terminate(deadline=15)
    expect(wall.locator("[data-state]")).to_have_text("Connection lost: figures are old", timeout=15_000)


def test_a_long_wall_is_drawn_as_it_is_looked_at(house: House, hana: User, person: Callable[..., Person]):
    zone_make(hana, per_minute=0, app="shop")
    Zone.objects.bulk_create(Zone(zone_id=f"a{number:03}", name=f"Aisle {number}", app="shop") for number in range(129))
    manager_set(actor=None, user=hana, role=Role.OPERATOR, app="shop")
    server = house()
    manager = person(server)
    manager.sign_in(hana)
    wall = manager.visit("/manage/")
    cards, more = wall.locator(".zone"), wall.locator("[data-more]")
    expect(wall.locator("[data-total=zones]")).to_have_text("130")
    expect(cards).to_have_count(40)
    expect_live(wall)
    # Who comes to be waited for comes to the top, wherever it stood.
    with in_line(server, 1):
        expect(cards.first).to_have_attribute("data-zone", "hall", timeout=15_000)
        expect(cards).to_have_count(40)
        for drawn in (80, 120, 130):
            more.scroll_into_view_if_needed()
            expect(cards).to_have_count(drawn)
        expect(more).to_be_hidden()
        # The search finds what is not drawn, and what is found goes on moving.
        wall.reload()
        expect_live(wall)
        expect(wall.locator("[data-zone=a128]")).to_have_count(0)
        wall.get_by_placeholder("Find a zone").fill("AISLE 128")
        expect(cards).to_have_count(1)
        expect(cards).to_have_attribute("data-zone", "a128")
        expect(more).to_be_hidden()
        zone_update(actor=None, zone_id="a128", expected_version=Zone.objects.get(pk="a128").version, per_minute=7)
        expect(cards.locator(".of")).to_have_text("of 7", timeout=SOON_MS)
        wall.get_by_placeholder("Find a zone").fill("nothing")
        expect(wall.get_by_text("No zone matches.")).to_be_visible()
        wall.get_by_label("Mode", exact=True).select_option("open")
        wall.get_by_placeholder("Find a zone").fill("")
        expect(cards).to_have_count(40)
        assert wall.url.endswith("?mode=open")


@pytest.mark.parametrize("width", [1280, 1024, 390])
def test_what_is_asked_of_a_role_is_not_cut_off(house: House, hana: User, person: Callable[..., Person], width: int):
    zone_make(hana)
    long = user_register(
        username="a_rather_long_username_here",
        password="a walk at night 7",
        display_name="Somebody with quite a long display name",
    )
    manager_set(actor=None, user=long, role=Role.OPERATOR, zone_id="hall")
    manager = person(house(), width=width)
    manager.sign_in(hana)
    page = manager.visit("/manage/zones/hall/people/")
    table = page.locator(".scroll:has(.people)")
    for question in page.locator(".people .sure").all():
        question.locator("summary").click()
        expect(question.locator("[name=why]")).to_be_visible()
        wide, shown = table.evaluate("(one) => [one.scrollWidth, one.clientWidth]")
        assert wide == shown
        question.get_by_text("Leave it").click()
        expect(question.locator("[name=why]")).to_be_hidden()
