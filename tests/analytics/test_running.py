"""Streams that are live or have just ended: what is not known yet is a dash, and a page agrees with itself."""

import datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.services import user_register
from apps.analytics.daily import Day, StreamOfDay
from apps.analytics.daily_services import statistics_compute
from apps.analytics.growth import DayFigures
from apps.analytics.running import RunningDay, days_join, days_run, is_settled, minutes_left, next_count
from apps.analytics.running_selectors import running_of_broadcaster
from apps.analytics.session_services import sessions_drain
from apps.audience.services import audience_sweep, stream_list
from apps.audience.sessions import SEOUL
from apps.streams.models import Stream
from apps.streams.services import broadcaster_ensure, stream_end
from tests.analytics.house import viewers_arrive, viewers_leave
from tests.analytics.owned import PASSWORD, seoul
from tests.analytics.record import day_make, history_make, stream_past
from tests.analytics.test_pages import text

SECOND, MINUTE, HOUR = (datetime.timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours"))
MARCH_3 = Day(datetime.date(2026, 3, 3))


# --- when, by the clock -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "then", "minutes"),
    [
        (seoul(3, 9, 0), seoul(3, 9, 12), 13),
        (seoul(3, 9, 12), seoul(3, 9, 42), 31),
        (seoul(3, 9, 41) + 30 * SECOND, seoul(3, 9, 42), 2),
        (seoul(3, 23, 50), seoul(4, 0, 12), 23),
    ],
)
def test_when_the_day_is_counted_next(now: datetime.datetime, then: datetime.datetime, minutes: int) -> None:
    assert next_count(now) == then
    assert minutes_left(now) == minutes


@pytest.mark.parametrize(
    ("ended_at", "live_minutes", "now", "settled"),
    [
        (None, 600, seoul(3, 10), False),
        (seoul(3, 10), None, seoul(3, 23), False),
        (seoul(3, 10), 59, seoul(3, 23), False),
        (seoul(3, 10), 60, seoul(3, 10, 11), False),
        (seoul(3, 10), 60, seoul(3, 10, 12), True),
        # Ended in the minute before the job: its last sessions may have come too late for it.
        (seoul(3, 10, 12) - 30 * SECOND, 71, seoul(3, 10, 13), False),
        (seoul(3, 10, 12) - 30 * SECOND, 71, seoul(3, 10, 42), True),
        # The part before midnight of one that goes on.
        (None, 15 * 60 - 18, seoul(4, 0, 5), False),
        (None, 15 * 60, seoul(4, 0, 5), False),
        (None, 15 * 60, seoul(4, 0, 12), True),
    ],
)
def test_a_day_is_settled_once_it_was_counted_after_its_end(
    ended_at: datetime.datetime | None, live_minutes: int | None, now: datetime.datetime, settled: bool
) -> None:
    stream = StreamOfDay(1, 1, seoul(3, 9), ended_at, 0)
    assert is_settled(MARCH_3, stream, live_minutes, now=now) is settled


def test_the_last_two_days_are_looked_at() -> None:
    def days(*moments: datetime.datetime | None, now: datetime.datetime) -> list[int]:
        started_at, ended_at = moments
        assert started_at is not None
        return [day.date.day for day in days_run(started_at, ended_at, now=now)]

    assert days(seoul(1), None, now=seoul(4, 9)) == [3, 4]
    assert days(seoul(4, 8), None, now=seoul(4, 9)) == [4]
    assert days(seoul(2, 23), seoul(3, 1), now=seoul(3, 9)) == [2, 3]
    assert days(seoul(3, 0), seoul(3, 0) - SECOND, now=seoul(3, 9)) == []


def test_what_is_not_known_is_left_out_of_sums_and_of_means() -> None:
    day = MARCH_3.date
    begun = RunningDay(day, 2, 7, None, None, None, None, None, 3, None)
    alone = DayFigures(day, 7, None, None, None, None, None, 3, 1)
    assert days_join([], [begun]) == [alone]
    before = DayFigures(day, 5, 4.0, 9, 6, 3, 100, 60, 1)
    assert days_join([before], [begun]) == [DayFigures(day, 7, 4.0, 9, 6, 3, 100, 63, 2)]
    read = RunningDay(day, 2, 7, 10.0, 1, 0, 1, 20, 60, seoul(3, 9))
    assert days_join([before], [read]) == [DayFigures(day, 7, 7.0, 10, 6, 4, 120, 120, 2)]


# --- as the pages have it -----------------------------------------------------------------------------------------


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> datetime.datetime:
    """What the time is for the pages: far from a midnight, at which a stream would be of two days."""
    moment = datetime.datetime.now(SEOUL).replace(hour=12, minute=5, second=30, microsecond=0)
    monkeypatch.setattr(timezone, "now", lambda: moment)
    return moment


@pytest.fixture
def mina(db: None, client: Client, noon: datetime.datetime) -> User:
    """Signed in."""
    mina = user_register(username="mina", password=PASSWORD, display_name="Mina")
    broadcaster_ensure(user=mina, slug="mina")
    client.force_login(mina)
    return mina


def began(minutes: float) -> Stream:
    """A stream of Mina's that is live since so many minutes ago."""
    stream = stream_past("my first", timezone.now() - minutes * MINUTE, None)
    stream_list(stream=stream)
    return stream


def tiles(page: Any) -> dict[str, str]:
    """What the page says on top."""
    found = [part.split("<dd", 1) for part in page.content.decode().split("<dt>")[1:]]
    return {
        label.split("</dt>")[0]: rest.split(">", 1)[1].split("</dd>")[0].replace("<small>", "").replace("</small>", "")
        for label, rest in found
    }


