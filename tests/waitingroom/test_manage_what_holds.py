"""What the managers' pages say of what holds now: an opening that was, a change redone, a role given meanwhile."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone, translation

from apps.accounts.models import User
from apps.waitingroom.changes import change_undo, changes_of, undone_of
from apps.waitingroom.manage.display import health_words, opening_words
from apps.waitingroom.manage.feed import Feed
from apps.waitingroom.manage.selectors import wall_rows
from apps.waitingroom.models import Role, Zone, ZoneChange
from apps.waitingroom.role_services import manager_set
from tests.waitingroom.desks import Desk, other_changes, page, row
from tests.waitingroom.managing import frame, in_thread, line_tell, person, session_of, watching
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

HOUR = timedelta(hours=1)


# --- an opening ---------------------------------------------------------------------------------------------------


def test_an_opening_is_told_in_the_tense_that_it_has() -> None:
    ahead = (timezone.now() + 30 * HOUR).replace(second=0, microsecond=0)
    passed = ahead - 90 * HOUR
    for language, was, will in (
        ("en", "opened {}", "opens {}"),
        ("ko", "{}에 열렸음", "{}에 열림"),
    ):
        with translation.override(language):
            assert opening_words(ahead) == will.format(f"{timezone.localtime(ahead):%Y-%m-%d %H:%M}")
            assert opening_words(passed) == was.format(f"{timezone.localtime(passed):%Y-%m-%d %H:%M}")


@pytest.mark.parametrize(
    ("gathers", "expected"),
    [(None, "Not open yet: opens {}"), (-HOUR, "Gathering for the draw: opens {}")],
)
def test_a_zone_that_is_not_open_says_when_it_opens(redis_url: str, gathers: timedelta | None, expected: str) -> None:
    zone = zone_make()
    for opens_at, form in ((timezone.now() + HOUR, "%H:%M"), (timezone.now() + 30 * HOUR, "%Y-%m-%d %H:%M")):
        prequeue = gathers and timezone.now() + gathers
        Zone.objects.filter(pk=zone.pk).update(opens_at=opens_at, prequeue_from=prequeue)
        line_tell(zone, now_ms=int(timezone.now().timestamp() * 1000))
        assert health_words(wall_rows()[0]) == expected.format(f"{timezone.localtime(opens_at):{form}}")


# --- what was undone, and done again ------------------------------------------------------------------------------


def marks(client: Client, path: str) -> list[tuple[int, bool, str]]:
    """Of each change of N, newest first: what N it made, whether it is struck out, and what is said beside it."""
    found = []
    for item in re.findall(r"<li(?: class=\"undone\")?>.*?</li>", page(client, path), re.DOTALL):
        made = re.search(r"<ins>(\d+)</ins>", item)
        said = re.search(r"<span class=\"muted small\">(.*?)</span>", item)
        if made and "<del>" in item:
            found.append((int(made[1]), 'class="undone"' in item, said[1] if said else ""))
    return found


def test_a_change_that_was_redone_is_not_struck_out(desk: Desk) -> None:
    zone_make(per_minute=60)
    client = desk(Role.OPERATOR)

    def undo_the_last() -> None:
        change_undo(
            actor=None, change_id=ZoneChange.objects.exclude(action="role")[0].pk, expected_version=row().version
        )

    other_changes(per_minute=90)
    undo_the_last()
    undone = [(60, False, ""), (90, True, "undone")]
    again = [(90, False, ""), (60, True, "undone"), (90, False, "redone")]
    both = ("zones/concert/", "zones/concert/changes/")
    assert [marks(client, path) for path in both] == [undone, undone]
    undo_the_last()
    assert [marks(client, path) for path in both] == [again, again]
    undo_the_last()
    assert marks(client, "zones/concert/")[-1] == (90, True, "undone")
    # Those that undid it need not stand in the same list.
    first, second = ZoneChange.objects.exclude(action="role").filter(after={"per_minute": 90}).order_by("pk")
    assert marks(client, f"zones/concert/changes/?before={first.pk + 1}") == [(90, True, "undone")]
    undo_the_last()
    assert marks(client, f"zones/concert/changes/?before={first.pk + 1}") == [(90, False, "redone")]
    second.refresh_from_db()
    assert second.undone_by is not None


def test_a_list_without_undone_changes_asks_for_nothing_more(
    desk: Desk, django_assert_num_queries: Callable[..., Any]
) -> None:
    zone_make(per_minute=60)
    other_changes(per_minute=90)
    listed = changes_of("concert")
    with django_assert_num_queries(0):
        assert undone_of(listed) == set()


# --- a role -------------------------------------------------------------------------------------------------------


async def test_a_page_that_comes_is_told_the_role_that_it_has(quick: Feed, hers: str, mina: User) -> None:
    for role in (Role.OPERATOR, Role.VIEWER, Role.OWNER):
        await in_thread(manager_set, actor=None, user=mina, role=role, zone_id="concert")
        async with watching("zones/concert/", hers) as one:
            first = await frame(one)
            assert (first["type"], first["whole"], first["role"]) == ("zone", True, role)
            assert "role" not in await frame(one)


async def test_two_who_come_at_once_are_told_each_their_own_role(
    by_hand: Feed, hers: str, mina: User, concert: Zone
) -> None:
    other = await in_thread(person, name="ann")
    await in_thread(manager_set, actor=None, user=other, role=Role.OWNER, zone_id="concert")
    session = await in_thread(session_of, user=other)
    async with watching("zones/concert/", hers) as hers_open, watching("zones/concert/", session) as others_open:
        for _ in range(2):
            await by_hand.tick()
            await by_hand.reading.settle()
        assert [(await frame(one))["role"] for one in (hers_open, others_open)] == [Role.OPERATOR, Role.OWNER]


async def test_a_page_is_told_when_the_zone_was_changed(quick: Feed, hers: str, concert: Zone) -> None:
    await in_thread(other_changes, per_minute=90)
    changed = await in_thread(row)
    async with watching("zones/concert/", hers) as one:
        assert (await frame(one))["changed_ms"] == int(changed.updated_at.timestamp() * 1000)
