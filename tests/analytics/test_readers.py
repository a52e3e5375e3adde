"""Who reads the past from where, with a real replica and without one."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import shared_task
from django.db import connections, router, transaction
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from apps.analytics import readers
from apps.analytics.metrics import READER_LAG, READER_USABLE
from apps.analytics.models import ViewerHistory
from apps.analytics.readers import own_writes, reader, reads
from apps.analytics.selectors import history_of_stream
from tests.analytics.replicas import LAST, MARK, apart, append, skipped, streams_seen
from tests.services.replication import Replication

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


def test_a_task_reads_from_the_replica_whatever_its_process_wrote_before(replica: Replication, settings: Any) -> None:
    """By Celery's own way of running a task, one after the other as in a worker's process."""
    settings.READER_LAG_TOLERATED_S = 60.0  # for so long the process itself goes on reading what it wrote

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
