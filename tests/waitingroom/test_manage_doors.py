"""The managers' live pages: who is let in, and who is seen out."""

import logging
import time

import pytest
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from prometheus_client import REGISTRY

from apps.accounts.models import User
from apps.accounts.services import operator_ensure, user_ban
from apps.waitingroom import services
from apps.waitingroom.manage.feed import Feed
from apps.waitingroom.models import Role, Zone, ZoneManager
from apps.waitingroom.role_services import manager_remove, manager_set
from tests.services.both import on_both
from tests.waitingroom.managing import (
    TOLD_WITHIN_S,
    closing,
    frame,
    frame_where,
    in_thread,
    session_of,
    watching,
)
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def refusals(reason: str) -> float:
    labels = {"entrance": "socket", "reason": reason}
    return REGISTRY.get_sample_value("fullhouse_manage_refused_total", labels) or 0.0


# --- being let in -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["wall/", "zones/concert/"])
@pytest.mark.parametrize("session", ["", "nonsense"])
async def test_who_is_not_signed_in_is_not_let_in(quick: Feed, concert: Zone, path: str, session: str) -> None:
    async with watching(path, session) as one:
        assert await closing(one) == (4401, "signed_out")
    assert quick.seats() == []


@pytest.mark.parametrize(("zone_id", "reason"), [("other", "foreign"), ("nowhere", "unknown")])
async def test_anothers_zone_is_not_there(
    quick: Feed, hers: str, zone_id: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    await in_thread(zone_make, zone_id="other")
    before = refusals(reason)
    with caplog.at_level(logging.WARNING):
        async with watching(f"zones/{zone_id}/", hers) as one:
            assert await closing(one) == (4404, "unknown_zone")
    assert refusals(reason) == before + 1
    assert f"was refused zone '{zone_id}' at the socket: {reason}" in caplog.text
    assert quick.seats() == []


async def test_who_manages_nothing_has_no_wall(quick: Feed, concert: Zone, mina: User) -> None:
    session = await in_thread(session_of, user=mina)
    before = refusals("none")
    async with watching("wall/", session) as one:
        assert await closing(one) == (4403, "no_zones")
    assert refusals("none") == before + 1


@pytest.mark.parametrize("origin", [b"http://evil.example", None])
async def test_pages_of_other_sites_are_not_let_in(quick: Feed, hers: str, origin: bytes | None) -> None:
    with pytest.raises(AssertionError):
        async with watching("wall/", hers, origin=origin):
            pass
    assert quick.seats() == []


# --- being seen out -----------------------------------------------------------------------------------------------


@on_both
@pytest.mark.parametrize(("path", "code"), [("wall/", 4403), ("zones/concert/", 4403)])
async def test_who_loses_the_role_is_seen_out_at_once(feed: Feed, hers: str, path: str, code: int) -> None:
    async with watching(path, hers) as one:
        await frame(one)
        manager = await in_thread(ZoneManager.objects.get)
        began = time.monotonic()
        await in_thread(manager_remove, actor=None, manager_id=manager.pk)
        assert await closing(one) == (code, "role_removed")
        assert time.monotonic() - began < TOLD_WITHIN_S
    assert feed.seats() == []


async def test_who_is_banned_is_seen_out_at_once(feed: Feed, hers: str, mina: User) -> None:
    operator = await in_thread(operator_ensure, username="operator", password="a long enough pass")
    async with watching("wall/", hers) as one:
        await frame(one)
        began = time.monotonic()
        await in_thread(user_ban, actor=operator, user=mina, until=None)
        assert await closing(one) == (4401, "signed_out")
        assert time.monotonic() - began < TOLD_WITHIN_S
    assert feed.seats() == []


@pytest.mark.parametrize("how", ["role", "account", "password", "session"])
async def test_what_nobody_told_of_is_noticed_by_itself(quick: Feed, hers: str, mina: User, how: str) -> None:
    """Changed in the database without the services: a page finds out by itself."""

    def change() -> None:
        if how == "role":
            ZoneManager.objects.all().delete()
        elif how == "account":
            User.objects.filter(pk=mina.pk).update(is_active=False)
        elif how == "password":
            mina.set_password("another long pass")
            mina.save()
        else:
            Session.objects.filter(session_key=hers).delete()

    async with watching("zones/concert/", hers) as one:
        await frame(one)
        await in_thread(change)
        expected = (4403, "role_removed") if how == "role" else (4401, "signed_out")
        assert await closing(one) == expected


async def test_who_loses_one_of_two_zones_keeps_the_other(quick: Feed, hers: str, mina: User) -> None:
    await in_thread(zone_make, zone_id="second")
    manager = await in_thread(manager_set, actor=None, user=mina, role=Role.VIEWER, zone_id="second")
    async with (
        watching("wall/", hers) as wall,
        watching("zones/second/", hers) as page,
        watching("zones/concert/", hers),
    ):
        assert len((await frame(wall))["rows"]) == 2
        await frame(page)
        await in_thread(manager_remove, actor=None, manager_id=manager.pk)
        assert await closing(page) == (4403, "role_removed")
        told = await frame_where(wall, lambda told: told["whole"])
        assert [row["zone_id"] for row in told["rows"]] == ["concert"]


async def test_another_role_is_told_to_the_open_page(quick: Feed, hers: str, mina: User) -> None:
    async with watching("zones/concert/", hers) as one:
        await frame(one)
        await in_thread(manager_set, actor=None, user=mina, role=Role.VIEWER, zone_id="concert")
        told = await frame_where(one, lambda told: told["type"] == "role")
        assert told == {"type": "role", "role": 1}


async def test_staff_who_may_look_have_the_role_that_they_are_given(quick: Feed, hers: str, mina: User) -> None:
    def look_at_all() -> None:
        User.objects.filter(pk=mina.pk).update(is_staff=True)
        mina.user_permissions.add(Permission.objects.get(codename="view_zone"))

    await in_thread(look_at_all)
    async with watching("zones/concert/", hers) as one:
        await frame(one)
        manager = await in_thread(manager_set, actor=None, user=mina, role=Role.OWNER, zone_id="concert")
        assert await frame_where(one, lambda told: told["type"] == "role") == {"type": "role", "role": 3}
        await in_thread(manager_remove, actor=None, manager_id=manager.pk)
        assert await frame_where(one, lambda told: told["type"] == "role") == {"type": "role", "role": 1}


async def test_a_role_that_has_just_been_given_is_not_taken_for_a_removed_one(
    quick: Feed, hers: str, mina: User
) -> None:
    async with watching("wall/", hers) as wall:
        await frame(wall)
        await frame(wall)
        await in_thread(zone_make, zone_id="second")
        await in_thread(manager_set, actor=None, user=mina, role=Role.VIEWER, zone_id="second")
        async with watching("zones/second/", hers) as page:
            for _ in range(3):
                assert (await frame(page))["zone_id"] == "second"


async def test_a_zone_that_goes_closes_its_pages(quick: Feed, hers: str) -> None:
    async with watching("zones/concert/", hers) as one:
        await frame(one)
        await in_thread(services.zone_delete, zone_id="concert")
        code, reason = await closing(one)
        assert (code, reason) in ((4404, "unknown_zone"), (4403, "role_removed"))
