"""Sessions that are over, as Redis keeps them till they are written; for tests of what comes after."""

from typing import Any

from prometheus_client import REGISTRY

from apps.analytics.models import UserSession
from apps.analytics.session_services import Drained, sessions_drain
from apps.audience import past_store
from apps.audience.past_store import Waiting
from apps.realtime import redis
from apps.realtime.redis import sync_client
from tests.audience.stage import NOON

MINUTE = 60_000

Row = tuple[str, int, int, int, str, int, str]


def record(session: str, viewer: str, *, joined: int = 0, left: int = 60_000, reason: str = "left") -> str:
    """A record; moments are ms after noon."""
    return f"{session}|{NOON + left}|{reason}|{NOON + joined}|{viewer}"


def put_down(stream_id: int, *records: str | bytes) -> None:
    """As the scripts do, and as a sweep then tells the register."""
    client: Any = sync_client()
    pipeline = client.pipeline()
    for one in records:
        pipeline.xadd(f"live:past:{{{stream_id}}}", {"r": one})
    pipeline.execute()
    redis.run_now([past_store.register({stream_id: Waiting(len(records), NOON)})])


def put_down_many(number: int, *, streams: int = 1) -> set[str]:
    """So many sessions, spread over streams; their ids."""
    for stream in range(1, streams + 1):
        put_down(stream, *[record(f"s{n}", f"u{n}") for n in range(stream - 1, number, streams)])
    return {f"s{n}" for n in range(number)}


def rows() -> list[Row]:
    """All of user_sessions, moments in ms after noon."""
    return [
        (
            session.session_id,
            round(session.joined_at.timestamp() * 1000) - NOON,
            round(session.left_at.timestamp() * 1000) - NOON,
            session.seconds,
            session.viewer_id,
            session.stream_id,
            session.reason,
        )
        for session in UserSession.objects.order_by("session_id", "joined_at")
    ]


def session_ids() -> list[str]:
    """Ids in user_sessions, as often as they are there."""
    return list(UserSession.objects.values_list("session_id", flat=True))


def waits() -> list[str]:
    """Keys of Redis that hold anything of sessions that are over, but for those set aside."""
    client: Any = sync_client()
    return sorted(key.decode() for key in client.scan_iter("*past*") if key not in (past_store.REJECTED.encode(),))


def drain(**options: Any) -> Drained:
    """A run that had a place."""
    done = sessions_drain(now_ms=NOON + MINUTE, **options)
    assert done is not None
    return done


def metric(name: str, **labels: str) -> float:
    """What this process has counted, or measured, so far."""
    return REGISTRY.get_sample_value(f"fullhouse_{name}", labels) or 0.0


def rejected() -> list[tuple[str, str, str]]:
    """(stream, record, reason) of what was set aside."""
    replies = past_store.rejected_read(redis.run_now([past_store.rejected()])[0])
    return [(fields["stream"], fields["record"], fields["reason"]) for _, fields in replies]
