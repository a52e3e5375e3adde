"""Who reads the past from where: a real replica that follows, lags, stands still, dies and comes back."""

import contextlib
import datetime
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any, TypeVar

import dj_database_url
import pytest
from celery import shared_task
from django.db import DatabaseError, OperationalError, connection, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from apps.analytics import readers
from apps.analytics.metrics import READER_LAG, READER_SKIPPED, READER_USABLE
from apps.analytics.models import ViewerHistory
from apps.analytics.readers import own_writes, reader, reads
from apps.analytics.selectors import history_of_stream, stream_series
from apps.analytics.services import history_append
from apps.audience.selectors import LiveCounts
from tests.plugin import Stores
from tests.services.replication import Replication
from tests.services.waiting import eventually

T = TypeVar("T")

MARK = datetime.datetime(2026, 3, 1, 3, 5, tzinfo=datetime.UTC)
LAST = MARK + datetime.timedelta(hours=1)


@reads("history")
def streams_seen() -> tuple[str, list[int]]:
    """A selector: where it reads from, and the streams that it finds there."""
    rows = ViewerHistory.objects.order_by("stream_id")
    return rows.db, list(rows.values_list("stream_id", flat=True))


def append(stream_id: int) -> None:
    history_append(captured_at=MARK, rows=[LiveCounts(stream_id, 1, 2, 3, 4)])


def apart(fn: Callable[[], T]) -> T:
    """Run as somebody else would, who has written nothing."""
    context = copy_context()
    context.run(readers._wrote_at.set, None)
    return context.run(fn)


def skipped(reason: str, purpose: str = "history") -> float:
    return READER_SKIPPED.labels(purpose, reason)._value.get()


# --- without replicas ---------------------------------------------------------------------------------------------


@pytest.mark.database
@pytest.mark.django_db
def test_without_replicas_it_costs_no_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert {reader(purpose) for purpose in ("ranking", "history", "analytics")} == {"default"}
    append(7)
    with django_assert_num_queries(1):
        assert streams_seen() == ("default", [7])
    with django_assert_num_queries(1):
        assert len(history_of_stream(stream_id=7, since=MARK, until=LAST)) == 1


def test_what_reads_after_it_returned_is_refused() -> None:
    with pytest.raises(TypeError, match="use reader"):

        @reads("history")
        def rows() -> Iterator[int]:
            yield 1

    lazy = reads("history")(ViewerHistory.objects.all)
    with pytest.raises(TypeError, match="evaluate it"):
        lazy()


# --- with one -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def replication(stores: Stores) -> Iterator[Replication]:
    pair = Replication(stores.folder / "replication")
    pair.start("past")
    yield pair
    pair.remove()


@pytest.fixture
def replica(
    replication: Replication,
    transactional_db: None,
    django_db_blocker: Any,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Replication]:
    """`default` is the primary of a pair, `history` its replica, which has caught up; both have an empty table."""
    # Django lets a test use the databases only that were there when it began.
    monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", django_db_blocker._real_ensure_connection)
    monkeypatch.setattr(readers, "CHECK_EVERY_S", 0.1)
    monkeypatch.setattr(readers, "_verdicts", {})
    monkeypatch.setattr(router, "routers", [readers.ReaderRouter()])
    settings.READER_LAG_TOLERATED_S = 1.0
    own, own_settings = connections["default"], connections.settings["default"]
    added = connections.configure_settings(
        {
            "default": dict(dj_database_url.parse(replication.primary.url("past"))),
            "history": dict(dj_database_url.parse(replication.replica.url("past") + "&connect_timeout=1")),
        }
    )
    connections.settings.update(added)
    connections["default"] = connections.create_connection("default")
    context = readers._wrote_at.set(None)
    with connection.schema_editor() as editor:
        editor.create_model(ViewerHistory)
        # What is asked of streams beside snapshots; the whole table would need six others.
        editor.execute("CREATE TABLE streams (id BIGINT PRIMARY KEY, ended_at DATETIME(6))")
    replication.wait_level()
    yield replication
    readers._wrote_at.reset(context)
    if not replication.replica.is_running:
        replication.replica.start()
    replication.tell(replication.replica, "START SLAVE")
    with connection.schema_editor() as editor:
        editor.delete_model(ViewerHistory)
        editor.execute("DROP TABLE streams")
    connections["default"].close()
    connections["history"].close()
    connections["default"] = own
    connections.settings["default"] = own_settings
    del connections["history"], connections.settings["history"]


