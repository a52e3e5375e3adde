"""The real worker, which stops between writing sessions and acknowledging them, and makes the file HALTED to say so."""

import os
import signal
from pathlib import Path
from typing import Any

from celery import signals

from config.celery import app

__all__ = ["app"]


def halt(*_: Any) -> None:
    """Wait for whoever kills us."""
    Path(os.environ["HALTED"]).touch()
    signal.pause()


@signals.worker_process_init.connect(weak=False)
def prepare(**_: Any) -> None:
    """In the child that does the work, where Django is there."""
    from apps.analytics import session_services

    session_services._Run._settle = halt  # type: ignore[assignment, method-assign]
