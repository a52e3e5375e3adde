"""Sessions that are over get into user_sessions: all of them, once, by two at a time."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from apps.analytics import session_services, store
from apps.analytics.models import UserSession
from apps.analytics.session_services import Drained, lag_measure, sessions_drain
from apps.analytics.sessions import RecordRefused, session_row
from apps.audience import past_store, services
from apps.audience.sessions import SEOUL
from apps.realtime import redis
from apps.realtime.redis import sync_client
from apps.streams.services import stream_end
from tests.analytics.house import at_once, stream_make
from tests.analytics.past import put_down, put_down_many, record, rows, session_ids, waits
from tests.audience.stage import NOON, Stage, tab

pytestmark = [pytest.mark.database, pytest.mark.django_db]
on_both = pytest.mark.parametrize(
    "redis_url", ["single", pytest.param("cluster", marks=pytest.mark.cluster)], indirect=True
)
MINUTE = 60_000


def drain(**options: Any) -> Drained:
    """A run that had a place."""
    done = sessions_drain(now_ms=NOON + MINUTE, **options)
    assert done is not None
    return done


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"fullhouse_{name}", labels) or 0.0


def rejected() -> list[tuple[str, str, str]]:
    """(stream, record, reason) of what was set aside."""
    replies = past_store.rejected_read(redis.run_now([past_store.rejected()])[0])
    return [(fields["stream"], fields["record"], fields["reason"]) for _, fields in replies]


# --- one record ---------------------------------------------------------------------------------------------------


def test_a_record_is_a_row() -> None:
    row = session_row(7, record("s1", "u5", joined=500, left=61_499, reason="ended").encode())
    joined = datetime.datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=SEOUL)
    assert row == {
        "session_id": "s1",
        "joined_at": joined,
        "left_at": joined + datetime.timedelta(milliseconds=60_999),
        "seconds": 60,
        "viewer_id": "u5",
        "stream_id": 7,
        "reason": "ended",
    }


def test_who_left_before_he_joined_watched_for_no_time() -> None:
    row = session_row(7, record("s1", "u5", joined=500, left=400).encode())
    assert (row["seconds"], row["left_at"]) == (0, row["joined_at"])


BAD = {
    b"": "malformed",
    b"s1|1772334000000|left|1772334000000": "malformed",
    b"s1|1772334000000|left|1772334000000|u5|more": "malformed",
    b"s1|1772334000000|left|soon|u5": "malformed",
    b"s1|1772334000000|bored|1772334000000|u5": "malformed",
    b"s1|1772334000000|left|1772334000000|\xff\xfe": "malformed",
    b"|1772334000000|left|1772334000000|u5": "names",
    b"s1|1772334000000|left|1772334000000|": "names",
    b"s" * 41 + b"|1772334000000|left|1772334000000|u5": "names",
    b"s1|1772334000000|left|-5|u5": "times",
    b"s1|1772334000000|left|1772334000|u5": "times",
    b"s1|17723340000000|left|1772334000000|u5": "times",
    b"s1|9772334000000|left|1772334000000|u5": "times",
}


@pytest.mark.parametrize(("text", "reason"), BAD.items(), ids=range(len(BAD)))
def test_what_is_no_record_is_refused_with_its_reason(text: bytes, reason: str) -> None:
    with pytest.raises(RecordRefused) as refused:
        session_row(7, text)
    assert refused.value.reason == reason


# --- from the tab to the table ------------------------------------------------------------------------------------


@on_both
@pytest.mark.django_db(transaction=True)
def test_every_kind_of_end_becomes_a_row(redis_url: str) -> None:
    stream, other = stream_make("ann"), stream_make("bob")
    stage, far = Stage(stream.pk), Stage(other.pk)
    stage.arrive(*[tab(name, f"u{name}", stream_id=stream.pk) for name in ("left", "silent", "stays")])
    far.arrive(tab("far", "a77", stream_id=other.pk))
    far.at = stage.at = 30_000
    stage.depart(tab("left", "uleft"))
    stage.at = 50_000
    stage.beat(tab("stays", "ustays"))
    stage.at = far.at = 70_000
    services.audience_sweep(now_ms=stage.now_ms)
    assert stream_end(stream=stream) is True
    done = sessions_drain()
    assert done == Drained(written=4, rejected=0, is_finished=True)
    ended = {name: (left, reason) for name, _, left, _, _, _, reason in rows()}
    assert {name: reason for name, (_, reason) in ended.items()} == {
        "left": "left",
        "silent": "expired",
        "far": "expired",
        "stays": "ended",
    }
    assert rows()[1] == ("left", 0, 30_000, 30, "uleft", stream.pk, "left")
    assert [ended["silent"][0], ended["far"][0]] == [0, 0]
    stream.refresh_from_db()
    assert stream.ended_at is not None
    assert ended["stays"][0] == int(stream.ended_at.timestamp() * 1000) - NOON
    assert waits() == []


def test_draining_again_changes_nothing() -> None:
    put_down(7, record("s1", "u1"), record("s2", "u2"))
    assert drain() == Drained(2, 0, True)
    before = rows()
    assert drain() == Drained(0, 0, True)
    put_down(7, record("s1", "u1"), record("s2", "u2"))
    assert drain() == Drained(2, 0, True)
    assert rows() == before


def test_a_session_that_was_given_up_and_went_on_is_one_row_with_its_last_end() -> None:
    given_up, went_on = record("s1", "u1", left=30_000, reason="expired"), record("s1", "u1", left=95_000)
    for order in ([given_up, went_on], [went_on, given_up]):
        UserSession.objects.all().delete()
        put_down(7, *order)
        drain()
        assert rows() == [("s1", 0, 95_000, 95, "u1", 7, "left")]
        put_down(7, given_up)
        drain()
        assert rows() == [("s1", 0, 95_000, 95, "u1", 7, "left")]


def test_a_tab_that_comes_back_has_a_row_for_each_visit() -> None:
    put_down(7, record("s1", "u1", left=10_000), record("s1", "u1", joined=20_000, left=30_000))
    drain()
    assert [row[1:4] for row in rows()] == [(0, 10_000, 10), (20_000, 30_000, 10)]


def test_many_streams_and_many_records_all_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_services, "BATCH", 1_000)
    expected = put_down_many(2_600, streams=40)
    expected |= {f"big{n}" for n in range(2_300)}
    put_down(99, *[record(f"big{n}", "u1") for n in range(2_300)])
    assert drain() == Drained(4_900, 0, True)
    assert sorted(session_ids()) == sorted(expected)
    assert waits() == []


def test_a_run_ends_when_its_time_is_over_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_services, "BATCH", 500)
    put_down_many(1_200)
    assert [drain(seconds=0) for _ in range(2)] == [Drained(500, 0, False)] * 2
    assert drain() == Drained(200, 0, True)


def test_lag_is_the_age_of_the_oldest_that_waits() -> None:
    put_down(7, record("s1", "u1"))
    waiting = lag_measure(now_ms=NOON + 90_000)
    assert (waiting.records, metric("session_lag_seconds"), metric("sessions_waiting")) == (1, 90.0, 1.0)
    before = metric("sessions_written_total")
    drain()
    assert (metric("session_lag_seconds"), metric("sessions_waiting")) == (0.0, 0.0)
    assert metric("sessions_written_total") == before + 1


# --- two at once --------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_at_once_share_the_work_and_a_third_is_not_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_services, "BATCH", 500)
    expected = put_down_many(3_000, streams=6)

    def run(meet: Callable[[], object]) -> Drained | None:
        meet()
        return sessions_drain()

    results = [one for one in at_once(run, times=3) if one is not None]
    assert all(isinstance(one, Drained) for one in results)
    assert 1 <= len(results) <= 3  # a third may come when the first is done
    assert sum(one.written for one in results if isinstance(one, Drained)) == 3_000  # none was handed out twice
    assert sorted(session_ids()) == sorted(expected)
    assert waits() == []


def test_there_are_only_so_many_places() -> None:
    redis.run_now([store.drain_claim(place) for place in range(store.DRAINS_AT_ONCE)])
    put_down(7, record("s1", "u1"))
    assert sessions_drain() is None
    assert session_ids() == []
    redis.run_now([store.drain_release(1)])
    assert drain().written == 1
    client: Any = sync_client()
    assert client.ttl("history:drain:0") in range(1, store.DRAIN_KEPT_S + 1)  # a killed one's place comes free
