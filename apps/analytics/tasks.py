"""Celery's entrance to analytics. Each task calls one service and may run twice, late, or on two beats."""

from celery import shared_task
from django.db import DatabaseError
from django.utils import timezone

from . import (
    daily_services,
    partition_services,
    ranking_services,
    ranking_store,
    services,
    session_services,
    snapshot_store,
    store,
)


@shared_task(time_limit=snapshot_store.TAKING_KEPT_S)
def snapshot() -> None:
    """At every 5-minute mark: the present goes into current_viewers and viewer_history.

    And every half minute, for marks at which nobody came, and what waits since the database was away.
    """
    services.snapshot_run(now=timezone.now())


# A run ends by itself after some seconds. One that hangs in a dead connection is killed with its process, which the
# worker replaces: by then its place is free for another, and all processes would come to hang there one by one.
@shared_task(time_limit=store.DRAIN_KEPT_S)
def sessions() -> None:
    """Every two seconds: sessions that are over go from Redis into user_sessions."""
    session_services.sessions_drain()


# A run begins no day after 20 minutes. One that takes this long hangs.
@shared_task(time_limit=3_600)
def daily() -> None:
    """Twice an hour: statistics of the day that runs, and of days of which sessions came late."""
    daily_services.statistics_keep(now=timezone.now())


@shared_task(time_limit=ranking_store.CLAIM_KEPT_S)
def rankings() -> None:
    """Every 15 seconds: rankings of today and of the week are made if they are missing or five minutes old."""
    ranking_services.rankings_keep(now=timezone.now())


# An ALTER TABLE gives up where somebody reads for long: later he is gone. One that moves rows may take hours.
@shared_task(
    autoretry_for=(partition_services.PartitionsFailed, DatabaseError),
    max_retries=5,
    default_retry_delay=600,
    time_limit=6 * 3_600,
)
def partitions() -> None:
    """Once a day: partitions of the past are made ahead, and what is older than the retention goes."""
    partition_services.past_keep(now=timezone.now())
