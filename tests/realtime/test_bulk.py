"""The bulk writes: exact rules for rows that exist, few statements, nothing swallowed, no lost deadlock."""

import datetime
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import FieldDoesNotExist
from django.db import IntegrityError, connections, transaction
from pytest_django import DjangoAssertNumQueries

from apps.analytics.models import UserSession, ViewerHistory
from apps.audience.models import CurrentViewers
from apps.realtime.bulk import Row, bulk_insert_ignore, bulk_upsert

NOON = datetime.datetime(2026, 3, 1, 3, 0, tzinfo=datetime.UTC)
EARLIER, LATER = NOON - datetime.timedelta(minutes=5), NOON + datetime.timedelta(minutes=5)
Figures = tuple[int, int, int, int, int, datetime.datetime]

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def row(stream_id: int, current: int, peak: int, at: datetime.datetime = NOON) -> Row:
    return {
        "stream_id": stream_id,
        "current": current,
        "peak": peak,
        "total": peak,
        "unique_today": peak,
        "captured_at": at,
    }


def upsert(*rows: Row, newest_by: str | None = "captured_at", chunk: int = 1000) -> None:
    bulk_upsert(
        CurrentViewers,
        rows,
        update=["current", "unique_today"],
        greatest=["peak", "total"],
        newest_by=newest_by,
        chunk=chunk,
    )


def stored() -> list[Figures]:
    fields = ("stream_id", "current", "peak", "total", "unique_today", "captured_at")
    return list(CurrentViewers.objects.order_by("stream_id").values_list(*fields))


def test_new_rows_are_inserted_and_known_ones_changed_by_their_rules() -> None:
    upsert(row(1, 5, 9), row(2, 1, 1))
    upsert(row(3, 7, 7, LATER), row(1, 2, 4, LATER))
    assert stored() == [(1, 2, 9, 9, 4, LATER), (2, 1, 1, 1, 1, NOON), (3, 7, 7, 7, 7, LATER)]


def test_an_older_row_raises_what_only_grows_and_changes_nothing_else() -> None:
    upsert(row(1, 5, 9))
    upsert(row(1, 2, 12, EARLIER))
    assert stored() == [(1, 5, 12, 12, 9, NOON)]


def test_without_newest_by_the_last_writer_wins() -> None:
    upsert(row(1, 5, 9), newest_by=None)
    upsert(row(1, 2, 3, EARLIER), newest_by=None)
    assert stored() == [(1, 2, 9, 9, 3, NOON)]


def test_a_repeat_changes_nothing() -> None:
    rows = [row(number, number, number) for number in range(1, 31)]
    upsert(*rows)
    before = stored()
    upsert(*reversed(rows))
    assert stored() == before
    assert len(before) == 30


def test_a_row_twice_in_one_call_is_one_row() -> None:
    upsert(row(1, 5, 9), row(1, 6, 6, LATER))
    assert stored() == [(1, 6, 9, 9, 6, LATER)]


def test_rows_go_in_statements_of_the_asked_size(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    rows = [row(number, 1, 2) for number in range(2500)]
    with django_assert_num_queries(3):
        upsert(*rows)
    assert stored() == [(number, 1, 2, 2, 2, NOON) for number in range(2500)]


def test_no_rows_is_no_statement(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        upsert()
        bulk_insert_ignore(ViewerHistory, [])


def test_more_parameters_than_a_statement_may_have_are_split() -> None:
    rows = [row(number, 1, 1) for number in range(60_000)]
    upsert(*rows, chunk=len(rows))
    assert CurrentViewers.objects.count() == 60_000


def test_insert_ignore_keeps_what_is_there() -> None:
    bulk_insert_ignore(ViewerHistory, [row(1, 5, 9), row(2, 5, 9)])
    bulk_insert_ignore(ViewerHistory, [row(3, 1, 1), row(2, 1, 1), row(1, 1, 1, LATER)])
    assert list(
        ViewerHistory.objects.order_by("stream_id", "captured_at").values_list("stream_id", "captured_at", "current")
    ) == [(1, NOON, 5), (1, LATER, 1), (2, NOON, 5), (3, NOON, 1)]


def test_insert_ignore_ignores_duplicates_and_nothing_else() -> None:
    bad = {**row(2, 5, 9), "current": None}
    with pytest.raises(IntegrityError), transaction.atomic():
        bulk_insert_ignore(ViewerHistory, [row(1, 5, 9), bad])
    assert ViewerHistory.objects.count() == 0


def test_values_are_parameters_and_never_text_of_the_statement() -> None:
    nasty = "u'\"); DROP TABLE users; -- %s %(x)s \\ 가"
    session = {
        "session_id": "s1",
        "joined_at": NOON,
        "left_at": LATER,
        "seconds": 300,
        "viewer_id": nasty,
        "stream_id": 1,
        "reason": "left",
    }
    bulk_insert_ignore(UserSession, [session])
    assert UserSession.objects.get().viewer_id == nasty


@pytest.mark.parametrize("name", ["current = 9; DROP TABLE users", "nothing", "pk"])
def test_names_that_are_no_columns_are_refused(name: str) -> None:
    upsert(row(1, 5, 9))
    with pytest.raises((FieldDoesNotExist, ValueError)):
        bulk_upsert(ViewerHistory, [row(1, 1, 1)], update=[name])
    with pytest.raises((FieldDoesNotExist, ValueError)):
        bulk_insert_ignore(ViewerHistory, [{**row(1, 1, 1), name: 1}])
    assert (stored(), ViewerHistory.objects.count()) == ([(1, 5, 9, 9, 9, NOON)], 0)


def test_newest_by_is_not_named_twice() -> None:
    with pytest.raises(ValueError, match="captured_at is kept by newest_by"):
        bulk_upsert(CurrentViewers, [row(1, 1, 1)], update=["captured_at"], newest_by="captured_at")
    assert stored() == []


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads
        for _ in range(2):
            threads.submit(connections.close_all)


@pytest.mark.django_db(transaction=True)
def test_writers_at_once_in_opposite_order_end_with_the_greatest(pool: ThreadPoolExecutor) -> None:
    rows = [row(number, 1, number) for number in range(1, 2001)]
    higher = [row(number, 2, number + 5, LATER) for number in reversed(range(1, 2001))]
    for done in [pool.submit(upsert, *rows), pool.submit(upsert, *higher)]:
        done.result()
    assert stored() == [(n, 2, n + 5, n + 5, n + 5, LATER) for n in range(1, 2001)]
