"""Celery's entrance to analytics. Each task calls one service and may run twice, late, or on two beats."""

from celery import shared_task
from django.utils import timezone

from . import services


@shared_task
def snapshot() -> None:
    """At every 5-minute mark: the present goes into current_viewers and viewer_history."""
    services.snapshot_take_once(now=timezone.now())
