"""The page of a zone that observes: how many would have waited, as they come."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from apps.accounts.models import User
from tests.browser.conftest import House, Person
from tests.browser.managing import SOON_MS, change, expect_live, in_line, zone_make
from tests.services.browser import one_browser as one_browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_who_would_have_waited_is_counted_before_ones_eyes(house: House, hana: User, person: Callable[..., Person]):
    zone_make(hana, per_minute=1)
    server = house()
    manager = person(server)
    manager.sign_in(hana)
    page = manager.visit("/manage/zones/hall/")
    expect_live(page)
    figure = page.locator("[data-would-wait]")
    expect(figure).to_be_hidden()
    change(hana, mode="observe")
    expect(figure).to_have_text("0", timeout=SOON_MS)
    expect(figure).to_be_visible(timeout=SOON_MS)
    with in_line(server, 4):
        expect(figure).to_have_text("3", timeout=2 * SOON_MS)
    page.reload()
    expect(figure).to_have_text("3")
    change(hana, mode="open")
    expect(figure).to_be_hidden(timeout=SOON_MS)
