"""The pages of statistics, without JavaScript: figures, days, refusals, whose they are."""

import datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from apps.analytics.pages import Today, today_page
from apps.analytics.ranges import range_pick
from apps.analytics.running_selectors import running_of_broadcaster
from apps.analytics.templatetags.statistics_display import change, heat, mean, short, watched, watched_large
from apps.streams.models import Stream
from tests.analytics.owned import Owned, owned_make, seoul, stream_write

pytestmark = [pytest.mark.database, pytest.mark.django_db]

MARCH = "from=2026-03-01&to=2026-03-03"
TODAY = datetime.date(2026, 3, 3)


@pytest.fixture
def owned(db: None) -> Owned:
    return owned_make()


@pytest.fixture
def as_mina(client: Client, owned: Owned) -> Client:
    client.force_login(owned.mina)
    return client


def text(response: Any) -> str:
    """What a page says, with one space between words."""
    return " ".join(response.content.decode().split())


# --- which days ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "first", "last", "preset", "problem"),
    [
        ({}, "2026-02-04", "2026-03-03", 28, None),
        ({"days": "1"}, "2026-03-03", "2026-03-03", 1, None),
        ({"days": "7"}, "2026-02-25", "2026-03-03", 7, None),
        ({"days": "365"}, "2025-03-04", "2026-03-03", 365, None),
        ({"days": "8"}, "2026-02-04", "2026-03-03", 28, "unreadable"),
        ({"from": "2026-01-01", "to": "2026-01-01"}, "2026-01-01", "2026-01-01", 0, None),
        ({"from": "2026-01-01", "to": "2027-02-04"}, "2026-01-01", "2027-02-04", 0, None),
        ({"from": "2026-01-01", "to": "2027-02-05"}, "2026-02-04", "2026-03-03", 28, "too_long"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "2026-02-04", "2026-03-03", 28, "backwards"),
        ({"from": "2026-01-02"}, "2026-02-04", "2026-03-03", 28, "unreadable"),
        ({"from": "2026-01-02", "to": "9999-12-31"}, "2026-02-04", "2026-03-03", 28, "out_of_reach"),
        ({"from": "0001-01-01", "to": "0001-01-02"}, "2026-02-04", "2026-03-03", 28, "out_of_reach"),
    ],
)
def test_the_days_that_an_address_asks_for(
    asked: dict[str, str], first: str, last: str, preset: int, problem: str | None
):
    picked = range_pick(asked, today=TODAY)
    assert (picked.days.since.isoformat(), picked.days.last.isoformat()) == (first, last)
    assert (picked.preset, picked.problem) == (preset, problem)
    assert range_pick(dict(pair.split("=") for pair in picked.query.split("&")), today=TODAY).days == picked.days


# --- how figures are shown ----------------------------------------------------------------------------------------


def test_figures_as_people_read_them():
    assert [watched(minutes) for minutes in (0, 59, 60, 750, 6_000, 74_040)] == [
        *("0 min", "59 min", "1.0 h", "12.5 h", "100 h", "1,234 h"),
    ]
    assert watched_large(74_040) == "1,234<small> h</small>"
    assert [mean(value) for value in (0.0, 15.04, 99.96, 1234.5)] == ["0.0", "15.0", "100.0", "1,234"]
    assert [show(None) for show in (mean, watched, watched_large)] == ["—", "—", "—"]
    assert [short(value) for value in (0, 82.5, 999.4, 1000, 1234, 12_345, 1_500_000)] == [
        *("0", "83", "999", "1K", "1.2K", "12K", "1.5M"),
    ]
    with translation.override("ko"):
        assert [short(value) for value in (999, 1234, 12_345, 123_456)] == ["999", "1.2천", "1.2만", "12만"]
        assert [watched(minutes) for minutes in (59, 750)] == ["59분", "12.5시간"]


