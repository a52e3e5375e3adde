"""Sessions that are over: from Redis, where they wait, into user_sessions.

A record is acknowledged after it is in the database and not before. So a worker may be killed at any moment: what it
had been handed out is handed out again, and writing a row a second time changes nothing.
"""

import logging
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError, DataError, IntegrityError, OperationalError, connections, router, transaction
from django.utils import timezone

from apps.audience import past_store
from apps.audience.past_store import RECORDS_PER_CALL, TAKEN_OVER_AFTER_MS, Waiting
from apps.audience.selectors import PIPELINE, past_waiting
from apps.audience.services import past_register
from apps.realtime import redis
from apps.realtime.bulk import bulk_upsert
from apps.realtime.clock import epoch_ms
from apps.realtime.slicing import slices

from . import store
from .daily import days_touched, seoul_date
from .metrics import SESSION_LAG, SESSIONS_REJECTED, SESSIONS_WAITING, SESSIONS_WRITTEN
from .models import LeaveReason, UserSession
from .sessions import LONGEST_NAME, LONGEST_S, RecordRefused, session_row

logger = logging.getLogger(__name__)

# Records in hand at once: a few MB, and some multi-row statements.
BATCH = 5_000
# A run ends after this long, so that a worker with one process gets to its other tasks; the next run goes on.
RUN_S = 5.0
# Streams looked at in one run. The rest comes next time; the register has the longest waiting first.
STREAMS_PER_RUN = 10_000
# Of one batch. More, and more than half, means that something is wrong with the table: then nothing is set aside. So
# does a batch that is refused as a whole by a table that takes no other row either.
REFUSED_MOST = 20

Handed = tuple[bytes, bytes]  # id, record
_Row = tuple[int, bytes, dict[str, Any]]  # stream, record, row
_Refused = tuple[int, bytes, str, str]  # stream, record, reason, detail


class SessionsWait(Exception):
    """Not all sessions could be written that are over."""


@dataclass(slots=True)
class Drained:
    """One run: sessions written, records set aside, and whether nothing that could be had was left."""

    written: int = 0
    rejected: int = 0
    is_finished: bool = False


@dataclass(frozen=True, slots=True)
class _Batch:
    """Records of some streams, and whether the catalogue had each stream before they were taken."""

    taken: dict[int, list[Handed]]
    were_listed: dict[int, bool]

    def __len__(self) -> int:
        return sum(map(len, self.taken.values()))


def sessions_drain(
    *, seconds: float = RUN_S, taken_over_after_ms: int = TAKEN_OVER_AFTER_MS, now_ms: int | None = None
) -> Drained | None:
    """Write the sessions that wait into user_sessions, for about so long at most; None if enough others are at it.

    Nothing is taken while the database is away: the run ends, says so in the log, and all waits on. RedisError or
    CountsUnavailable if Redis is away.
    """
    place = _place_find()
    if place is None:
        return None
    try:
        run = _Run(str(place), taken_over_after_ms, now_ms or epoch_ms(), place)
        return run.until(time.monotonic() + seconds)
    finally:
        redis.ask_now([store.drain_release(place)])
        lag_measure(now_ms=now_ms)


def sessions_bring_in(*, seconds: float = 60.0) -> None:
    """Write every session that is over by now, also what another has been handed out; SessionsWait if that fails.

    Whoever writes one of them again later finds the row there.
    """
    past_register()
    run = _Run("everything", 0, epoch_ms(), None)
    if not run.until(time.monotonic() + seconds).is_finished:
        raise SessionsWait("Sessions wait in Redis that cannot be written now; try again later.")


def _place_find() -> int | None:
    """A place among those who drain at once; None if all are taken."""
    for place in range(store.DRAINS_AT_ONCE):
        if redis.ask_now([store.drain_claim(place)])[0] is not None:
            return place
    return None


