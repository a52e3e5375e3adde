"""What the managers' pages ask once more, and what they say was not done: seen at once, with and without a script."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.waitingroom.manage.forms import MOMENT
from apps.waitingroom.models import Role, ZoneManager
from apps.waitingroom.role_services import manager_set
from tests.browser.axe import violations
from tests.browser.conftest import House, Person
from tests.browser.managing import change, newest, zone_make, zone_now
from tests.browser.test_every_page import overflow
from tests.services.browser import one_browser as one_browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HALL = "/manage/zones/hall/"


def look(page: Page, *, is_scripted: bool = True) -> None:
    """Nothing that axe finds, which needs scripts, and nothing that sticks out."""
    assert overflow(page) == 0
    if is_scripted:
        assert violations(page) == {}


def typed(moment: datetime) -> str:
    return timezone.localtime(moment).strftime(MOMENT)


@pytest.mark.parametrize(
    "eyes",
    [{"locale": "en-US", "width": 1280}, {"locale": "ko-KR", "width": 390, "java_script_enabled": False}],
    ids=["script", "no-script"],
)
def test_a_schedule_that_closes_the_zone_is_asked_about(
    house: House, hana: User, minsu: User, person: Callable[..., Person], eyes: dict[str, Any]
):
    zone_make(hana)
    manager, is_scripted = person(house(), **eyes), eyes.get("java_script_enabled", True)
    manager.sign_in(hana)
    page = manager.visit(HALL)
    opens = timezone.now().replace(second=0, microsecond=0) + timedelta(hours=8)
    form = page.locator("form[data-deed=schedule]")
    page.locator("summary:has([data-opening-now])").click()
    form.locator("[name=opens_at]").fill(typed(opens))
    form.locator("[name=why]").fill("tonight's sale")
    form.locator("button").click()
    question = form.get_by_role("alert")
    expect(question).to_be_in_viewport()
    expect(question).to_be_focused()
    expect(question).to_contain_text(f"{timezone.localtime(opens):%Y-%m-%d %H:%M}")
    look(page, is_scripted=is_scripted)
    assert zone_now().opens_at is None
    form.locator(".danger").click()
    expect(page.locator(".notice.success")).to_be_visible()
    assert zone_now().opens_at == opens
    expect(newest(page)).to_contain_text("tonight's sale")

    # Called off by another, and brought back: the same question.
    change(minsu, opens_at=None)
    page.goto(manager.base_url + HALL)
    newest(page).locator(".sure > summary").click()
    expect(newest(page).locator(".sure p")).to_contain_text(f"{timezone.localtime(opens):%Y-%m-%d %H:%M}")
    look(page, is_scripted=is_scripted)
    newest(page).locator(".danger").click()
    expect(page.locator(".notice.success")).to_be_visible()
    assert zone_now().opens_at == opens


def test_who_comes_second_sees_what_the_first_did_to_a_role(
    house: House, hana: User, minsu: User, person: Callable[..., Person]
):
    zone_make(hana)
    his = manager_set(actor=None, user=minsu, role=Role.VIEWER, zone_id="hall")
    server = house()
    for eyes in ({"locale": "en-US", "width": 1280}, {"locale": "ko-KR", "width": 390}):
        manager = person(server, **eyes)
        manager.sign_in(hana)
        manager.forgive(r"status of 409")
        page = manager.visit(f"{HALL}people/")
        taking = page.locator(f"form[action$='/{his.pk}/remove/']")
        page.locator(".people .sure", has=taking).locator("summary").click()
        taking.locator("[name=why]").fill("has left")
        manager_set(actor=hana, user=minsu, role=Role.OWNER, zone_id="hall", why="on call")
        taking.locator("button").click()
        expect(page.locator(".conflict")).to_be_in_viewport()
        expect(page.locator(".conflict")).to_contain_text("“on call”")
        expect(taking.locator("[name=why]")).to_have_value("has left")
        look(page)
        page.locator("[name=username]").fill("minsu")
        page.locator("[name=role]").select_option("2")
        manager_set(actor=hana, user=minsu, role=Role.VIEWER, zone_id="hall")
        page.locator(".form .button").click()
        expect(page.locator(".conflict")).to_be_in_viewport()
        expect(page.locator("[name=username]")).to_have_value("minsu")
        look(page)
        assert ZoneManager.objects.get(pk=his.pk).role == Role.VIEWER
