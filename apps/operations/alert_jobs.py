"""How periodic jobs fare, for alert rules: which are late or fail, and which tables have no partition for tomorrow.

A missing partition is looked for itself: rows would lie in the last one, and nobody would hear of it before the job.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection
from django.utils.translation import gettext, override

from apps.analytics import partition_sql
from apps.analytics.partitions import Period
from apps.realtime import redis

from . import job_store
from .alert_memory import Memory, lasting
from .alert_readings import Reading
from .jobs import Job, JobState, job_due, jobs_health

NEW = "new"
WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Jobs:
    """Every entry of the timetable, and each partitioned table with whether tomorrow has a partition there."""

    jobs: list[Job]
    is_ready: dict[str, bool]


def jobs_look(now_ms: int) -> Jobs:
    """How all of them are."""
    now = datetime.fromtimestamp(now_ms / 1000, tz=UTC)
    (reply,) = redis.ask_now([job_store.jobs()])
    return Jobs(jobs_health(job_store.jobs_read(reply), now=now), _tables(now))


def _tables(now: datetime) -> dict[str, bool]:
    """Table -> whether its partitions reach to the end of tomorrow; none on a database that has no partitions."""
    if not partition_sql.has_partitions(connection):
        return {}
    end = Period.DAY.start(now, 2)
    found = {}
    for layout in partition_sql.layouts():
        try:
            partitions = partition_sql.partitions_read(connection, layout) or ()
        except partition_sql.PartitionsForeign:
            continue  # the job fails with that, which is told
        found[layout.table] = any(one.until is not None and one.until >= end for one in partitions)
    return found


def job_readings(jobs: Jobs, memories: Mapping[str, Memory | None], now_ms: int) -> dict[str, Reading]:
    """For how long each job has been late or failing, and each table without tomorrow's partition.

    A job of which no success is known, as after a first start or a wiped Redis, is late once it would be if it had
    succeeded when it was first looked at.
    """
    found = {job.name: _job_reading(job, memories.get(job.name), now_ms) for job in jobs.jobs}
    for table, is_ready in jobs.is_ready.items():
        subject = f"partition:{table}"
        memory, seconds = lasting(memories.get(subject), what=None if is_ready else WRONG, now_ms=now_ms)
        found[subject] = Reading(seconds, *_no_partition(table), memory)
    return found


def _job_reading(job: Job, memory: Memory | None, now_ms: int) -> Reading:
    what = {JobState.OK: None, JobState.NEW: NEW}.get(job.state, WRONG)
    memory, seconds = lasting(memory, what=what, now_ms=now_ms)
    if memory is not None and what == NEW:
        due = job_due(job.name, datetime.fromtimestamp(memory["since_ms"] / 1000, tz=UTC))
        seconds = max(0.0, now_ms / 1000 - due.timestamp())
    return Reading(seconds, job.name, job.name, memory)


def _no_partition(table: str) -> tuple[str, str]:
    words = []
    for language in ("en", "ko"):
        with override(language):
            words.append(gettext("%(table)s has no partition for tomorrow") % {"table": table})
    return words[0], words[1]