def lag_measure(*, now_ms: int | None = None) -> Waiting:
    """Set the metrics of what waits; and answer it."""
    waiting = past_waiting()
    SESSIONS_WAITING.set(waiting.records)
    SESSION_LAG.set(max(0, (now_ms or epoch_ms()) - waiting.since_ms) / 1000 if waiting.records else 0)
    return waiting


@dataclass(slots=True)
class _Run:
    """One run of the drain: who takes records, after which time also those of others, and where it stands."""

    consumer: str
    taken_over_after_ms: int
    now_ms: int
    place: int | None
    began: float = field(default_factory=time.monotonic)
    has_failed: bool = False
    done: Drained = field(default_factory=Drained)

    def until(self, end: float) -> Drained:
        """Go on until nothing is left, or that moment (monotonic) has come; one batch at least."""
        connection = connections[router.db_for_write(UserSession)]
        try:
            connection.ensure_connection()
            while (more := self._round(end)) and time.monotonic() < end:
                pass
            self.done.is_finished = not more and not self.has_failed
        except DatabaseError as error:
            logger.error("Sessions wait on, the database does not take them: %s", error)
            if not connection.in_atomic_block:
                connection.close()  # it may be half dead: the next run begins with a new one
        return self.done

    def _round(self, end: float) -> bool:
        """Once through the register; whether anything was there."""
        found = False
        for batch in self._batches():
            if len(batch):
                found = True
                self._write(batch)
            self._settle(batch)
            if time.monotonic() >= end:
                return True
        return found

    def _batches(self) -> Iterator[_Batch]:
        """Records of the streams on the register, about BATCH at a time, longest waiting first."""
        stream_ids = [int(member) for member in redis.ask_now([past_store.registered(STREAMS_PER_RUN)])[0]]
        for part in slices(stream_ids, PIPELINE):
            looked_up = past_store.looked_up_read(redis.ask_now(past_store.looked_up(part)))
            left = dict(zip(part, looked_up, strict=True))
            while left:
                calls: list[int] = []
                were_listed: dict[int, bool] = {}
                size = 0
                while left and size < BATCH:
                    stream_id = next(iter(left))
                    records, were_listed[stream_id] = left.pop(stream_id)
                    records = min(max(records, 1), BATCH)  # more of it in the next round
                    calls += [stream_id] * -(-records // RECORDS_PER_CALL)
                    size += records
                yield self._take(calls, were_listed)

    def _take(self, calls: Sequence[int], were_listed: dict[int, bool]) -> _Batch:
        """One call for each of these streams, some of which come several times."""
        commands = []
        for number, stream_id in enumerate(calls):
            # The first takes over what others do not acknowledge; the next must leave alone what the first was given.
            is_first = number == 0 or calls[number - 1] != stream_id
            after_ms = self.taken_over_after_ms if is_first else None
            commands.append(
                past_store.take(
                    stream_id=stream_id, consumer=self.consumer, count=RECORDS_PER_CALL, taken_over_after_ms=after_ms
                )
            )
        replies = redis.run_now(commands)
        batch = _Batch({}, were_listed)
        for stream_id, reply in zip(calls, replies, strict=True):
            if isinstance(reply, Exception):
                logger.error("the sessions of stream %s cannot be read: %s", stream_id, reply)
                were_listed.pop(stream_id, None)
                self.has_failed = True
            else:
                batch.taken.setdefault(stream_id, []).extend(past_store.taken_read(reply))
        return batch

    def _settle(self, batch: _Batch) -> None:
        """These records are in the database, or set aside: forget them, and say what still waits in their streams."""
        calls: list[tuple[int, redis.Command]] = []
        for stream_id in batch.were_listed:
            ids = [record_id for record_id, _ in batch.taken.get(stream_id, ())]
            calls += [
                (stream_id, past_store.acknowledge(stream_id=stream_id, ids=part))
                for part in (slices(ids, RECORDS_PER_CALL) if ids else [()])
            ]
        if not calls:
            return
        replies = redis.ask_now([command for _, command in calls])
        waiting = {
            stream_id: past_store.waiting_read(reply) for (stream_id, _), reply in zip(calls, replies, strict=True)
        }
        renew = [] if self.place is None else [store.drain_renew(self.place)]
        redis.ask_now([past_store.register_settle(waiting, were_listed=batch.were_listed), *renew])

    def _write(self, batch: _Batch) -> None:
        """Write the rows of all records; those of which no row can be made are set aside."""
        rows: list[_Row] = []
        refused: list[_Refused] = []
        for stream_id, handed in batch.taken.items():
            for _, record in handed:
                try:
                    rows.append((stream_id, record, session_row(stream_id, record)))
                except RecordRefused as error:
                    refused.append((stream_id, record, error.reason, str(error)))
        refused += _insert_most(rows)
        for stream_id, record, reason, detail in refused:
            logger.error("a session of stream %s cannot be written and is set aside: %s", stream_id, detail)
            redis.ask_now([past_store.reject(stream_id=stream_id, record=record, reason=detail)])
            SESSIONS_REJECTED.labels(reason).inc()
        # Days that are over have figures already: they are to be made again. Before the records are forgotten, so that
        # whoever writes them once more says so once more.
        spans = [(stream_id, row["joined_at"], row["left_at"]) for stream_id, _, row in rows]
        if touched := days_touched(spans, before=seoul_date(self.now_ms)):
            # At this moment, and not when the run began: statistics that were read since do not have these rows.
            redis.ask_now([store.touch(touched, self.now_ms + round((time.monotonic() - self.began) * 1000))])
        written = len(batch) - len(refused)
        self.done.written += written
        self.done.rejected += len(refused)
        SESSIONS_WRITTEN.inc(written)


def _insert_most(rows: Sequence[_Row]) -> list[_Refused]:
    """Write rows and answer those that were refused. DatabaseError if it is not the rows' fault."""
    refused = _insert(rows)
    is_most = len(refused) > max(REFUSED_MOST, len(rows) // 2)
    # All of a few may be spoilt, as in a small house one alone is: then the table still takes a row that is not.
    if is_most or (refused and len(refused) == len(rows) and not _takes_rows()):
        raise OperationalError(f"it refuses {len(refused)} of {len(rows)} rows, such as for {refused[0][3]}")
    return refused


def _takes_rows() -> bool:
    """Whether the table would take a session of now with the longest names and numbers. It is not written."""
    now = timezone.now()
    row = {
        "session_id": secrets.token_hex(LONGEST_NAME // 2),
        "joined_at": now,
        "left_at": now,
        "seconds": LONGEST_S,
        "viewer_id": f"a{secrets.token_hex(LONGEST_NAME)}"[:LONGEST_NAME],
        "stream_id": 2**63 - 1,
        "reason": LeaveReason.EXPIRED.value,
    }
    database = router.db_for_write(UserSession)
    try:
        with transaction.atomic(using=database):
            bulk_upsert(UserSession, [row], update=["reason"])
            transaction.set_rollback(True, using=database)
    except (DataError, IntegrityError):
        return False
    return True


def _insert(rows: Sequence[_Row]) -> list[_Refused]:
    """Write rows; those that the database refuses for what they are are found by halving. DatabaseError if it is away.

    A session whose server was silent for a minute is recorded as expired and may turn out to have gone on: then its
    later record replaces the earlier one, and an earlier one that comes later changes nothing.
    """
    try:
        bulk_upsert(
            UserSession,
            [row for _, _, row in rows],
            update=["reason"],
            greatest=["seconds"],
            newest_by="left_at",
        )
    except (DataError, IntegrityError) as error:
        if len(rows) == 1:
            stream_id, record, _ = rows[0]
            return [(stream_id, record, "database", str(error))]
        half = len(rows) // 2
        return [*_insert(rows[:half]), *_insert(rows[half:])]
    return []
