"""A zone's page whose reader gets another role: it says so at once, and throws away nothing that was typed."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from apps.accounts.models import User
from apps.waitingroom.models import Role
from apps.waitingroom.role_services import manager_set
from tests.browser.axe import violations
from tests.browser.conftest import House, Person
from tests.browser.managing import SOON_MS, expect_live, zone_make
from tests.services.browser import one_browser as one_browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_form_that_was_typed_into_stays_and_is_said_to_be_of_before(
    house: House, hana: User, minsu: User, person: Callable[..., Person]
):
    zone_make(hana)
    server = house()
    manager = person(server)
    manager.sign_in(hana)
    manager.forgive(r"status of 403")
    page = manager.visit("/manage/zones/hall/")
    expect_live(page)
    notice, field = page.locator("[data-role-changed]"), page.locator("[data-deed=rate] [name=per_minute]")
    expect(notice).to_be_hidden()
    field.fill("450")
    manager_set(actor=minsu, user=hana, role=Role.VIEWER, zone_id="hall")
    expect(notice).to_be_visible(timeout=SOON_MS)
    expect(notice).to_contain_text("Your role for this zone is another one now")
    expect(field).to_have_value("450")
    page.set_viewport_size({"width": 390, "height": 800})
    assert violations(page) == {}
    page.set_viewport_size({"width": 1280, "height": 800})
    page.get_by_role("button", name="Change N").click()
    expect(page.get_by_text("Your role for this zone does not allow this.")).to_be_visible()
    page.get_by_role("link", name="Back to the zone").click()
    expect_live(page)
    expect(field).to_have_count(0)
    expect(notice).to_be_hidden()


def test_a_page_without_anything_typed_is_made_anew(
    house: House, hana: User, minsu: User, person: Callable[..., Person]
):
    zone_make(hana)
    manager = person(house())
    manager.sign_in(hana)
    page = manager.visit("/manage/zones/hall/")
    expect_live(page)
    manager_set(actor=minsu, user=hana, role=Role.VIEWER, zone_id="hall")
    expect(page.locator("[data-deed=rate]")).to_have_count(0, timeout=SOON_MS)
    expect_live(page)
    expect(page.locator("[data-role-changed]")).to_be_hidden()
