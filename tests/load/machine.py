"""What the kernel says of processes, and which core runs what."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of these processes until now, to 1/100 s."""
    ticks = 0
    for pid in pids:
        # The name in brackets may hold spaces: fields are counted after it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_A_SECOND


def memory_kib(pids: list[int]) -> int:
    """Proportional set size: what is shared with other processes counts by share."""
    return sum(_smaps_kib(pid, "Pss") for pid in pids)


def own_memory_kib(pid: int) -> int:
    """What one process has written to itself: it does not move when a neighbour that shares its libraries ends."""
    return _smaps_kib(pid, "Anonymous")


def _smaps_kib(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def cores() -> tuple[set[int], set[int]]:
    """(the server's cores, everybody else's). On one core both are the same, and the figures mean little."""
    mine = sorted(os.sched_getaffinity(0))
    return {mine[0]}, set(mine[1:]) or {mine[0]}


@contextmanager
def running_on(chosen: set[int]) -> Iterator[None]:
    """Whatever is started inside is bound to these cores, threads included."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, chosen)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def file_limit_raise() -> int:
    """As many open files as the hard limit allows; the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
