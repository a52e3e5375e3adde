"""Counters of live counting, served with all others at /metrics."""

from prometheus_client import REGISTRY, Counter, Gauge

from apps.realtime.metrics import REDIS_FAILURES, counted

SESSIONS_HELD = Gauge("fullhouse_audience_sessions", "Viewing sessions held here.", multiprocess_mode="livesum")
LATE_LEAVES_DROPPED = Counter("fullhouse_audience_leaves_dropped", "Leaves given up while Redis was away.")
STALE = Gauge("fullhouse_audience_stale", "1 while the counts cannot be read.", multiprocess_mode="livemax")
PUSHES = Counter("fullhouse_audience_pushes", "Counts pushed, one a stream and change.")
EXPIRED = Counter("fullhouse_audience_sessions_expired", "Sessions taken out because they fell silent.")
PAST_DROPPED = Counter(
    "fullhouse_sessions_dropped", "Sessions that were over and were not kept, because too many waited to be written."
)
DRIFT = Gauge("fullhouse_audience_drift", "Sessions in Redis less those held by servers, absolute sum.")
LOOP_FAILURES = Counter("fullhouse_audience_loop_failures", "Loops of the edge that failed and began again.", ["loop"])
REPAIRS = Counter("fullhouse_audience_repairs", "Streams repaired from what servers announced.", ["reason"])

# django-prometheus' own.
ANSWERS = "django_http_responses_total_by_status_total"


def failures() -> int:
    """What went wrong in this process since it began, its gate aside: answers 5xx, calls to Redis, loops."""
    samples = (sample for family in REGISTRY.restricted_registry([ANSWERS]).collect() for sample in family.samples)
    answers = sum(sample.value for sample in samples if sample.labels["status"].startswith("5"))
    calls = counted(REDIS_FAILURES, lambda labels: not labels["caller"].startswith("gate_"))
    return int(answers) + calls + counted(LOOP_FAILURES)
