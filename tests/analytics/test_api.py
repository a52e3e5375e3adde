"""/api/broadcasters/..., /api/streams/{id}/... and /api/rankings/...: exact values, every refusal, whose they are."""

from typing import Any

import pytest
from django.test import Client
from prometheus_client import REGISTRY

from apps.analytics import ranking_store
from apps.analytics.ranking import RankedBroadcaster
from apps.realtime import redis
from tests.analytics.owned import Owned, owned_make, seoul
from tests.services.redis_server import RedisServer

pytestmark = [pytest.mark.database, pytest.mark.django_db]

MARCH = "since=2026-03-01&until=2026-03-04"
NO_BROADCASTER = {"error": "not_found", "detail": "There is no such broadcaster."}
NO_STREAM = {"error": "not_found", "detail": "There is no such stream."}
OF_BROADCASTER = ["series", "days", "streams", "heat-map", "growth", "export"]
OF_STREAM = ["series", "days", "comparison", "export"]


@pytest.fixture
def owned(db: None) -> Owned:
    return owned_make()


@pytest.fixture
def as_mina(client: Client, owned: Owned) -> Client:
    client.force_login(owned.mina)
    return client


def ask(client: Client, address: str) -> tuple[int, Any]:
    response = client.get(address)
    return response.status_code, response.json()


def refused(reason: str) -> float:
    return REGISTRY.get_sample_value("fullhouse_rejected_input_total", {"entrance": "api", "reason": reason}) or 0.0


# --- a broadcaster ------------------------------------------------------------------------------------------------


def test_a_broadcasters_series(as_mina: Client):
    status, answer = ask(as_mina, f"/api/broadcasters/mina/series?{MARCH}")
    assert status == 200
    assert (answer["unit_s"], answer["since"], answer["until"]) == (300, "2026-02-28T15:00:00Z", "2026-03-03T15:00:00Z")
    starts = [int(seoul(1, 9).timestamp()), int(seoul(2, 23).timestamp())]
    assert answer["at"] == [starts[0] + 300 * n for n in range(12)] + [starts[1] + 300 * n for n in range(24)]
    assert answer["average"] == [10] * 6 + [20] * 6 + [40] * 12 + [80] * 12
    assert answer["peak"] == answer["average"]


def test_a_broadcasters_days(as_mina: Client):
    status, answer = ask(as_mina, f"/api/broadcasters/mina/days?{MARCH}")
    names = ("day", "peak", "average", "unique", "new", "returning", "watch_minutes", "live_minutes", "streams")
    assert (status, answer["items"]) == (
        200,
        [
            dict(zip(names, row, strict=True))
            for row in [
                ("2026-03-01", 20, 15.0, 30, 30, 0, 900, 60, 1),
                ("2026-03-02", 40, 40.0, 60, 45, 15, 2400, 60, 1),
                ("2026-03-03", 80, 80.0, 90, 40, 50, 4800, 60, 1),
            ]
        ],
    )


def test_a_broadcasters_streams_newest_first(as_mina: Client, owned: Owned):
    status, answer = ask(as_mina, f"/api/broadcasters/mina/streams?{MARCH}")
    second, first = answer["items"]
    assert (status, first) == (
        200,
        {
            "id": owned.first.pk,
            "title": "Morning",
            "started_at": "2026-03-01T00:00:00Z",
            "ended_at": "2026-03-01T01:00:00Z",
            "peak": 20,
            "average": 15.0,
            "unique": 30,
            "watch_minutes": 900,
            "live_minutes": 60,
            "as_of": None,
        },
    )
    assert (second["id"], second["average"], second["unique"]) == (owned.second.pk, 60.0, 150)


def test_a_broadcasters_week_by_hours(as_mina: Client):
    status, answer = ask(as_mina, "/api/broadcasters/mina/heat-map?until=2026-03-04&weeks=1")
    assert (status, answer["since"], answer["until"]) == (200, "2026-02-25", "2026-03-04")
    assert [len(row) for row in answer["cells"]] == [24] * 7
    live = {
        (day, hour): (cell["average"], cell["peak"])
        for day, row in enumerate(answer["cells"])
        for hour, cell in enumerate(row)
        if cell["average"] is not None
    }
    assert live == {(6, 9): (15.0, 20), (0, 23): (40.0, 40), (1, 0): (80.0, 80)}


