"""Counters of the ground floor, served with all others at /metrics."""

from collections.abc import Callable, Mapping

from prometheus_client import Counter, Gauge

DELIVERIES = Counter("fullhouse_deliveries", "Messages handed to sockets by the hub.")
SLOW_SOCKETS_CLOSED = Counter("fullhouse_slow_sockets_closed", "Sockets given up because they did not read.")
REJECTED = Counter("fullhouse_rejected_input", "Input refused, by entrance and reason.", ["entrance", "reason"])
SOCKETS = Gauge("fullhouse_sockets", "Open sockets of this process.", ["kind"], multiprocess_mode="livesum")
REDIS_FAILURES = Counter("fullhouse_redis_failures", "Calls to Redis that failed, by what wanted it.", ["caller"])


def counted(counter: Counter, keep: Callable[[Mapping[str, str]], bool] = lambda labels: True) -> int:
    """What this process has counted since it began, over all labels that are to be kept."""
    samples = (sample for family in counter.collect() for sample in family.samples)
    return int(sum(sample.value for sample in samples if sample.name.endswith("_total") and keep(sample.labels)))
