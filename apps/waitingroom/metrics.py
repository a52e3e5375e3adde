"""Counters of the waiting room, served with all others at /metrics."""

from prometheus_client import Counter, Gauge

from apps.realtime.metrics import REDIS_FAILURES, REJECTED, counted

ZONES_AWAKE = Gauge("fullhouse_gate_zones_awake", "Zones that this process keeps up with.", multiprocess_mode="livesum")
SEATS = Gauge("fullhouse_gate_seats", "Sockets that wait here.", multiprocess_mode="livesum")
POLLS = Counter("fullhouse_gate_polls", "Answers given to those who wait, sockets included.")
STALE_ZONES = Gauge("fullhouse_gate_zones_stale", "Zones whose line cannot be read.", multiprocess_mode="livemax")
RESTORED = Counter("fullhouse_gate_lines_restored", "Lines put back after Redis lost them, by this process.")
STRAIN = Gauge("fullhouse_gate_strain", "What polling periods are stretched by.", multiprocess_mode="livemax")
LOOP_FAILURES = Counter("fullhouse_gate_loop_failures", "Loops of the gate that failed and began again.", ["loop"])
PUBLISH_FAILURES = Counter("fullhouse_zone_publish_failures", "Changes of zones that Redis was not told of.")
MANAGE_REFUSED = Counter(
    "fullhouse_manage_refused", "Requests of managers for what is not theirs.", ["entrance", "reason"]
)


def failures() -> int:
    """What went wrong in this process's gate since it began: answers 503, calls to Redis, loops."""
    calls = counted(REDIS_FAILURES, lambda labels: labels["caller"].startswith("gate_"))
    return calls + counted(LOOP_FAILURES) + counted(REJECTED, lambda labels: labels["reason"] == "unavailable")
