"""Child processes that are kept alive: started, restarted when they die, and stopped in order.

A child is a program of its own, never a fork of this process (a fork after Django has loaded would share connections
and locks). It leads its own session, so that a Ctrl-C in the terminal reaches the parent alone, which then stops its
children in the right order; and it is tethered, so that it does not outlive a parent that was killed.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from apps.realtime.tether import tethered

# A child that lived this long was healthy: its next restart waits for nothing.
HEALTHY_SECONDS = 10.0
LONGEST_BACK_OFF = 30.0


def back_off(short_lives: int) -> float:
    """Seconds to wait before the next start, after so many short lives in a row: 0, 1, 2, 4 ... 30."""
    return 0.0 if short_lives == 0 else min(LONGEST_BACK_OFF, 2.0 ** (short_lives - 1))


class Child:
    """One program, kept alive from `keep` until `send` or `stop`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        log: Path | None = None,
        on_death: Callable[["Child", int, int, float], None],
    ) -> None:
        """``on_death(child, pid, exit code, seconds until the restart)`` is told of every end that nobody asked for."""
        self.name = name
        self.command = tethered(command)
        self.cwd = cwd
        self.env = dict(env)
        self.log = log
        self.on_death = on_death
        self.leaving = asyncio.Event()
        self.process: asyncio.subprocess.Process | None = None

    async def keep(self) -> None:
        """Run it, again and again; return when it has left because it was told to."""
        loop = asyncio.get_running_loop()
        short_lives = 0
        while not self.leaving.is_set():
            process = self.process = await self._start()
            born = loop.time()
            if self.leaving.is_set():  # told to leave while it was being started
                process.terminate()
            code = await process.wait()
            self.process = None
            _sweep(process.pid)
            if self.leaving.is_set():
                return
            short_lives = 0 if loop.time() - born >= HEALTHY_SECONDS else short_lives + 1
            wait = back_off(short_lives)
            self.on_death(self, process.pid, code, wait)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.leaving.wait(), wait)

    async def _start(self) -> asyncio.subprocess.Process:
        with contextlib.ExitStack() as files:
            output = files.enter_context(self.log.open("ab")) if self.log else None
            return await asyncio.create_subprocess_exec(
                *self.command,
                cwd=self.cwd,
                env=self.env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def send(self, number: signal.Signals) -> None:
        """Tell it to leave, by this signal; it is not restarted any more."""
        self.leaving.set()
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    async def stop(self, *, seconds: float) -> None:
        """SIGTERM, and SIGKILL to all that it started if it has not left in time."""
        self.send(signal.SIGTERM)
        if (process := self.process) is None:
            return
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            self.kill()

    def kill(self) -> None:
        """SIGKILL it and all that it started."""
        self.leaving.set()
        if self.process is not None:
            _sweep(self.process.pid)


def _sweep(group: int) -> None:
    """SIGKILL what is left of a child's process group: a killed Celery worker leaves its beat behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