def look(client: Client, address: str) -> Any:
    response = client.get(address)
    assert response.status_code == 200
    return response


@pytest.mark.database
@pytest.mark.django_db
def test_a_stream_that_has_just_begun(client: Client, mina: User) -> None:
    stream = began(2.5)
    viewers_arrive(stream, "a", "b")
    page = look(client, f"/live/{stream.pk}/statistics/")
    assert tiles(page) == {
        "Watching now": "2",
        "Watched": "—",
        "Average viewers": "—",
        "Peak": "2",
        "Viewers": "—",
        "Visits": "2",
        "On air": "2 min",
    }
    words = text(page)
    assert "Time watched and viewers are counted within 8 minutes." in words
    assert "Who is still watching counts once they leave." in words
    assert 'data-empty="Viewers are read every five minutes. The first reading is still to come."' in words
    assert "This is the first stream" in words
    assert "Nothing was live" not in words
    own = look(client, "/studio/statistics/?days=7")
    assert {one.name: one.value for one in own.context["headlines"]} == {
        "watch_minutes": None,
        "average": None,
        "peak": 2,
        "unique": None,
        "new": None,
        "live_minutes": 2,
    }
    assert "Nothing was live" not in text(own)
    (listed,) = own.context["streams"]
    assert (listed.peak, listed.unique, listed.watch_minutes, listed.live_minutes) == (2, None, None, 2)
    assert [(row.peak, row.unique, row.live_minutes) for row in own.context["day_rows"]] == [(2, None, 2)]


@pytest.mark.database
@pytest.mark.django_db
def test_a_stream_that_has_just_ended_says_when_its_figures_come_and_then_has_them(client: Client, mina: User) -> None:
    stream = began(3)
    viewers_arrive(stream, "a", "b", "c", at=stream.started_at)
    viewers_leave(stream, "a", "b", "c", at=stream.started_at + 2 * MINUTE)
    audience_sweep()
    stream_end(stream=stream)
    stream.refresh_from_db()
    address = f"/live/{stream.pk}/statistics/"
    page = look(client, address)
    expected = {"Watched": "—", "Average viewers": "—", "Peak": "3", "Viewers": "—", "Visits": "3", "On air": "3 min"}
    assert tiles(page) == expected
    assert "Time watched and viewers are counted within 8 minutes." in text(page)
    assert "Nothing was live" not in text(page)
    answer = client.get("/api/broadcasters/mina/streams").json()["items"][0]
    assert (answer["unique"], answer["watch_minutes"], answer["average"], answer["as_of"]) == (None, None, None, None)
    sessions_drain()
    now = timezone.now()
    statistics_compute(day=now.astimezone(SEOUL).date(), now=now)
    page = look(client, address)
    assert tiles(page) == expected | {"Watched": "6 min", "Viewers": "3", "Average viewers": "2.0"}
    (row,) = page.context["day_rows"]
    assert (row.peak, row.average, row.unique, row.watch_minutes, row.live_minutes) == (3, 2.0, 3, 6, 3)


@pytest.mark.database
@pytest.mark.django_db
def test_the_figures_of_one_page_agree_while_the_day_is_half_an_hour_old(client: Client, mina: User) -> None:
    now = timezone.now()
    start = now - 12 * MINUTE
    stream = stream_past("12 minutes", start, now - SECOND, peak=219)
    history_make(stream, [(start + 2 * MINUTE, 79), (start + 7 * MINUTE, 212)])
    day = now.astimezone(SEOUL).date()
    day_make(stream, day, peak=79, average=79.0, unique=5, new=4, watched=30, live=7)
    page = look(client, f"/live/{stream.pk}/statistics/")
    figures, (row,) = page.context["figures"], page.context["day_rows"]
    same = (219, 145.5, 5, 30, 11)
    assert (figures.peak, figures.average, figures.unique, figures.watch_minutes, figures.live_minutes) == same
    assert (row.peak, row.average, row.unique, row.watch_minutes, row.live_minutes) == same
    as_of = start + 7 * MINUTE
    assert figures.as_of == page.context["today"].as_of == as_of
    assert f"Time watched and viewers are as of {as_of.astimezone(SEOUL):%H:%M}, and are counted anew" in text(page)
    own = look(client, "/studio/statistics/?days=1")
    named = {one.name: one.value for one in own.context["headlines"]}
    assert (named["peak"], named["average"], named["unique"], named["watch_minutes"], named["live_minutes"]) == same
    (listed,) = own.context["streams"]
    assert (listed.peak, listed.average, listed.unique, listed.watch_minutes, listed.live_minutes) == same
    assert own.context["day_chart"]["peak"] == [219]


@pytest.mark.database
@pytest.mark.django_db
def test_a_part_is_not_compared_with_a_whole(client: Client, mina: User) -> None:
    now = timezone.now()
    before = stream_past("before", now - 30 * HOUR, now - 26 * HOUR, peak=10)
    stream = stream_past("live", now - 20 * MINUTE, None)
    page = look(client, f"/live/{stream.pk}/statistics/")
    assert page.context["comparison"].before.id == before.pk
    assert page.context["compared"] == []
    assert "The figures of both are compared once this stream has ended." in text(page)


@pytest.mark.database
@pytest.mark.django_db
def test_what_ended_a_day_ago_is_as_its_rows_say(mina: User) -> None:
    now = timezone.now()
    stream = stream_past("over", now - 26 * HOUR, now - 25 * HOUR)
    assert running_of_broadcaster(broadcaster_id=stream.broadcaster_id, now=now) == []