def test_reads_go_to_the_replica_and_writes_to_the_primary(replica: Replication) -> None:
    apart(lambda: append(7))
    replica.wait_level()
    assert streams_seen() == ("history", [7])
    assert READER_USABLE.labels("history")._value.get() == 1
    assert READER_LAG.labels("history")._value.get() == 0
    # Other purposes have no replica; code without a purpose reads from the primary, and so does an inner selector.
    assert (reader("ranking"), reader("analytics"), reader("history")) == ("default", "default", "history")
    assert ViewerHistory.objects.all().db == "default"
    assert reads("history")(lambda: reads("ranking")(lambda: ViewerHistory.objects.all().db)())() == "default"
    assert history_of_stream(stream_id=7, since=MARK, until=LAST).db == "history"


def test_a_row_from_a_replica_is_saved_on_the_primary(replica: Replication) -> None:
    apart(lambda: append(7))
    replica.wait_level()
    row = reads("history")(lambda: ViewerHistory.objects.get(stream_id=7))()
    assert row._state.db == "history"
    row.current = 99
    apart(row.save)
    assert ViewerHistory.objects.using("default").get().current == 99
    assert router.allow_migrate("history", "analytics") is False
    assert router.allow_migrate("default", "analytics") is True
    assert router.allow_relation(row, ViewerHistory()) is True


def test_a_replica_is_asked_once_in_a_while_and_not_at_every_read(
    replica: Replication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "CHECK_EVERY_S", 60.0)
    assert reader("history") == "history"
    with CaptureQueriesContext(connections["history"]) as asked:
        assert {reader("history") for _ in range(100)} == {"history"}
        assert [streams_seen()[0] for _ in range(3)] == ["history"] * 3
    assert [query["sql"].split()[0] for query in asked] == ["SELECT"] * 3


