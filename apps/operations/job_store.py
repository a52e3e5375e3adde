"""Redis of periodic jobs: when each last succeeded and last failed. The only file that spells these keys; no I/O.

Keys of the house, in one slot:
    house:{jobs}    hash    <task>:ok, <task>:failed -> epoch ms
"""

from collections.abc import Mapping
from typing import Any

from apps.audience.house_store import about_read
from apps.realtime.lua import load_script
from apps.realtime.redis import Command

_job_put = load_script(__package__, "job_put")

JOBS = "house:{jobs}"
OK = "ok"
FAILED = "failed"


def job_put(*, task: str, outcome: str, at_ms: int, now_ms: int | None = None) -> Command:
    """A task ended then, OK or FAILED; just now unless `now_ms` says otherwise. What is known to be later stays."""
    return _job_put.call([JOBS], [f"{task}:{outcome}", at_ms, at_ms if now_ms is None else now_ms])


def jobs() -> Command:
    """How every task ended last; see `jobs_read`."""
    return ("HGETALL", JOBS)


def jobs_read(reply: Any) -> Mapping[tuple[str, str], int]:
    """(task, OK or FAILED) -> epoch ms."""
    found = {}
    for name, at_ms in about_read(reply).items():
        task, _, outcome = name.rpartition(":")
        found[task, outcome] = int(at_ms)
    return found
