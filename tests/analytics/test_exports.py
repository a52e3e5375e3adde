"""Exports: that they are read in slices, that few run at once, that who leaves ends them."""

import asyncio
import csv
import datetime
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.analytics import export_store, exports
from apps.analytics.export_formats import CsvFormat
from apps.analytics.export_selectors import DayRow, HistoryRow, Row, export_plan, export_slice
from apps.analytics.exports import Export, ExportsBusy, Place
from apps.analytics.ranges import DayRange
from apps.realtime import redis
from tests.analytics.owned import FIVE_MINUTES, Owned, owned_make, seoul
from tests.services.redis_server import RedisServer

pytestmark = [pytest.mark.database]

MARCH = DayRange(datetime.date(2026, 3, 1), datetime.date(2026, 3, 4))
QUERY = "since=2026-03-01&until=2026-03-04"
TITLE = '=SUM(A1), "night"'


@pytest.fixture
def owned(db: None) -> Owned:
    return owned_make()


@pytest.fixture
def owned_kept(transactional_db: None) -> Owned:
    return owned_make()


@pytest.fixture(autouse=True)
def no_export_runs() -> Iterator[None]:
    yield
    assert exports._running == set()


def body(response: Any) -> bytes:
    """All of a streamed answer, as the server sends it."""

    async def gather() -> bytes:
        parts = [part async for part in response]
        await sync_to_async(connections.close_all)()  # the thread that read them has connections of its own
        return b"".join(parts)

    content = asyncio.run(gather())
    response.close()
    return content


# --- slices -------------------------------------------------------------------------------------------------------


def all_slices(owned: Owned, kind: Any, *, stream_id: int | None = None, limit: int) -> list[list[Row]]:
    plan = export_plan(kind=kind, broadcaster_id=owned.channel.pk, stream_id=stream_id, days=MARCH)
    found: list[list[Row]] = []
    while rows := export_slice(plan=plan, after=found[-1][-1] if found else None, limit=limit):
        found.append(list(rows))
    assert sum(map(len, found)) == plan.total
    return found


@pytest.mark.parametrize("limit", [1, 5, 7, 12, 24, 36, 37, 5000])
@pytest.mark.django_db
def test_slices_of_any_size_are_the_same_history(owned: Owned, limit: int):
    slices = all_slices(owned, "history", limit=limit)
    rows = [row for part in slices for row in part]
    assert {len(part) for part in slices[:-1]} <= {limit}
    assert [(row.stream_id, row.captured_at) for row in rows if isinstance(row, HistoryRow)] == [
        *((owned.first.pk, seoul(1, 9) + n * FIVE_MINUTES) for n in range(12)),
        *((owned.second.pk, seoul(2, 23) + n * FIVE_MINUTES) for n in range(24)),
    ]
    assert rows[0] == HistoryRow(seoul(1, 9), owned.first.pk, "Morning", 10, 10, 10, 10)


@pytest.mark.parametrize("limit", [1, 2, 3, 5000])
@pytest.mark.django_db
def test_slices_of_any_size_are_the_same_days(owned: Owned, limit: int):
    rows = [row for part in all_slices(owned, "days", limit=limit) for row in part]
    assert [(row.day, row.stream_id, row.title, row.watch_minutes) for row in rows if isinstance(row, DayRow)] == [
        (datetime.date(2026, 3, 1), owned.first.pk, "Morning", 900),
        (datetime.date(2026, 3, 2), owned.second.pk, TITLE, 2400),
        (datetime.date(2026, 3, 3), owned.second.pk, TITLE, 4800),
    ]


@pytest.mark.django_db
def test_two_streams_of_one_day_are_both_there_whatever_the_slice(owned: Owned):
    from tests.analytics.owned import stream_write

    day = datetime.date(2026, 3, 1)
    evening = stream_write(owned.channel, "E", started_at=seoul(1, 20), viewers=[5], days={day: (5, 5, 5)})
    rows = [row for part in all_slices(owned, "days", limit=1) for row in part]
    assert [row.stream_id for row in rows] == [owned.first.pk, evening.pk, owned.second.pk, owned.second.pk]


@pytest.mark.django_db
def test_one_streams_rows_only(owned: Owned):
    assert [len(part) for part in all_slices(owned, "history", stream_id=owned.second.pk, limit=20)] == [20, 4]
    assert [len(part) for part in all_slices(owned, "days", stream_id=owned.second.pk, limit=20)] == [2]


@pytest.mark.django_db
def test_no_slice_holds_more_than_it_may(owned: Owned):
    plan = export_plan(kind="history", broadcaster_id=owned.channel.pk, stream_id=None, days=MARCH)
    with CaptureQueriesContext(connection) as queries:
        export_slice(plan=plan, after=None, limit=10)
    assert len(queries) == 1
    assert queries[0]["sql"].endswith("LIMIT 10")


# --- answers ------------------------------------------------------------------------------------------------------


def get(client: Client, address: str) -> Any:
    client.raise_request_exception = True
    return client.get(address)


