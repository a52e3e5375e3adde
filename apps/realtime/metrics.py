"""Counters of the ground floor, served with all others at /metrics."""

from prometheus_client import Counter, Gauge

DELIVERIES = Counter("fullhouse_deliveries", "Messages handed to sockets by the hub.")
SLOW_SOCKETS_CLOSED = Counter("fullhouse_slow_sockets_closed", "Sockets given up because they did not read.")
REJECTED = Counter("fullhouse_rejected_input", "Input refused, by entrance and reason.", ["entrance", "reason"])
SOCKETS = Gauge("fullhouse_sockets", "Open sockets of this process.", ["kind"], multiprocess_mode="livesum")
REDIS_FAILURES = Counter("fullhouse_redis_failures", "Calls to Redis that failed, by what wanted it.", ["caller"])