def test_warmth_is_in_proportion_to_the_warmest():
    assert [heat(average, 80.0) for average in (None, 0.0, 9.9, 10.0, 79.9, 80.0)] == [0, 1, 1, 2, 8, 8]
    assert heat(0.0, 0.0) == 1


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [
        (0.25, "25%"),
        (0.0123, "1.2%"),
        (-0.5, "50%"),
        (-0.994, "99%"),
        (-0.9999, "&gt;99%"),
        (-1.0, "100%"),
        (9.99, "999%"),
        (11.0, "\u00d712"),
        (0.0, "no change"),
        (None, "nothing to compare with"),
    ],
)
def test_a_change_is_told_in_words_too(ratio: float | None, shown: str):
    told = change(ratio)
    assert shown in told
    assert ('class="change up"' in told, 'class="change down"' in told) == ((ratio or 0) > 0, (ratio or 0) < 0)
    assert ("up </span>" in told, "down </span>" in told) == ((ratio or 0) > 0, (ratio or 0) < 0)


# --- a broadcaster ------------------------------------------------------------------------------------------------


def test_a_broadcasters_page(as_mina: Client, owned: Owned):
    response = as_mina.get(f"/studio/statistics/?{MARCH}")
    context = response.context
    assert response.status_code == 200
    assert {one.name: (one.value, one.before, one.change) for one in context["headlines"]} == {
        "watch_minutes": (8100, 0, None),
        "average": (45.0, 0.0, None),
        "peak": (80, 0, None),
        "unique": (180, 0, None),
        "new": (115, 0, None),
        "live_minutes": (180, 0, None),
    }
    assert [(row.day.day, row.peak) for row in context["day_rows"]] == [(3, 80), (2, 40), (1, 20)]
    assert context["day_chart"] == {
        "at": [int(seoul(day, 12).timestamp()) for day in (1, 2, 3)],
        "peak": [20, 40, 80],
        "average": [15.0, 40.0, 80.0],
        "unique": [30, 60, 90],
        "new": [30, 45, 40],
        "watch_minutes": [900, 2400, 4800],
    }
    assert [one.id for one in context["streams"]] == [owned.second.pk, owned.first.pk]
    words = text(response)
    assert "Most are watching on Tuesday at 00:00: 80.0 on average." in words
    assert "Live in 3 different hours of the week, seen over 4 weeks." in words
    assert 'data-series="/api/broadcasters/mina/series?since=2026-03-01&amp;until=2026-03-04"' in words
    of_march = "since=2026-03-01&amp;until=2026-03-04"
    assert f'href="/api/broadcasters/mina/export?{of_march}&amp;kind=days&amp;format=json"' in words
    assert "Compared with the 3 days before." in words
    assert "as-of" not in words  # the running day is not among them


def test_it_is_said_where_viewers_are_sums_and_what_reaches_beyond_the_days(as_mina: Client, owned: Owned):
    beyond = "Each with the figures of all of it, also of the part that is outside of these days."
    words = text(as_mina.get(f"/studio/statistics/?{MARCH}"))
    hint = "Who watched two streams, or on two days, counts twice"
    assert f'<dd class="hint muted needed">{hint}</dd>' in words
    assert beyond not in words
    assert beyond in text(as_mina.get("/studio/statistics/?from=2026-03-03&to=2026-03-03"))
    twice = "Who watched on two days counts twice"
    assert twice in text(as_mina.get(f"/live/{owned.second.pk}/statistics/"))
    assert twice not in text(as_mina.get(f"/live/{owned.first.pk}/statistics/"))


def test_growth_against_the_days_before(as_mina: Client):
    context = as_mina.get("/studio/statistics/?from=2026-03-03&to=2026-03-03").context
    found = {one.name: (one.value, one.before, one.change) for one in context["headlines"]}
    assert found["watch_minutes"] == (4800, 2400, 1.0)
    assert found["new"] == (40, 45, -0.1111)


