"""A replica that lags, stands still, dies, hangs or refuses is passed over, and read from again when it is well."""

import contextlib
import datetime
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connections, router
from django.test.utils import CaptureQueriesContext

from apps.analytics import readers
from apps.analytics.metrics import READER_LAG, READER_USABLE
from apps.analytics.models import ViewerHistory
from apps.analytics.readers import reader, reads
from apps.analytics.selectors import stream_series
from tests.analytics.replicas import LAST, MARK, apart, append, skipped, streams_seen
from tests.services.replication import Replication
from tests.services.waiting import eventually


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
    before = skipped("forbidden")
    assert reader("history") == "default"
    assert skipped("forbidden") == before + 1
    assert "must not be asked how far behind it is" in caplog.text
    replica.tell(replica.primary, "GRANT REPLICA MONITOR ON *.* TO plain@localhost")
    replica.wait_level()
    eventually(lambda: reader("history") == "history")


def test_a_server_that_follows_nobody_is_believed(replica: Replication) -> None:
    connections["history"].close()
    connections["history"].settings_dict["OPTIONS"]["unix_socket"] = str(replica.primary.socket)
    assert streams_seen() == ("history", [])