def test_a_broadcasters_growth(as_mina: Client):
    status, answer = ask(as_mina, "/api/broadcasters/mina/growth?until=2026-03-04&days=1")
    assert (status, answer["since"], answer["until"]) == (200, "2026-03-03", "2026-03-04")
    assert (answer["last"]["watch_minutes"], answer["before"]["watch_minutes"]) == (4800, 2400)
    assert (answer["change"]["watch_minutes"], answer["change"]["new"]) == (1.0, -0.1111)


def test_without_days_it_is_the_last_four_weeks(as_mina: Client):
    """March 2026 is long past or to come; what counts is that nothing has to be said."""
    status, answer = ask(as_mina, "/api/broadcasters/mina/series")
    assert (status, answer["unit_s"]) == (200, 1800)


# --- a stream -----------------------------------------------------------------------------------------------------


def test_a_streams_series_is_all_of_it_or_a_day(as_mina: Client, owned: Owned):
    status, answer = ask(as_mina, f"/api/streams/{owned.second.pk}/series")
    assert (status, answer["peak"]) == (200, [40] * 12 + [80] * 12)
    status, answer = ask(as_mina, f"/api/streams/{owned.second.pk}/series?since=2026-03-03&until=2026-03-04")
    assert (status, answer["peak"]) == (200, [80] * 12)


def test_a_streams_days(as_mina: Client, owned: Owned):
    status, answer = ask(as_mina, f"/api/streams/{owned.second.pk}/days")
    days = [(day["day"], day["peak"], day["unique"], day["streams"]) for day in answer["items"]]
    assert (status, days) == (200, [("2026-03-02", 40, 60, 1), ("2026-03-03", 80, 90, 1)])


def test_a_stream_beside_the_one_before(as_mina: Client, owned: Owned):
    status, answer = ask(as_mina, f"/api/streams/{owned.second.pk}/comparison")
    assert (status, answer["unit_s"]) == (200, 300)
    assert (answer["stream"]["id"], answer["before"]["id"]) == (owned.second.pk, owned.first.pk)
    assert answer["course"] == {
        "after_s": [300 * n for n in range(24)],
        "average": [40.0] * 12 + [80.0] * 12,
        "peak": [40] * 12 + [80] * 12,
    }
    assert answer["course_before"]["peak"] == [10] * 6 + [20] * 6
    assert ask(as_mina, f"/api/streams/{owned.first.pk}/comparison") == (
        404,
        {"error": "not_found", "detail": "There is no stream before this one."},
    )


# --- whose they are -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", OF_BROADCASTER)
def test_a_broadcasters_past_is_its_own_and_staffs(client: Client, owned: Owned, what: str):
    address = f"/api/broadcasters/mina/{what}"
    assert ask(client, address) == (404, NO_BROADCASTER)
    client.force_login(owned.jun)
    assert ask(client, address) == (404, NO_BROADCASTER)
    client.force_login(owned.olga)
    assert client.head(address).status_code == 200
    assert ask(client, f"/api/broadcasters/nobody/{what}") == (404, NO_BROADCASTER)


@pytest.mark.parametrize("what", OF_STREAM)
def test_a_streams_past_is_its_broadcasters_and_staffs(client: Client, owned: Owned, what: str):
    address = f"/api/streams/{owned.second.pk}/{what}"
    assert ask(client, address) == (404, NO_STREAM)
    client.force_login(owned.jun)
    assert ask(client, address) == (404, NO_STREAM)
    client.force_login(owned.olga)
    assert client.head(address).status_code == 200
    assert ask(client, f"/api/streams/{owned.second.pk + 1000}/{what}") == (404, NO_STREAM)


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("since=2026-03-04&until=2026-03-04", "until: the range ends before it begins"),
        ("since=2026-03-05&until=2026-03-04", "until: the range ends before it begins"),
        ("since=2025-01-01&until=2026-02-06", "since: a range has 400 days at most"),
        ("since=1999-12-31&until=2000-01-02", "since: days lie between 2000-01-01 and 2200-01-01"),
        ("since=2199-12-31&until=2200-01-02", "since: days lie between 2000-01-01 and 2200-01-01"),
        ("until=0001-01-05", "until: days lie between 2000-01-01 and 2200-01-01"),
        ("since=2026-02-30", "since: a day is written YYYY-MM-DD"),
        ("since=0", "since: a day is written YYYY-MM-DD"),
        ("since=2026-03-01T00:00:00", "since: a day is written YYYY-MM-DD"),
    ],
)
def test_a_range_must_be_one(as_mina: Client, query: str, detail: str):
    before = refused("invalid")
    assert ask(as_mina, f"/api/broadcasters/mina/days?{query}") == (422, {"error": "invalid", "detail": detail})
    assert refused("invalid") == before + 1


