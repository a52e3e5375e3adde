"""Counters of the record of the past, served with all others at /metrics."""

from prometheus_client import Counter, Gauge

PARTITION_UNPLACED = Gauge(
    "fullhouse_partition_unplaced_rows",
    "Rows for which the last run found no partition.",
    ["table"],
    multiprocess_mode="mostrecent",
)
PARTITIONS_READY_UNTIL = Gauge(
    "fullhouse_partitions_ready_until_seconds",
    "The moment up to which partitions are there.",
    ["table"],
    multiprocess_mode="mostrecent",
)
READER_USABLE = Gauge(
    "fullhouse_reader_usable", "1 while this replica is read from.", ["reader"], multiprocess_mode="livemin"
)
READER_LAG = Gauge(
    "fullhouse_reader_lag_seconds",
    "How far the replica was behind when it was last asked.",
    ["reader"],
    multiprocess_mode="livemax",
)
READER_SKIPPED = Counter(
    "fullhouse_reader_skipped", "Reads sent to the primary instead of the replica.", ["reader", "reason"]
)
SESSION_LAG = Gauge(
    "fullhouse_session_lag_seconds",
    "For how long the oldest session that is over has waited to be written.",
    multiprocess_mode="mostrecent",
)
SESSIONS_WAITING = Gauge(
    "fullhouse_sessions_waiting", "Sessions that are over and wait to be written.", multiprocess_mode="mostrecent"
)
SESSIONS_WRITTEN = Counter("fullhouse_sessions_written", "Sessions written into the database.")
SESSIONS_REJECTED = Counter(
    "fullhouse_sessions_rejected", "Sessions that no database could take, set aside.", ["reason"]
)