def test_every_cell_of_the_week_is_read_aloud(as_mina: Client):
    page = as_mina.get(f"/studio/statistics/?{MARCH}").content.decode()
    table = page[page.index('<table class="heat">') : page.index("</table>", page.index('<table class="heat">'))]
    assert (table.count("<td class="), table.count("not live"), table.count('scope="row"')) == (7 * 24, 165, 7)
    assert 'class="h8" title="Tuesday 00:00 · Average 80.0 · Highest reading 80"' in table
    assert 'class="h2" title="Sunday 09:00 · Average 15.0 · Highest reading 20"' in table


def test_days_without_a_stream_say_so(as_mina: Client):
    words = text(as_mina.get("/studio/statistics/?from=2025-01-01&to=2025-01-05"))
    assert "Nothing was counted in these days." in words
    assert "Nothing was live in these weeks." in words
    assert words.count("Nothing was live in these days.") == 1
    assert 'data-series="/api/broadcasters/mina/series?since=2025-01-01&amp;until=2025-01-06"' in words


def test_days_that_are_none_are_explained(as_mina: Client):
    response = as_mina.get("/studio/statistics/?from=2026-03-03&to=2026-03-01")
    assert response.status_code == 400
    words = text(response)
    assert "The last day lies before the first. These are the last 28 days." in words
    assert 'name="from" value="2026-03-03"' in words  # what was typed stays, to be mended


def test_what_was_typed_is_never_markup(as_mina: Client):
    page = as_mina.get('/studio/statistics/?from="><b>1&to=2026-03-01').content.decode()
    assert "<b>1" not in page
    assert "&quot;&gt;&lt;b&gt;1" in page


def test_a_broadcaster_without_streams_and_a_user_without_a_channel(client: Client, owned: Owned):
    client.force_login(owned.jun)
    assert "Nothing to count yet" in text(client.get("/studio/statistics/"))
    client.force_login(owned.olga)
    response = client.get("/studio/statistics/")
    assert (response.status_code, "Nothing to count yet" in text(response)) == (200, True)


def test_streams_are_listed_twenty_a_page(as_mina: Client, owned: Owned):
    for hour in range(20):
        stream_write(
            owned.channel, f"Hour {hour}", started_at=seoul(3, 2) + hour * datetime.timedelta(hours=1), viewers=[1]
        )
    first = as_mina.get(f"/studio/statistics/?{MARCH}")
    assert [one.title for one in first.context["streams"]][:2] == ["Hour 19", "Hour 18"]
    assert f"?{MARCH.replace('&', '&amp;')}&amp;page=2#streams-title" in text(first)
    second = as_mina.get(f"/studio/statistics/?{MARCH}&page=2").context["streams"]
    assert [one.title for one in second] == ['=SUM(A1), "night"', "Morning"]


# --- how far today has come ---------------------------------------------------------------------------------------


def test_todays_figures_say_of_when_they_are(owned: Owned):
    now = seoul(4, 2, 13)

    def look(live: Stream | None, *, at: datetime.datetime = now) -> Today | None:
        return today_page(running_of_broadcaster(broadcaster_id=owned.channel.pk, now=at), live, now=at)

    assert look(None) is None
    stream = stream_write(owned.channel, "On", started_at=seoul(3, 23), viewers=[5] * 30, ended=False)
    assert look(stream) == Today(is_live=True, as_of=None, is_behind=True, minutes=30)
    stream.delete()
    stream = stream_write(
        *(owned.channel, "On"),
        started_at=seoul(3, 23),
        viewers=[5] * 20,  # until 00:40, when statistics were made
        ended=False,
        days={datetime.date(2026, 3, 3): (5, 0, 200), datetime.date(2026, 3, 4): (5, 0, 200)},
    )
    assert look(stream) == Today(is_live=True, as_of=seoul(4, 0, 40), is_behind=False, minutes=30)
    assert look(stream, at=seoul(5, 2)) == Today(is_live=True, as_of=seoul(4, 0, 40), is_behind=True, minutes=13)


