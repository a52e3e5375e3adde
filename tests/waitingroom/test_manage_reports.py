"""Reports on the managers' pages: of a chosen span, and of an event."""

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from apps.accounts import throttle
from apps.waitingroom.models import Role, ZoneChange
from tests.waitingroom.desks import Desk, page
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
