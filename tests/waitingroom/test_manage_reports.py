"""Reports on the managers' pages: of a chosen span, and of an event."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from apps.accounts import throttle
from apps.waitingroom.models import Role, Zone, ZoneChange, ZoneStatistic
from apps.waitingroom.services import zone_clear
from tests.waitingroom.desks import Desk, fields_of, other_changes, page
from tests.waitingroom.zones import crowd_join, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_a_report_of_a_chosen_span(desk: Desk) -> None:
    zone = zone_make(per_minute=10)
    crowd_join(zone, 25)
    client = desk(Role.VIEWER)
    shown = page(client, "zones/concert/report/")
    assert re.findall(r"<dd>([\d,]+)</dd>", shown)[:2] == ["25", "10"]
    file = client.get(re.search(r'href="([^"]*report\.csv[^"]*)"', shown)[1].replace("&amp;", "&"))  # type: ignore[index]
    assert file["Content-Disposition"].startswith('attachment; filename="concert-')
    lines = file.content.decode("utf-8-sig").strip().split("\r\n")
    assert len(lines) == 2
    assert lines[1].split(",")[1:3] == ["25", "10"]
    earlier = {"start": "2026-01-01T00:00", "end": "2026-01-01T06:00"}
    assert "Nothing happened in this span." in page(client, "zones/concert/report/", **earlier)
    for wrong in (
        {"start": "2026-01-02T00:00", "end": "2026-01-01T00:00"},
        {"start": "2025-01-01T00:00", "end": "2026-01-01T00:00"},
        {"start": "x", "end": ""},
    ):
        assert client.get("/manage/zones/concert/report/", wrong).status_code == 400
        assert client.get("/manage/zones/concert/report.csv", wrong).status_code == 400


def test_a_report_of_an_event_begins_with_its_gathering(desk: Desk) -> None:
    now = timezone.now()
    zone_make(opens_at=now + timedelta(minutes=20), prequeue_from=now + timedelta(minutes=10))
    later = [change for change in ZoneChange.objects.all() if change.action == "created"]
    ZoneChange.objects.filter(pk=later[0].pk).update(at=now - timedelta(hours=3))
    moved = {
        name: (now - timedelta(minutes=ago)).isoformat() for name, ago in (("opens_at", 60), ("prequeue_from", 70))
    }
    ZoneChange.objects.filter(pk=later[0].pk).update(after=moved)
    shown = page(desk(Role.VIEWER), "zones/concert/report/")
    opened = timezone.localtime(now - timedelta(minutes=60))
    assert f"Event of {opened:%Y-%m-%d %H:%M}" in shown
    assert f"{timezone.localtime(now - timedelta(minutes=70)):%Y-%m-%d %H:%M}</time> " in shown
    assert f"?event={int(opened.timestamp())}" in shown


def opened_at(moment: datetime, gathers_at: datetime | None = None) -> str:
    """A zone that opened then, planned long before; the address of the event."""
    zone = zone_make(opens_at=timezone.now() + timedelta(minutes=20))
    after = {"opens_at": moment.isoformat(), "prequeue_from": gathers_at and gathers_at.isoformat()}
    ZoneChange.objects.filter(zone_id=zone.pk, action="created").update(at=moment - timedelta(days=40), after=after)
    Zone.objects.update(created_at=moment - timedelta(days=40), counted_to=timezone.now() - timedelta(minutes=1))
    return str(int(moment.timestamp()))


def wrote(minute: datetime, **counted: int) -> None:
    """A minute of the zone as the job wrote it."""
    names = ("joins", "entries", "evicted", "left", "refused", "would_wait", "waiting")
    ZoneStatistic.objects.create(zone_id="concert", minute=minute, **{**dict.fromkeys(names, 0), **counted})


def test_the_file_of_an_event_whose_people_gathered_for_weeks(desk: Desk) -> None:
    opened = timezone.now().replace(second=0, microsecond=0) - timedelta(hours=3)
    event = opened_at(opened, opened - timedelta(days=30))
    wrote(opened - timedelta(days=5), joins=3, waiting=3)
    wrote(opened, joins=2, entries=5)
    client = desk(Role.VIEWER)
    shown = page(client, "zones/concert/report/")
    assert f'href="/manage/zones/concert/report.csv?event={event}"' in shown
    assert f"{timezone.localtime(opened - timedelta(days=6)):%Y-%m-%d %H:%M}</time> " in shown
    file = client.get("/manage/zones/concert/report.csv", {"event": event})
    assert (file.status_code, len(file.content.decode().strip().split("\r\n"))) == (200, 3)
    span = fields_of(re.search(r'<form class="span-form">(.*?)</form>', shown, re.S)[1])  # type: ignore[index]
    assert client.get("/manage/zones/concert/report/", span).status_code == 200


def test_an_event_that_is_none_shows_no_other(desk: Desk) -> None:
    opened = timezone.now().replace(second=0, microsecond=0) - timedelta(hours=3)
    event = opened_at(opened)
    client = desk(Role.VIEWER)
    assert f"Event of {timezone.localtime(opened):%Y-%m-%d %H:%M}" in page(client, "zones/concert/report/", event=event)
    for other in (str(int(event) - 60), "x", "9" * 30):
        answer = client.get("/manage/zones/concert/report/", {"event": other})
        shown = answer.content.decode()
        assert (answer.status_code, "There is no such event here" in shown, "Event of" in shown) == (404, True, False)
        assert f"?event={event}" in shown  # those that there are
        assert ">CSV<" not in shown
        file = client.get("/manage/zones/concert/report.csv", {"event": other})
        assert (file.status_code, file["Content-Type"]) == (404, "text/plain; charset=utf-8")


def test_events_beyond_those_that_are_listed_keep_their_address(desk: Desk) -> None:
    now = timezone.now().replace(second=0, microsecond=0)
    first = opened_at(now - timedelta(days=20))
    for ago in range(19, 1, -1):
        opens = {"opens_at": (now - timedelta(days=ago)).isoformat()}
        note = ZoneChange.objects.create(zone_id="concert", version=1, action="changed", before={}, after=opens)
        ZoneChange.objects.filter(pk=note.pk).update(at=now - timedelta(days=ago, hours=1))
    client = desk(Role.VIEWER)
    shown = page(client, "zones/concert/report/", event=first)
    assert f"Event of {timezone.localtime(now - timedelta(days=20)):%Y-%m-%d %H:%M}" in shown
    assert len(re.findall(r'href="\?event=', shown)) == 10


def test_an_event_whose_minutes_are_not_kept_is_not_offered(desk: Desk, settings: Any) -> None:
    opened = timezone.now().replace(second=0, microsecond=0) - timedelta(days=20)
    event = opened_at(opened)
    client = desk(Role.VIEWER)
    assert f"?event={event}" in page(client, "zones/concert/report/")
    settings.ZONE_STATISTICS_KEPT_DAYS = 10
    assert "?event=" not in page(client, "zones/concert/report/")
    assert client.get("/manage/zones/concert/report/", {"event": event}).status_code == 404
    span = {name: f"{opened + timedelta(hours=hours):%Y-%m-%dT%H:%M}" for name, hours in (("start", 0), ("end", 9))}
    shown = page(client, "zones/concert/report/", **span)
    assert "are no longer kept, and are not in these figures." in shown
    assert "Nothing of this span is known." in shown


def test_who_would_have_waited_is_told_if_anybody_would(desk: Desk) -> None:
    opened = timezone.now().replace(second=0, microsecond=0) - timedelta(hours=3)
    opened_at(opened)
    wrote(opened, joins=9, entries=9)
    client = desk(Role.VIEWER)
    assert "Would have waited" not in page(client, "zones/concert/report/")
    wrote(opened + timedelta(minutes=1), joins=5_000, entries=5_000, would_wait=4_940)
    assert "<dt>Would have waited</dt><dd>4,940</dd>" in page(client, "zones/concert/report/")


def test_lines_that_were_cleared_are_told_of(desk: Desk) -> None:
    zone = zone_make(mode="queue-all")
    client = desk(Role.VIEWER)
    assert "<h3>Cleared</h3>" not in page(client, "zones/concert/report/")
    crowd_join(zone, 1_200)
    zone_clear(actor=None, zone_id="concert")
    shown = page(client, "zones/concert/report/")
    assert "<h3>Cleared</h3>" in shown
    assert "line of 1,200 people cleared" in shown
    ZoneChange.objects.filter(action="cleared").update(before={"epoch": 1, "waiting": None})
    assert "line cleared; how many waited could not be read" in page(client, "zones/concert/report/")
    ZoneChange.objects.filter(action="cleared").update(at=timezone.now() - timedelta(hours=2))
    assert "<h3>Cleared</h3>" not in page(client, "zones/concert/report/")


def test_a_zone_that_observes_shows_how_many_would_have_waited(desk: Desk) -> None:
    zone = zone_make(mode="observe", per_minute=60)
    crowd_join(zone, 1_500)
    shown = page(desk(Role.VIEWER))
    assert re.search(r'<div data-would><dt>Would have waited</dt><dd class="figure" data-would-wait>1,440</dd>', shown)
    other_changes(mode="open")
    assert "<div data-would hidden>" in page(desk(Role.VIEWER))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("0001-01-01T00:00", "0001-01-02T00:00"),
        ("0001-01-03T00:00", "0001-01-04T00:00"),
        ("1960-01-01T00:00", "1960-01-02T00:00"),
        ("9999-12-30T00:00", "9999-12-31T23:59"),
        ("2200-01-02T00:00", "2200-01-03T00:00"),
        ("0001-01-01T00:00", "9999-12-31T23:59"),
    ],
)
def test_a_span_beyond_all_calendars_is_told_as_wrong(desk: Desk, start: str, end: str) -> None:
    zone_make()
    client = desk(Role.VIEWER)
    for name in ("report/", "report.csv"):
        response = client.get(f"/manage/zones/concert/{name}", {"start": start, "end": end})
        assert (response.status_code, "Must lie between 1970 and 2200." in response.content.decode()) == (400, True)


def test_the_first_and_the_last_span_that_may_be_asked_for(desk: Desk) -> None:
    zone_make()
    client = desk(Role.VIEWER)
    for start, end in (("1970-01-02T00:00", "1970-01-02T00:01"), ("2199-12-31T00:00", "2199-12-31T00:01")):
        assert "Nothing happened in this span." in page(client, "zones/concert/report/", start=start, end=end)


def test_one_person_asks_for_so_many_reports(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setitem(throttle.LIMITS, "report", throttle.Limits(per_name=None, per_address=3))
    zone_make()
    client = desk(Role.VIEWER)
    paths = ["report/", "report.csv", "report/", "report.csv", "report/"]
    answers = [client.get(f"/manage/zones/concert/{path}") for path in paths]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert 0 < int(answers[-1]["Retry-After"]) <= throttle.WINDOW_SECONDS
    assert "Too many" in answers[-1].content.decode()
    assert desk(Role.VIEWER, "minsu").get("/manage/zones/concert/report/").status_code == 200
    assert client.get("/manage/zones/concert/").status_code == 200
