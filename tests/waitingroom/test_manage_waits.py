"""How long those waited who entered lately, on a zone's page: of two minutes at least, however young the third is."""

import time

import pytest

from apps.waitingroom.manage.past import WatchedPast
from apps.waitingroom.manage.selectors import zone_now
from apps.waitingroom.manage.zone_sight import Written
from apps.waitingroom.models import Zone
from tests.waitingroom.managing import line_tell
from tests.waitingroom.zones import ask

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_who_entered_two_minutes_ago_of_the_clock_is_told_of(concert: Zone) -> None:
    minute = int(time.time()) // 60
    Zone.objects.filter(pk="concert").update(created_at=concert.created_at.replace(year=2026, month=1))
    for ago, seconds in ((2, 24), (3, 127)):
        ask(("HSET", f"line:{{concert}}:stats:{minute - ago}", "entries", 1, f"wait:{bucket_of(seconds)}", 1))
    line_tell(concert, now_ms=int(time.time() * 1000))
    shown = zone_now("concert")
    if shown.at_ms // 60_000 == minute:  # and not a moment later
        assert shown.past.waits.p99 == 24


def bucket_of(seconds: int) -> int:
    """The bucket whose end is nearest."""
    return next(bucket for bucket in range(200) if round(2 ** ((bucket + 1) / 8) - 1) >= seconds)


def test_open_pages_read_as_many_minutes() -> None:
    past = WatchedPast()
    assert past.wants(100, 0.0) == [100, 99, 98]
    past.written = Written(counted_to=99)
    assert past.wants(100, 0.0) == [100, 99, 98]