def test_four_hundred_days_are_allowed(as_mina: Client):
    status, answer = ask(as_mina, "/api/broadcasters/mina/days?since=2025-02-01&until=2026-03-08")
    assert (status, len(answer["items"])) == (200, 3)


@pytest.mark.parametrize(
    "address",
    [
        "/api/broadcasters/mina/heat-map?weeks=0",
        "/api/broadcasters/mina/heat-map?weeks=11",
        "/api/broadcasters/mina/heat-map?until=2000-01-05",
        "/api/broadcasters/mina/growth?days=401",
        "/api/broadcasters/mina/growth?days=400&until=2001-01-01",
        "/api/broadcasters/mina/growth?until=9999-12-31",
        "/api/broadcasters/mina/export?kind=sessions",
        "/api/broadcasters/mina/export?format=xml",
        f"/api/broadcasters/{'m' * 61}/days",
        f"/api/streams/{2**63}/days",
        "/api/rankings/month",
        "/api/rankings/today?limit=101",
        "/api/rankings/today?offset=1001",
    ],
)
def test_what_is_out_of_bounds_is_refused(as_mina: Client, address: str):
    status, answer = ask(as_mina, address)
    assert (status, answer["error"]) == (422, "invalid")


def test_refusals_are_counted(client: Client, owned: Owned):
    before = refused("not_found")
    client.get("/api/broadcasters/mina/days")
    assert refused("not_found") == before + 1


def test_one_user_asks_twenty_times_a_second_at_most(client: Client, owned: Owned, monkeypatch: pytest.MonkeyPatch):
    from ninja.throttling import SimpleRateThrottle

    monkeypatch.setattr(SimpleRateThrottle, "timer", lambda self: 1_000.0)
    client.force_login(owned.mina)
    statuses = [client.get("/api/broadcasters/mina/growth").status_code for _ in range(20)]
    last = client.get("/api/broadcasters/mina/days")
    assert (set(statuses), last.status_code, last.json()["error"]) == ({200}, 429, "too_many_requests")
    assert int(last["Retry-After"]) >= 1
    client.force_login(owned.olga)
    assert client.get("/api/broadcasters/mina/days").status_code == 200


# --- rankings -----------------------------------------------------------------------------------------------------


def rank(*names: str, category_id: int | None = None) -> None:
    rows = [
        RankedBroadcaster(place, 100 + place, name, name.title(), "talk", 1000 - place, 50 - place, 70 - place)
        for place, name in enumerate(names, start=1)
    ]
    redis.ask_now(
        ranking_store.ranking_put(period="today", category_id=category_id, as_of_ms=1_772_413_200_000, rows=rows)
    )


def test_a_ranking_that_is_not_made_yet_says_so(client: Client):
    assert ask(client, "/api/rankings/today") == (200, {"as_of": None, "total": 0, "items": []})


def test_todays_ranking(client: Client, owned: Owned):
    rank("mina", "jun", "ara")
    status, answer = ask(client, "/api/rankings/today?offset=1&limit=1")
    assert (status, answer) == (
        200,
        {
            "as_of": "2026-03-02T01:00:00Z",
            "total": 3,
            "items": [
                {
                    "rank": 2,
                    "slug": "jun",
                    "name": "Jun",
                    "category": "talk",
                    "watch_minutes": 998,
                    "peak": 48,
                    "unique": 68,
                }
            ],
        },
    )


def test_a_categorys_ranking(client: Client, owned: Owned):
    rank("mina", "jun")
    rank("jun", category_id=owned.first.category_id)
    status, answer = ask(client, "/api/rankings/today?category=talk")
    assert (status, [item["slug"] for item in answer["items"]]) == (200, ["jun"])
    assert ask(client, "/api/rankings/week?category=none") == (
        404,
        {"error": "not_found", "detail": "There is no such category."},
    )


def test_a_ranking_while_redis_is_away(client: Client, db: None, private_redis: RedisServer, use_redis: Any):
    use_redis(private_redis.url)
    private_redis.stop()
    assert ask(client, "/api/rankings/today") == (
        503,
        {"error": "service_unavailable", "detail": "The ranking cannot be read now. Try again in a moment."},
    )
