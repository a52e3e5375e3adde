"""Where there is no admin, those who run the house are people like others: at the managers' pages and sockets, too."""

from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings as django_settings
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import operator_ensure
from apps.waitingroom.manage import access
from apps.waitingroom.manage.access import NoZones
from apps.waitingroom.managers import NoSuchZone, Role
from apps.waitingroom.role_services import manager_set
from tests.waitingroom.managing import closing, in_thread, person, session_of
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
INSIDE, OUTSIDE = "10.1.2.3", "203.0.113.9"
PAGE = "/manage/zones/concert/"


@pytest.fixture(autouse=True)
def office(settings: Any) -> None:
    settings.ADMIN_ALLOWED_ADDRESSES = ["10.1.0.0/16"]


@pytest.fixture
def boss() -> User:
    """Somebody who may do everything, and zones of others."""
    zone_make()
    zone_make("other")
    return operator_ensure(username="boss", password="a long enough pass")


def browser(user: User, address: str) -> Client:
    """Made with the settings of the test, as the middleware is."""
    client = Client(REMOTE_ADDR=address)
    client.force_login(user)
    return client


def test_power_over_all_zones_holds_inside_only(boss: User) -> None:
    inside, outside = browser(boss, INSIDE), browser(boss, OUTSIDE)
    assert inside.get(PAGE).status_code == 200
    assert "/manage/new/" in inside.get("/manage/").content.decode()
    wall = outside.get("/manage/").content.decode()
    assert "/manage/new/" not in wall
    assert "concert" not in wall
    assert outside.get(PAGE).status_code == 404
    assert outside.post(f"{PAGE}mode/", {"mode": "blocked"}).status_code == 404
    assert outside.get("/admin/").status_code == 404
    # What one client was told, the next one of the same session is not.
    assert inside.get(PAGE).status_code == 200


def test_what_was_given_holds_everywhere(boss: User) -> None:
    manager_set(actor=None, user=boss, role=Role.OPERATOR, zone_id="concert")
    mina = person("mina")
    manager_set(actor=None, user=mina, role=Role.OWNER, zone_id="concert")
    outside = browser(boss, OUTSIDE)
    assert outside.get(PAGE).status_code == 200
    assert outside.get(f"{PAGE}people/").status_code == 403  # an operator here, whatever else
    assert outside.get("/manage/zones/other/").status_code == 404
    assert browser(mina, OUTSIDE).get(f"{PAGE}people/").status_code == 200


def test_without_a_list_it_holds_everywhere(boss: User, settings: Any) -> None:
    settings.ADMIN_ALLOWED_ADDRESSES = []
    assert browser(boss, OUTSIDE).get(PAGE).status_code == 200


def test_sockets_are_let_in_and_kept_by_the_same(boss: User) -> None:
    session = session_of(boss)
    here, zones = access.let_in(session, None, INSIDE)
    assert zones == {"concert": Role.OWNER, "other": Role.OWNER}
    with pytest.raises(NoZones):
        access.let_in(session, None, OUTSIDE)
    with pytest.raises(NoSuchZone):
        access.let_in(session, "concert", OUTSIDE)
    manager_set(actor=None, user=boss, role=Role.VIEWER, zone_id="concert")
    there, zones = access.let_in(session, None, OUTSIDE)
    assert zones == {"concert": Role.VIEWER}
    assert access.standing([here, there]) == {
        here: {"concert": Role.OWNER, "other": Role.OWNER},
        there: {"concert": Role.VIEWER},
    }


@pytest.mark.parametrize(("address", "code"), [(OUTSIDE, 4404), (INSIDE, None)])
async def test_a_socket_is_known_by_its_address(address: str, code: int | None) -> None:
    from config.asgi import application

    await in_thread(zone_make)
    boss = await in_thread(operator_ensure, username="boss", password="a long enough pass")
    cookie = f"{django_settings.SESSION_COOKIE_NAME}={await in_thread(session_of, user=boss)}"
    headers = [(b"cookie", cookie.encode()), (b"origin", b"http://testserver")]
    one = WebsocketCommunicator(application, "/ws/manage/zones/concert/", headers=headers)
    one.scope["client"] = [address, 5]
    assert await one.connect(timeout=5) == (True, None)
    if code is not None:
        assert (await closing(one))[0] == code
    else:
        assert (await one.receive_from(timeout=5))[:1] == "{"
    await one.disconnect()
