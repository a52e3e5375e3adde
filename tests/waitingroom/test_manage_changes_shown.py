"""Last changes on a zone's page: N in the half hour, whatever else was done, and whether there are older ones."""

import json
import re
import time
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.waitingroom.manage.feed import Feed
from apps.waitingroom.manage.zone_page import CHANGES_SHOWN
from apps.waitingroom.models import Role, Zone, ZoneChange
from tests.waitingroom.desks import Desk, other_changes, page, row
from tests.waitingroom.managing import frame_where, in_thread, line_tell, watching
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def rates_of(client: Client) -> list[list[int]]:
    """What the page's script starts from: when N was changed, and what it was before."""
    found = re.search(r'id="manage-config"[^>]*>(.*?)</script>', page(client), re.DOTALL)
    assert found is not None
    rates: list[list[int]] = json.loads(found[1])["rates"]
    return rates


def test_n_of_the_half_hour_is_known_however_much_else_was_done(redis_url: str, desk: Desk) -> None:
    zone_make(per_minute=6)
    client = desk(Role.OPERATOR)
    other_changes(per_minute=30)
    for number in range(CHANGES_SHOWN + 3):
        other_changes(message=f"{number}")
    [[at_ms, before]] = rates_of(client)
    assert (before, time.time() - at_ms / 1000 < 60) == (6, True)
    ZoneChange.objects.filter(before__has_key="per_minute").update(at=timezone.now() - timedelta(hours=1))
    other_changes(per_minute=12)
    assert [before for _at, before in rates_of(client)] == [30]  # what was before is of another half hour


async def test_and_told_to_open_pages(feed: Feed, hers: str, concert: Zone) -> None:
    await in_thread(other_changes, per_minute=30)
    for number in range(CHANGES_SHOWN + 3):
        await in_thread(other_changes, message=f"{number}")
    line_tell(await in_thread(row), now_ms=int(time.time() * 1000))
    async with watching("zones/concert/", hers) as one:
        first = await frame_where(one, lambda told: told.get("whole"))
        assert [before for _at, before in first["rates"]] == [60]
        await in_thread(other_changes, per_minute=12)
        later = await frame_where(one, lambda told: "rates" in told)
        assert [before for _at, before in later["rates"]] == [30, 60]


@pytest.mark.parametrize("more", [0, 1])
def test_older_changes_are_offered_if_there_are_any(redis_url: str, desk: Desk, more: int) -> None:
    zone_make(per_minute=60)
    client = desk(Role.OPERATOR)
    while ZoneChange.objects.count() < CHANGES_SHOWN + more:
        other_changes(message=f"{ZoneChange.objects.count()}")
    for text in (page(client), client.get("/manage/zones/concert/changes/?part=1").content.decode()):
        assert text.count('class="who"') == CHANGES_SHOWN
        assert ("/changes/?before=" in text) == bool(more)
    if more:
        older = client.get(f"/manage/zones/concert/changes/?before={oldest_shown()}").content.decode()
        assert older.count('class="who"') == 1
        assert "Older changes" not in older


def oldest_shown() -> int:
    return ZoneChange.objects.order_by("-pk")[CHANGES_SHOWN - 1].pk