@pytest.mark.django_db(transaction=True)
def test_a_csv_file(client: Client, owned_kept: Owned):
    client.force_login(owned_kept.mina)
    response = get(client, f"/api/broadcasters/mina/export?kind=days&{QUERY}&mark=true")
    assert (response.status_code, response["Content-Type"]) == (200, "text/csv; charset=utf-8; header=present")
    assert response["Content-Disposition"] == 'attachment; filename="mina-days-2026-03-01-2026-03-03.csv"'
    assert (response["X-Total-Rows"], response["Cache-Control"]) == ("3", "no-store")
    rows = list(csv.reader(io.StringIO(body(response).decode("utf-8-sig"), newline="")))
    assert rows[0] == [
        *("day", "stream_id", "title", "peak", "average", "unique", "new", "returning"),
        *("watch_minutes", "live_minutes"),
    ]
    assert rows[2] == [
        *("2026-03-02", str(owned_kept.second.pk), "'" + TITLE, "40", "40.0", "60", "45", "15", "2400", "60"),
    ]
    assert len(rows) == 4


@pytest.mark.django_db(transaction=True)
def test_a_json_file_of_a_stream(client: Client, owned_kept: Owned):
    client.force_login(owned_kept.olga)
    response = get(client, f"/api/streams/{owned_kept.second.pk}/export?format=json")
    assert (response["Content-Type"], response["X-Total-Rows"]) == ("application/json", "24")
    name = f"mina-{owned_kept.second.pk}-history-2026-03-02-2026-03-03.json"
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    read = json.loads(body(response))
    assert (read["broadcaster"], read["stream"], read["since"], read["until"], read["total"]) == (
        *("mina", owned_kept.second.pk, "2026-03-02", "2026-03-04", 24),
    )
    assert read["rows"][-1] == {
        "captured_at": "2026-03-03T00:55:00+09:00",
        "stream_id": owned_kept.second.pk,
        "title": TITLE,
        "current": 80,
        "peak": 80,
        "total": 1440,
        "unique_today": 80,
    }


@pytest.mark.django_db(transaction=True)
def test_a_name_in_korean_is_told_as_rfc_5987_has_it(client: Client, owned_kept: Owned):
    owned_kept.channel.slug = "미나"
    owned_kept.channel.save()
    client.force_login(owned_kept.mina)
    response = client.head(f"/api/broadcasters/미나/export?{QUERY}")
    name = "%EB%AF%B8%EB%82%98-history-2026-03-01-2026-03-03.csv"
    assert response["Content-Disposition"] == f"attachment; filename*=utf-8''{name}"
    assert (response["X-Total-Rows"], response.content) == ("36", b"")


# --- how many at once ---------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_one_export_a_user(client: Client, owned_kept: Owned):
    client.force_login(owned_kept.mina)
    address = f"/api/broadcasters/mina/export?{QUERY}"
    running = get(client, address)
    refused = client.get(address)
    assert (refused.status_code, refused["Retry-After"], refused.json()) == (
        *(429, "10"),
        {"error": "too_many_requests", "detail": "An export of yours is running. Wait for its end, or stop it."},
    )
    client.force_login(owned_kept.olga)
    assert len(body(get(client, address)).splitlines()) == 37  # another user's is another's
    running.close()
    client.force_login(owned_kept.mina)
    assert len(body(get(client, address)).splitlines()) == 37


def test_another_process_knows_of_it(redis_server: RedisServer):
    redis.ask_now([export_store.export_claim(7)])
    with pytest.raises(ExportsBusy, match="of yours"):
        Place(7)
    redis.ask_now([export_store.export_release(7)])
    Place(7).release()


def test_a_few_exports_a_process():
    places = [Place(user_id) for user_id in range(1, exports.EXPORTS_AT_ONCE + 1)]
    with pytest.raises(ExportsBusy, match="Many") as refusal:
        Place(99)
    assert refusal.value.wait_s == 5
    places[0].release()
    places[0].release()
    Place(99).release()
    for place in places:
        place.release()


def test_a_place_that_everybody_forgot_is_free_again():
    place = Place(7)
    del place
    assert exports._running == set()


def test_without_redis_only_this_process_is_known(private_redis: RedisServer, use_redis: Callable[[str], str]):
    use_redis(private_redis.url)
    private_redis.stop()
    place = Place(7)
    with pytest.raises(ExportsBusy):
        Place(7)
    place.release()


@pytest.mark.django_db(transaction=True)
def test_a_plan_that_fails_leaves_no_export_behind(client: Client, owned_kept: Owned, monkeypatch: pytest.MonkeyPatch):
    def fail(**_: Any) -> None:
        raise RuntimeError("the database is gone")

    monkeypatch.setattr("apps.analytics.export_api.export_plan", fail)
    client.force_login(owned_kept.mina)
    with pytest.raises(RuntimeError):
        client.get("/api/broadcasters/mina/export")
    monkeypatch.undo()
    assert len(body(get(client, f"/api/broadcasters/mina/export?{QUERY}")).splitlines()) == 37


@pytest.mark.django_db(transaction=True)
async def test_who_takes_nothing_is_left(monkeypatch: pytest.MonkeyPatch, owned_kept: Owned):
    monkeypatch.setattr(exports, "STALL_S", 0.05)
    plan = await sync_to_async(export_plan)(
        kind="history", broadcaster_id=owned_kept.channel.pk, stream_id=None, days=MARCH
    )
    place = await sync_to_async(Place)(7)
    export = Export(plan=plan, form=CsvFormat("history", marked=False), place=place)

    async def reader_that_hangs() -> None:
        async for part in export:
            if b"captured_at" not in part:
                await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(reader_that_hangs())
    await sync_to_async(export.close)()
    await sync_to_async(connections.close_all)()
