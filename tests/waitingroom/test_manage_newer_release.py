"""Zones that a newer release wrote, while this one still runs beside it: they are left out, and the others go on."""

import pytest
from django.test import Client

from apps.accounts.services import operator_ensure
from apps.waitingroom.manage.feed import manage_feed_stop
from apps.waitingroom.models import Role, Zone
from apps.waitingroom.role_services import manager_set
from tests.waitingroom.desks import desk_open, page, person
from tests.waitingroom.managing import frame_where, in_thread, session_of, watching
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def zones_make() -> None:
    """Two zones; one of them is in a mode that nobody here has heard of."""
    for name in ("concert", "later"):
        zone_make(name)
    Zone.objects.filter(pk="later").update(mode="lottery")


def test_the_wall_shows_the_others() -> None:
    zones_make()
    client = desk_open(Role.OWNER)
    desk_open(Role.OWNER, zone_id="later")
    shown = page(client, "")
    assert 'data-zone="concert"' in shown
    assert 'data-zone="later"' not in shown
    assert client.get("/manage/zones/concert/").status_code == 200
    assert client.get("/manage/zones/later/").status_code == 404


def test_the_admins_list_calls_the_mode_what_it_is(client: Client) -> None:
    zones_make()
    client.force_login(operator_ensure(username="boss", password="a long enough pass"))
    answer = client.get("/admin/waitingroom/zone/")
    assert answer.status_code == 200
    assert "lottery" in answer.content.decode()
    assert client.get("/admin/").status_code == 200


async def test_the_live_wall_shows_the_others(async_redis_clients: None) -> None:
    await in_thread(zones_make)
    mina = await in_thread(person, name="mina")
    for zone_id in ("concert", "later"):
        await in_thread(manager_set, actor=None, user=mina, role=Role.VIEWER, zone_id=zone_id)
    async with watching("wall/", await in_thread(session_of, user=mina)) as one:
        wall = await frame_where(one, lambda frame: frame["type"] == "wall" and frame["whole"])
        assert [row["zone_id"] for row in wall["rows"]] == ["concert"]
    await manage_feed_stop()
