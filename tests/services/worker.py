"""A real Celery worker, or beat, as its own process."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from .process import Process

# What each prints once it takes or sends tasks.
READY = {"worker": " ready.", "beat": "beat: Starting..."}


class Worker:
    """`kind` is worker (one task at a time, in a child as in production) or beat (sends the timetable's tasks).

    `app` is the module with the Celery app: one of the tests' own may change what its tasks do.
    """

    def __init__(
        self, folder: Path, env: Mapping[str, str], *, kind: str = "worker", name: str = "tests", app: str = "config"
    ) -> None:
        self.kind = kind
        folder.mkdir(parents=True, exist_ok=True)
        command = {
            "worker": ["worker", "--concurrency=1", f"--hostname={name}@%h", "--without-mingle", "--without-gossip"],
            "beat": ["beat", f"--schedule={folder / f'{name}-schedule'}", "--pidfile="],
        }[kind]
        self.process = Process(
            f"celery-{kind}:{name}",
            [sys.executable, "-m", "celery", "-A", app, *command, "--loglevel=INFO"],
            log=folder / f"celery-{kind}-{name}.log",
            env={**os.environ, **env, "PYTHONUNBUFFERED": "1"},
            # TERM, so that the worker takes its child with it.
            death_signal="TERM",
            is_ours=True,
        )

    def wait_ready(self, deadline: float = 60.0) -> "Worker":
        """Wait until it takes (worker) or sends (beat) tasks."""
        self.process.wait_ready(lambda: READY[self.kind] in self.log(), deadline=deadline, not_yet=())
        return self

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        """The end of what it printed."""
        return self.process.log_tail(characters=50_000)

    def kill(self) -> None:
        """kill -9 it and its child, in the middle of whatever it does."""
        self.process.kill()

    def stop(self) -> None:
        """Finish the running task and end."""
        self.process.stop(deadline=30)
