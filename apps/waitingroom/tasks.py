"""Celery's entrance to the waiting room. Each task calls one service and may run twice, late, or on two beats."""

from celery import shared_task
from django.utils import timezone

from . import services
from .statistics import statistics_forget as forget
from .statistics import statistics_write

# What takes this long hangs, mostly in a dead connection to the database, and is killed with its process, which the
# worker replaces: all processes would come to hang there one by one.
HANGS_S = 300


@shared_task(time_limit=HANGS_S)
def evict() -> None:
    """Every half minute: who has been silent for too long is out of the line."""
    services.zones_evict()


@shared_task(time_limit=HANGS_S)
def publish() -> None:
    """Every half minute: gates are told what they did not hear, and a wiped Redis gets its zones back."""
    services.zones_publish_all()


@shared_task(time_limit=HANGS_S)
def statistics() -> None:
    """Every minute: the minutes that closed go into zone_statistics."""
    statistics_write(now=timezone.now())


@shared_task(time_limit=3_600)
def statistics_forget() -> None:
    """Every night: minutes older than ZONE_STATISTICS_KEPT_DAYS are gone from zone_statistics."""
    forget(now=timezone.now())
