"""How periodic jobs fare: each task says when it succeeded or failed, and whoever looks compares with the timetable."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from celery import current_app, signals
from celery.schedules import crontab, maybe_schedule
from redis.exceptions import RedisError

from apps.realtime import redis
from apps.realtime.clock import epoch_ms

from . import job_store

logger = logging.getLogger(__name__)

# A job of every few seconds is late when it missed three turns and some; one of the clock, so long after its time.
TURNS_MISSED = 3
SLACK = timedelta(seconds=15)
CLOCK_SLACK = timedelta(minutes=10)
# Beside that, for what does not wait in the queue of all: days of many streams hold theirs up for twenty minutes, and
# what is due every few seconds is dropped there meanwhile.
BULK_SLACK = timedelta(minutes=30)
# After Redis could not be told how a task ended it is not asked again for so long: where it hangs, every try takes ten
# seconds, in which no other task runs.
REST_MS = 30_000


class JobState(StrEnum):
    """OK, or what is the matter. NEW: no success is known, as after a first start or a wiped Redis."""

    OK = "ok"
    NEW = "new"
    FAILING = "failing"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Job:
    """One entry of the timetable."""

    name: str
    state: JobState
    last_ok: datetime | None
    last_failed: datetime | None


def jobs_health(told: Mapping[tuple[str, str], int], *, now: datetime) -> list[Job]:
    """Every entry of the timetable, in its order; `told` is what job_store.jobs_read gave."""
    found = []
    for name, entry in current_app.conf.beat_schedule.items():
        last_ok, last_failed = (_moment(told.get((entry["task"], kind))) for kind in (job_store.OK, job_store.FAILED))
        found.append(Job(name, _state(entry, last_ok, last_failed, now), last_ok, last_failed))
    return found


def _moment(epoch_ms: int | None) -> datetime | None:
    return None if epoch_ms is None else datetime.fromtimestamp(epoch_ms / 1000, tz=UTC)


def _state(entry: Mapping[str, Any], last_ok: datetime | None, last_failed: datetime | None, now: datetime) -> JobState:
    has_failed = last_failed is not None and (last_ok is None or last_failed > last_ok)
    if last_ok is not None and now > _due(entry, last_ok):
        return JobState.FAILING if has_failed else JobState.LATE
    if has_failed:
        return JobState.FAILING
    return JobState.NEW if last_ok is None else JobState.OK


def _due(entry: Mapping[str, Any], last_ok: datetime) -> datetime:
    """When the next success is late."""
    schedule = maybe_schedule(entry["schedule"])
    held_up = BULK_SLACK if _may_be_held_up(entry["task"]) else timedelta(0)
    if isinstance(schedule, crontab):
        last, until_next, _now = schedule.remaining_delta(last_ok)
        return last + until_next + CLOCK_SLACK + held_up
    return last_ok + TURNS_MISSED * schedule.run_every + SLACK + held_up


def _may_be_held_up(task: str) -> bool:
    """Whether this task waits where others may take minutes."""
    route = current_app.conf.task_routes.get(task, {})
    return bool(route.get("queue", current_app.conf.task_default_queue) != current_app.conf.task_default_queue)


def job_due(name: str, since: datetime) -> datetime:
    """When an entry of the timetable that succeeded then is late."""
    return _due(current_app.conf.beat_schedule[name], since)


# --- in a worker --------------------------------------------------------------------------------------------------


def jobs_watch() -> None:
    """From now on every task of this process says how it ended."""
    signals.task_success.connect(_on_success, weak=False, dispatch_uid="operations.jobs")
    signals.task_failure.connect(_on_failure, weak=False, dispatch_uid="operations.jobs")


def _on_success(sender: Any = None, **_: Any) -> None:
    _tell(sender, job_store.OK)


def _on_failure(sender: Any = None, **_: Any) -> None:
    _tell(sender, job_store.FAILED)


class _Untold:
    """How tasks of this process ended, as far as Redis could not be told yet: of each the last success and failure.

    Without this a job of every night that ended while Redis was away would look late until the next night.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: dict[tuple[str, str], int] = {}
        self._rests_until_ms = 0

    def tell(self, task: str, outcome: str) -> None:
        """A task ended now: tell Redis of it, and of those before."""
        now_ms = epoch_ms()
        with self._lock:
            self._outcomes[task, outcome] = now_ms
            if now_ms < self._rests_until_ms <= now_ms + REST_MS:
                return
            told = dict(self._outcomes)
        try:
            redis.ask_now(
                [
                    job_store.job_put(task=name, outcome=how, at_ms=at_ms, now_ms=now_ms)
                    for (name, how), at_ms in told.items()
                ]
            )
        except (RedisError, OSError) as error:
            # The job itself is done; it only looks later than it was, until Redis can be told.
            logger.warning("cannot note that %s ended: %s", task, error)
            with self._lock:
                self._rests_until_ms = epoch_ms() + REST_MS
            return
        with self._lock:
            self._outcomes = {key: at_ms for key, at_ms in self._outcomes.items() if told.get(key) != at_ms}


_untold = _Untold()


def _tell(task: Any, outcome: str) -> None:
    _untold.tell(task.name, outcome)
