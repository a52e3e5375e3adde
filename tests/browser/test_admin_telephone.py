"""The admin on a telephone: what whoever is on call looks for is in sight."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from apps.accounts.services import operator_ensure
from apps.operations.models import AlertEvent
from tests.browser.axe import violations
from tests.browser.conftest import House, Person
from tests.browser.test_admin import PASSWORD, overflow, sign_in
from tests.operations.alert_stage import channel_make, rule_make

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize(("locale", "value"), [("en-US", "a day or more"), ("ko-KR", "하루 이상")])
def test_alerts_that_fire_show_their_value(
    house: House, person: Callable[..., Person], transactional_db: None, locale: str, value: str
):
    operator = operator_ensure(username="operator", password=PASSWORD)
    for number, place in enumerate(("Winter concert, hall of the Olympic park", "Zero")):
        rule = rule_make(channel_make(name=f"c{number}"), name=f"The wait is long {number}", kind="wait", limit=600)
        told = {"kind": "wait", "severity": "critical", "subject": "door", "place": place, "place_ko": place}
        AlertEvent.objects.create(
            rule=rule,
            rule_name=rule.name,
            limit=600,
            last_value=86_400,
            worst_value=86_400,
            **{"opened_at": timezone.now(), **told},
        )
    someone = person(house(), locale=locale)
    sign_in(someone, operator)
    page = someone.context.new_page()
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{someone.base_url}/admin/")
    table = page.locator("[data-keep=alerts]")
    assert table.evaluate("box => box.scrollWidth - box.clientWidth") == 0
    expect(table.get_by_role("columnheader")).to_have_count(3)
    expect(table.locator("td.number").first).to_have_text(value)
    expect(table.locator("td.number").first).to_be_in_viewport(ratio=1)
    expect(table.locator("tbody time").first).to_be_in_viewport(ratio=1)
    expect(table.get_by_text("Winter concert").locator("visible=true")).to_have_count(1)
    assert (violations(page), overflow(page)) == ({}, 0)
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(table.get_by_role("columnheader")).to_have_count(5)
    expect(table.get_by_text("Winter concert").locator("visible=true")).to_have_count(1)
