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
RANKINGS_MADE = Gauge(
    "fullhouse_rankings_made_seconds",
    "When the oldest ranking of the period was made.",
    ["period"],
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
SNAPSHOTS = Counter(
    "fullhouse_snapshots",
    "Marks of the clock, by what became of each: taken, recalled, lost, dropped.",
    ["outcome"],
)
SNAPSHOTS_REFUSED = Counter(
    "fullhouse_snapshots_refused", "Runs that found another one still at it: take, write.", ["step"]
)
SNAPSHOTS_WAITING = Gauge(
    "fullhouse_snapshots_waiting", "Snapshots that wait for the database.", multiprocess_mode="mostrecent"
)
SNAPSHOT_WRITTEN = Gauge(
    "fullhouse_snapshot_written_seconds",
    "The mark of the newest snapshot that is in the database.",
    multiprocess_mode="mostrecent",
)
SNAPSHOT_SECONDS = Gauge(
    "fullhouse_snapshot_seconds",
    "How long the last snapshot took: read, write.",
    ["step"],
    multiprocess_mode="mostrecent",
)
STATISTICS_MADE = Gauge(
    "fullhouse_statistics_made_seconds",
    "When the statistics of the running day, and of those before it that had changed, were last made.",
    multiprocess_mode="mostrecent",
)
