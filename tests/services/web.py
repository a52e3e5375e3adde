"""A real `manage.py serve` on a free port, as an operator would start it."""

import itertools
import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .process import Process, free_port

_numbers = itertools.count(1)


def get_status(url: str, timeout: float = 5.0) -> int:
    """HTTP status of a GET; OSError if nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:  # noqa: S310  addresses are our own servers'
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def get_json(url: str, timeout: float = 5.0) -> Any:
    """The JSON answer of a GET; OSError if nobody answers or the status is an error."""
    with urllib.request.urlopen(url, timeout=timeout) as response:  # noqa: S310  addresses are our own servers'
        return json.load(response)


class WebServer:
    """One `serve` command: its supervisor and its workers."""

    def __init__(
        self,
        folder: Path,
        env: Mapping[str, str],
        *,
        workers: int = 1,
        role: str = "all",
        port: int | None = None,
        args: Sequence[str] = (),
    ) -> None:
        """`args` are further options of `serve`."""
        self.port = port or free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}"
        self.workers = workers
        folder.mkdir(parents=True, exist_ok=True)
        self.process = Process(
            f"serve:{self.port}",
            [
                *(sys.executable, "manage.py", "serve", "--bind", f"127.0.0.1:{self.port}"),
                *("--workers", str(workers), "--role", role, *args),
            ],
            # A name of its own: two servers may share a port.
            log=folder / f"serve-{self.port}-{next(_numbers)}.log",
            env={**os.environ, **env, "PYTHONUNBUFFERED": "1"},
            # TERM, so that the supervisor takes its workers with it.
            death_signal="TERM",
            is_ours=True,
        )

    @property
    def pid(self) -> int:
        """The supervisor's process id, the one that an operator signals."""
        return self.process.pid

    @property
    def is_ready(self) -> bool:
        return get_status(f"{self.base_url}/health/ready") == 200

    def wait_ready(self, deadline: float = 60.0) -> "WebServer":
        """Wait until /health/ready says yes."""
        self.process.wait_ready(lambda: self.is_ready, deadline=deadline, not_yet=(OSError,))
        return self

    def log(self) -> str:
        """The end of what the server printed."""
        return self.process.log_tail()

    def terminate(self, deadline: float | None = None) -> int | None:
        """SIGTERM: the server drains. With a deadline, wait for its end and return the exit code."""
        self.process.send(signal.SIGTERM)
        return None if deadline is None else self.process.wait(deadline)

    def kill(self) -> None:
        """kill -9 the supervisor; its workers end with it (wait_until_gone tells when)."""
        self.process.kill()

    def stop(self) -> None:
        """Drain and end, at the end of a test."""
        self.process.stop(deadline=30)
