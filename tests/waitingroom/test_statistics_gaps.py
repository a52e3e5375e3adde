"""Minutes that no run wrote while Redis had them: noted, so that later nobody takes them for quiet ones."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from apps.waitingroom import reports
from apps.waitingroom.models import Zone, ZoneGap
from apps.waitingroom.statistics import KEPT_MINUTES, statistics_forget, statistics_write
from tests.waitingroom.past import NOON, at, happened, zone_of_old
from tests.waitingroom.zones import ask

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
SETTLED = 0.1  # of a minute


def gaps() -> list[tuple[str, datetime, datetime]]:
    return list(ZoneGap.objects.order_by("zone_id", "lost_from").values_list("zone_id", "lost_from", "lost_to"))


@pytest.fixture
def zone(redis_url: str, transactional_db: None) -> Zone:
    """A zone whose minutes are written up to before noon."""
    zone = zone_of_old()
    Zone.objects.update(counted_to=at(-1))
    return zone


def test_a_worker_that_comes_in_time_loses_nothing(zone: Zone) -> None:
    happened(zone, 0, joins=7)
    assert statistics_write(now=at(KEPT_MINUTES + SETTLED)) == 1
    assert gaps() == []


def test_what_a_worker_comes_too_late_for_is_a_gap(zone: Zone) -> None:
    happened(zone, 0, joins=7)
    statistics_write(now=at(KEPT_MINUTES + 1 + SETTLED))
    assert gaps() == [("concert", at(0), at(1))]
    statistics_write(now=at(KEPT_MINUTES + 1 + SETTLED))
    statistics_write(now=at(2 * KEPT_MINUTES + SETTLED))
    assert gaps() == [("concert", at(0), at(1))]
    later = at(3 * KEPT_MINUTES + 30 + SETTLED)
    statistics_write(now=later)
    assert gaps() == [("concert", at(0), at(1)), ("concert", at(2 * KEPT_MINUTES), at(2 * KEPT_MINUTES + 30))]


def test_so_is_what_was_before_any_run(zone: Zone) -> None:
    Zone.objects.update(counted_to=None)
    statistics_write(now=at(SETTLED))
    assert gaps() == [("concert", NOON - timedelta(days=1), at(-KEPT_MINUTES))]


def test_no_gap_is_noted_of_a_zone_that_is_not_done(zone: Zone) -> None:
    """It is tried again, as long as Redis has any of it."""
    ask(("SET", f"line:{{concert}}:stats:{int(NOON.timestamp()) // 60 + 200}", "what somebody else wrote"))
    statistics_write(now=at(201 + SETTLED))
    assert (gaps(), Zone.objects.get().counted_to) == ([], at(-1))


def test_a_report_tells_of_it_for_ever_after(zone: Zone) -> None:
    happened(zone, 300, joins=9)
    statistics_write(now=at(301 + SETTLED))
    lost = (at(0), at(301 - KEPT_MINUTES), "lost")
    for now in (at(302), at(302) + timedelta(days=30)):
        found = reports.report(zone_id="concert", start=at(-60), end=at(400), now=now)
        spans = [(one.start, one.end, one.why) for one in found.unknown]
        assert (spans[:1], found.arrivals) == ([lost], 9)
        assert len(spans) == (1 if now == at(302) else 2)  # later no worker came, either
        assert reports.report(zone_id="concert", start=at(10), end=at(20), now=now).is_blank
    Zone.objects.update(created_at=at(170))
    found = reports.report(zone_id="concert", start=at(-60), end=at(300), now=at(302))
    assert [(one.start, one.end) for one in found.unknown] == [(at(170), at(301 - KEPT_MINUTES))]


def test_gaps_are_forgotten_with_their_minutes(zone: Zone, settings: Any) -> None:
    statistics_write(now=at(KEPT_MINUTES + 10 + SETTLED))
    assert gaps() == [("concert", at(0), at(10))]
    settings.ZONE_STATISTICS_KEPT_DAYS = 30
    statistics_forget(now=at(10) + timedelta(days=30))
    assert len(gaps()) == 1
    statistics_forget(now=at(11) + timedelta(days=30))
    assert gaps() == []
