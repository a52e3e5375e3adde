"""Arithmetic of the benchmarks, apart from what it is applied to."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed (nearest rank); ValueError without any."""
    if not values:
        raise ValueError("no values")
    if not 0 < share <= 1:
        raise ValueError("share is above 0 and at most 1")
    return sorted(values)[math.ceil(share * len(values)) - 1]


@dataclass(frozen=True, slots=True)
class Window:
    """What one process did over a stretch of time."""

    seconds: float
    cpu_seconds: float
    events: int  # of the kind that is measured: frames, joins

    @property
    def cpu_share(self) -> float:
        """CPU seconds a second."""
        return self.cpu_seconds / self.seconds


def events_per_cpu_second(busy: Window, idle: Window | None = None) -> float:
    """Events that one CPU second pays for. With an idle window, what idling alone costs is taken out of both."""
    cpu, events = busy.cpu_seconds, float(busy.events)
    if idle is not None:
        cpu -= idle.cpu_share * busy.seconds
        events -= idle.events / idle.seconds * busy.seconds
    if cpu <= 0 or events <= 0:
        raise ValueError("the busy window did no more than the idle one: it is too short to measure")
    return events / cpu


def net_us_per_event(busy: Window, idle: Window) -> float:
    """Microseconds of CPU an event, beside what the process spends anyway; never below zero."""
    return max(0.0, busy.cpu_seconds - idle.cpu_share * busy.seconds) / busy.events * 1e6


def wrk_read(report: str) -> tuple[int, int]:
    """(requests, failed ones) of what `wrk` printed; ValueError if that is no report of it."""
    requests = re.search(r"^\s*(\d+) requests in ", report, re.MULTILINE)
    if requests is None:
        raise ValueError(f"wrk did not report: {report!r}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", report)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", report)
    failed = [*(refused.groups() if refused else ()), *(broken.groups() if broken else ())]
    return int(requests[1]), sum(map(int, failed))
