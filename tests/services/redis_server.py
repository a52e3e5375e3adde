"""A private Redis server on a free port, with everything that a fault test does to one."""

import shutil
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from .process import Process, find_program, free_port


class RedisServer:
    """Keeps its port over stops and starts, so that clients find it again."""

    def __init__(self, folder: Path, *, port: int | None = None, options: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._options = options
        self._process: Process | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def process(self) -> Process:
        assert self._process is not None, "Redis has not been started"
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.is_running

    def start(self) -> "RedisServer":
        """Start and wait until it answers; it holds what the last `stop(keep=True)` saved, otherwise nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process = Process(
            f"redis-server:{self.port}",
            [
                find_program("redis-server"),
                *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder),
                *("--save", "", "--appendonly", "no", "--daemonize", "no"),
                *self._options,
            ],
            log=self.folder / "redis.log",
        )
        with self.client(retry=None) as client:
            self._process.wait_ready(client.ping, deadline=20, not_yet=(RedisError,))
        return self

    def client(self, **options: Any) -> Redis:
        """A new client of this server alone; the caller closes it."""
        return Redis(host="127.0.0.1", port=self.port, **options)

    def flush(self) -> None:
        """Forget all keys. Loaded scripts stay, as they do in production."""
        with self.client() as client:
            client.flushall()

    def stop(self, *, keep: bool = False) -> None:
        """End the server; `keep` saves its data for the next start."""
        if self.is_running and keep:
            with self.client() as client:
                client.save()
        elif not keep:
            (self.folder / "dump.rdb").unlink(missing_ok=True)
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """kill -9: what was not saved is lost."""
        self.process.kill()

    def restart(self, *, keep: bool) -> None:
        """Stop and start on the same port, with its data or empty."""
        self.stop(keep=keep)
        self.start()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing is answered."""
        self.process.pause()

    def resume(self) -> None:
        """Let a paused server go on."""
        self.process.resume()

    def remove(self) -> None:
        """Stop and delete the folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
