"""The real worker, which stops after it wrote the first part of a snapshot, and makes the file HALTED to say so."""

from typing import Any

from celery import signals

from config.celery import app
from tests.analytics.halting_worker import halt

__all__ = ["app"]


@signals.worker_process_init.connect(weak=False)
def prepare(**_: Any) -> None:
    """In the child that does the work, where Django is there."""
    from apps.analytics import services

    append = services.history_append

    def append_and_halt(**part: Any) -> None:
        append(**part)
        halt()

    services.ROWS_PER_PART = 2
    services.history_append = append_and_halt
