"""The admin as people with fewer rights see it, and its first page with more processes than there is room for."""

import time
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.accounts.services import operator_ensure, user_register
from apps.audience import house_store
from apps.operations import roles
from apps.realtime.redis import run_now
from apps.waitingroom import board_store
from apps.waitingroom.models import Role, ZoneManager
from tests.browser.axe import violations
from tests.browser.conftest import House, Person, Stage
from tests.browser.test_admin import overflow, sign_in
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PASSWORD = "a long enough pass"
SIZES = ((1280, 900), (390, 800))


def everybody_can_use(page: Page) -> None:
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        assert (violations(page), overflow(page)) == ({}, 0)


@pytest.fixture
def olga(transactional_db: None) -> User:
    """A zone administrator."""
    roles.roles_ensure()
    user = user_register(username="olga", password=PASSWORD)
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.groups.add(Group.objects.get(name=roles.ZONE_ADMINISTRATOR.name))
    return user


@pytest.mark.parametrize(
    ("locale", "user", "nobody"),
    [("en-US", "Person", "Nobody has this username."), ("ko-KR", "사람", "그런 사용자 이름은 없습니다.")],
)
def test_a_zone_administrator_gives_a_role_by_name_with_the_keyboard(
    house: House,
    stage: Stage,
    olga: User,
    person: Callable[..., Person],
    locale: str,
    user: str,
    nobody: str,
) -> None:
    zone_make(app="shop")
    stream, mina = stage("Evening"), user_register(username="mina", password=PASSWORD)
    server = house()
    someone = person(server, locale=locale)
    sign_in(someone, olga)
    page = someone.visit("/admin/waitingroom/zonemanager/add/")
    page.get_by_role("textbox", name=user).fill("nina")
    page.locator("[name=app]").fill("shop")
    page.locator("[name=role]").select_option(str(Role.OWNER.value))
    page.get_by_role("textbox", name=user).press("Enter")
    expect(page.get_by_text(nobody)).to_be_visible()
    everybody_can_use(page)
    name = page.get_by_role("textbox", name=user)
    expect(name).to_have_value("nina")
    name.fill("mina")
    name.press("Enter")
    page.wait_for_url("**/zonemanager/")
    assert list(ZoneManager.objects.values_list("user", "app", "role")) == [(mina.pk, "shop", Role.OWNER)]
    page.goto(f"{server.base_url}/admin/streams/stream/{stream.pk}/change/")
    expect(page.locator("[name=title]")).to_have_count(0)
    expect(page.locator("[name=zone]")).to_have_count(1)
    everybody_can_use(page)
    page.goto(f"{server.base_url}/admin/streams/stream/")
    everybody_can_use(page)


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
def test_the_first_page_with_many_silent_processes(
    house: House, person: Callable[..., Person], locale: str, transactional_db: None
) -> None:
    now_ms = int(time.time() * 1000)
    for number in range(120):
        silent_ms = 30_000 if number < 60 else 0
        about: dict[str, str | int] = {"host": f"web-{number}.fullhouse", "pid": 4_000 + number, "role": "all"}
        run_now(house_store.server_report(server=f"p{number}", now_ms=now_ms - silent_ms, about=about))
    run_now([board_store.gate_report(gate="g1", sockets={"door": 3}, now_ms=now_ms - 20_000)])
    server = house()
    someone = person(server, locale=locale)
    sign_in(someone, operator_ensure(username="operator", password=PASSWORD))
    page = someone.visit("/admin/")
    expect(page.locator("[data-unshown]")).to_contain_text("70")
    everybody_can_use(page)