# --- a stream -----------------------------------------------------------------------------------------------------


def test_a_streams_page(as_mina: Client, owned: Owned):
    response = as_mina.get(f"/live/{owned.second.pk}/statistics/")
    context = response.context
    assert (context["figures"].peak, context["figures"].unique, context["figures"].average) == (80, 150, 60.0)
    assert [(one.name, one.value, one.before) for one in context["compared"]] == [
        ("watch_minutes", 7200, 900),
        ("average", 60.0, 15.0),
        ("peak", 80, 20),
        ("unique", 150, 30),
        ("live_minutes", 120, 60),
    ]
    assert [one.change for one in context["compared"]] == [7.0, 3.0, 3.0, 4.0, 1.0]
    words = text(response)
    assert (
        f'data-series="/api/streams/{owned.second.pk}/series?since=2026-03-02&amp;until=2026-03-04" data-fit' in words
    )
    assert f'data-comparison="/api/streams/{owned.second.pk}/comparison"' in words
    assert "=SUM(A1), &quot;night&quot;" in words


def test_a_day_of_a_stream(as_mina: Client, owned: Owned):
    address = f"/live/{owned.second.pk}/statistics/"
    words = text(as_mina.get(f"{address}?day=2026-03-03"))
    assert f'data-series="/api/streams/{owned.second.pk}/series?since=2026-03-03&amp;until=2026-03-04"' in words
    assert 'href="?day=2026-03-03" aria-current="true"' in words
    assert as_mina.get(f"{address}?day=2026-03-09").context["chosen_day"] is None


def test_a_first_stream_is_compared_with_none(as_mina: Client, owned: Owned):
    words = text(as_mina.get(f"/live/{owned.first.pk}/statistics/"))
    assert "This was the first stream, so there is none to compare it with." in words


# --- whose they are -----------------------------------------------------------------------------------------------


def test_others_find_nothing(client: Client, owned: Owned):
    pages = ["/broadcasters/mina/statistics/", f"/live/{owned.second.pk}/statistics/"]
    # Who is not signed in is asked to, and learns nothing about what there is.
    for page in (*pages, "/studio/statistics/", "/broadcasters/nobody/statistics/", f"/live/{2**70}/statistics/"):
        response = client.get(page)
        assert (response.status_code, response["Location"]) == (302, f"/accounts/sign-in/?next={page}")
    client.force_login(owned.jun)
    assert [client.get(page).status_code for page in pages] == [404, 404]
    assert client.get("/broadcasters/nobody/statistics/").status_code == 404
    assert client.get(f"/live/{2**70}/statistics/").status_code == 404


def test_staff_sees_everybodys(client: Client, owned: Owned):
    client.force_login(owned.olga)
    response = client.get(f"/broadcasters/mina/statistics/?{MARCH}")
    assert (response.status_code, len(response.context["day_rows"])) == (200, 3)
    words = text(client.get(f"/live/{owned.second.pk}/statistics/"))
    assert 'href="/broadcasters/mina/statistics/"' in words


def test_no_cache_keeps_what_is_ones_own(as_mina: Client, owned: Owned):
    for page in ("/studio/statistics/", "/broadcasters/mina/statistics/", f"/live/{owned.first.pk}/statistics/"):
        assert "no-store" in as_mina.get(page)["Cache-Control"]


def test_pages_lead_to_it(as_mina: Client, owned: Owned):
    assert 'href="/studio/statistics/"' in text(as_mina.get("/studio/"))
    assert f'href="/live/{owned.second.pk}/statistics/"' in text(as_mina.get("/studio/"))
    live = f"/live/{owned.second.pk}/"
    assert f'href="{live}statistics/"' in text(as_mina.get(live))
    as_mina.force_login(owned.jun)
    assert f'href="{live}statistics/"' not in text(as_mina.get(live))
    assert 'href="/rankings/"' in text(as_mina.get("/"))
    assert 'href="/rankings/?category=talk"' in text(as_mina.get(live))