def test_while_one_thread_asks_for_the_first_time_the_others_read_from_the_primary(
    replica: Replication, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = threading.Event(), threading.Event()
    ask = readers._ask

    def slow(alias: str) -> readers.Reason:
        asked.set()
        answer.wait(20)
        return ask(alias)

    monkeypatch.setattr(readers, "_ask", slow)
    monkeypatch.setattr(readers, "CHECK_EVERY_S", 60.0)
    found: list[str] = []

    def first() -> None:
        found.append(reader("history"))
        connections.close_all()

    thread = threading.Thread(target=first)
    thread.start()
    assert asked.wait(20)
    before = skipped("unknown")
    assert reader("history") == "default"
    assert skipped("unknown") == before + 1
    answer.set()
    thread.join()
    assert found == ["history"]
    assert reader("history") == "history"


def test_an_own_write_is_read_from_the_primary_until_the_replica_must_have_it(
    replica: Replication, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica.tell(replica.replica, "STOP SLAVE SQL_THREAD")
    monkeypatch.setattr(readers, "_verdicts", {"history": readers._Verdict("", float("inf"))})
    append(7)
    assert streams_seen() == ("default", [7])
    # Somebody else may see it later, and without the rule so would the writer: this is what the rule is for.
    assert apart(streams_seen) == ("history", [])
    wrote_at = readers._wrote_at.get()
    assert wrote_at is not None
    # 1 s tolerated, 0.1 s between two checks, 1 s because lag is told in whole seconds
    readers._wrote_at.set(wrote_at - 2.2)
    assert reader("history") == "history"


def test_a_task_reads_from_the_replica_whatever_its_process_wrote_before(replica: Replication) -> None:
    """By Celery's own way of running a task, one after the other as in a worker's process."""

    @shared_task
    def writes() -> tuple[str, list[int]]:
        append(7)
        return streams_seen()

    @shared_task
    def only_reads() -> tuple[str, list[int]]:
        return streams_seen()

    assert writes.apply().get() == ("default", [7])
    replica.wait_level()
    assert streams_seen() == ("default", [7])  # without a task in between, the same process is the same reader
    assert only_reads.apply().get() == ("history", [7])


def test_who_will_not_read_what_he_writes_goes_on_reading_from_the_replica(replica: Replication) -> None:
    with readers.own_writes_unread():
        append(7)
        assert reader("history") == "default"
    assert reader("history") == "history"
    append(8)
    with readers.own_writes_unread():
        pass
    assert reader("history") == "default"


def test_inside_a_transaction_all_is_read_from_the_primary(replica: Replication) -> None:
    with transaction.atomic():
        assert streams_seen() == ("default", [])
    assert streams_seen() == ("history", [])


def test_a_replica_that_stands_still_is_passed_over_until_it_runs_again(replica: Replication) -> None:
    assert reader("history") == "history"
    replica.tell(replica.replica, "STOP SLAVE SQL_THREAD")
    apart(lambda: append(7))
    before = skipped("stopped")
    eventually(lambda: streams_seen() == ("default", [7]))
    assert skipped("stopped") > before
    assert READER_USABLE.labels("history")._value.get() == 0
    replica.tell(replica.replica, "START SLAVE SQL_THREAD")
    replica.wait_level()
    eventually(lambda: streams_seen() == ("history", [7]))


def test_a_replica_that_is_too_far_behind_is_passed_over(replica: Replication, caplog: Any) -> None:
    assert reader("history") == "history"
    with contextlib.closing(replica.replica.connect(database="past")) as holder:
        holder.cursor().execute("LOCK TABLES viewer_history READ")  # replication waits for it
        apart(lambda: append(7))
        eventually(lambda: streams_seen() == ("default", [7]), every=0.1)
        assert READER_LAG.labels("history")._value.get() >= 2
        assert "Replica history is passed over: behind" in caplog.text
    eventually(lambda: streams_seen() == ("history", [7]), every=0.1)
    assert "Replica history is read from again" in caplog.text


def test_a_replica_that_is_stopped_is_not_missed(replica: Replication, monkeypatch: pytest.MonkeyPatch) -> None:
    apart(lambda: append(7))
    replica.wait_level()
    assert streams_seen() == ("history", [7])
    monkeypatch.setattr(readers, "CHECK_EVERY_S", 60.0)
    eventually(lambda: reader("history") == "history")  # good for a minute, it thinks
    replica.replica.stop()
    before = skipped("away")
    assert streams_seen() == ("default", [7])  # failed there, repeated here
    assert reader("history") == "default"  # and set aside without being asked
    assert skipped("away") == before + 2
    replica.replica.start()
    monkeypatch.setattr(readers, "CHECK_EVERY_S", 0.1)
    monkeypatch.setattr(readers, "_verdicts", {})
    eventually(lambda: streams_seen() == ("history", [7]), every=0.1)


def test_a_chart_is_drawn_from_the_replica_and_without_it_from_the_primary(
    replica: Replication, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart(lambda: append(7))
    replica.wait_level()
    monkeypatch.setattr(readers, "CHECK_EVERY_S", 60.0)
    eventually(lambda: reader("history") == "history")

    def look() -> list[tuple[datetime.datetime, int]]:
        return [(point.at, point.peak) for point in stream_series(stream_id=7, since=MARK, until=LAST).points]

    with CaptureQueriesContext(connections["history"]) as there, CaptureQueriesContext(connections["default"]) as here:
        assert look() == [(MARK, 1)]
    assert (len(there), len(here)) == (1, 0)
    replica.replica.stop()
    with CaptureQueriesContext(connections["default"]) as here:
        assert look() == [(MARK, 1)]
        assert look() == [(MARK, 1)]
    assert len(here) == 2


def test_a_replica_that_hangs_costs_one_reader_a_moment(replica: Replication, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reader("history") == "history"
    connections["history"].close()
    monkeypatch.setattr(readers, "CHECK_EVERY_S", 60.0)
    monkeypatch.setattr(readers, "_verdicts", {"history": readers._Verdict("", float("inf"))})
    replica.replica.process.pause()
    try:
        assert streams_seen() == ("default", [])
        assert reader("history") == "default"
    finally:
        replica.replica.process.resume()


def test_what_was_too_much_for_a_replica_is_not_tried_on_the_primary(
    replica: Replication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "REPEAT_WITHIN_S", 0.2)
    tries: list[str] = []

    @reads("history")
    def heavy() -> None:
        tries.append(alias := router.db_for_read(ViewerHistory))
        with connections[alias].cursor() as cursor:
            cursor.execute("SET STATEMENT max_statement_time=0.3 FOR SELECT SLEEP(5) FROM viewer_history, mysql.user")

    apart(lambda: append(7))
    replica.wait_level()
    with pytest.raises(DatabaseError):
        heavy()
    assert tries == ["history"]


def test_a_mistake_in_a_query_stays_one_and_costs_the_replica_nothing(
    replica: Replication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "CHECK_EVERY_S", 60.0)

    @reads("history")
    def wrong() -> None:
        with connections[router.db_for_read(ViewerHistory)].cursor() as cursor:
            cursor.execute("SELECT no_such_column FROM viewer_history")

    with pytest.raises(OperationalError, match="no_such_column"):
        wrong()
    assert reader("history") == "history"


def test_a_replica_that_may_not_be_asked_is_not_read_from(replica: Replication, caplog: Any) -> None:
    replica.tell(replica.primary, "CREATE USER plain@localhost")
    replica.tell(replica.primary, "GRANT SELECT ON past.* TO plain@localhost")
    replica.wait_level()
    connections["history"].close()
    connections["history"].settings_dict["USER"] = "plain"
    assert reader("history") == "default"
    assert skipped("forbidden") == 1
    assert "must not be asked how far behind it is" in caplog.text
    replica.tell(replica.primary, "GRANT REPLICA MONITOR ON *.* TO plain@localhost")
    replica.wait_level()
    eventually(lambda: reader("history") == "history")


def test_a_server_that_follows_nobody_is_believed(replica: Replication) -> None:
    connections["history"].close()
    connections["history"].settings_dict["OPTIONS"]["unix_socket"] = str(replica.primary.socket)
    assert streams_seen() == ("history", [])


def test_a_browser_that_wrote_reads_from_the_primary_in_every_process(replica: Replication) -> None:
    def writes(request: HttpRequest) -> HttpResponse:
        append(7)
        return HttpResponse(streams_seen()[0])

    def only_reads(request: HttpRequest) -> HttpResponse:
        return HttpResponse(streams_seen()[0])

    def ask(view: Callable[[HttpRequest], HttpResponse], cookies: dict[str, str]) -> HttpResponse:
        request = RequestFactory().get("/")
        request.COOKIES.update(cookies)
        return apart(lambda: own_writes(view)(request))

    assert (ask(only_reads, {}).content, ask(only_reads, {}).cookies) == (b"history", {})
    wrote = ask(writes, {})
    assert wrote.content == b"default"
    cookie = wrote.cookies["fullhouse_wrote"]
    assert (cookie.value, cookie["max-age"], cookie["httponly"], cookie["samesite"]) == ("1", 3, True, "Lax")
    read = ask(only_reads, {"fullhouse_wrote": "1"})
    assert (read.content, read.cookies) == (b"default", {})
