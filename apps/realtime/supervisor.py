"""Keeps N worker processes running: starts them, restarts who died, passes signals on, and leaves when all have left.

Workers are started as programs of their own, never forked from this process: a fork after Django has loaded would share
connections and locks. Each opens its own socket on the shared port, so that the kernel spreads connections over them.
"""

import asyncio
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Sequence

from prometheus_client import multiprocess

from apps.realtime.tether import tethered

logger = logging.getLogger(__name__)

# A worker that lived this long was healthy: its next restart waits for nothing.
HEALTHY_SECONDS = 10.0
LONGEST_BACK_OFF = 30.0


def back_off(failures: int) -> float:
    """Seconds to wait before the next start, after so many short lives in a row: 0, 1, 2, 4 ... 30."""
    return 0.0 if failures == 0 else min(LONGEST_BACK_OFF, 2.0 ** (failures - 1))


class Supervisor:
    """Runs ``count`` copies of ``command`` until a signal ends it."""

    def __init__(self, *, command: Sequence[str], count: int, cwd: str, env: dict[str, str]) -> None:
        self.command = tethered(command)
        self.count = count
        self.cwd = cwd
        self.env = env
        self.leaving = asyncio.Event()
        self.workers: dict[int, asyncio.subprocess.Process] = {}

    async def run(self) -> None:
        """Start the workers and return when all have left after a signal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._pass_on, number)
        await asyncio.gather(*(self._keep(slot) for slot in range(1, self.count + 1)))

    def _pass_on(self, number: signal.Signals) -> None:
        self.leaving.set()
        for worker in self.workers.values():
            # A second signal reaches the workers too, and ends them at once.
            worker.send_signal(number)

    async def _keep(self, slot: int) -> None:
        """Keep one worker alive: start it, wait for its end, start it again."""
        loop = asyncio.get_running_loop()
        short_lives = 0
        while not self.leaving.is_set():
            # A session of its own: a Ctrl-C in the terminal reaches the supervisor alone, which passes it on once.
            worker = await asyncio.create_subprocess_exec(
                *self.command, cwd=self.cwd, env=self.env, start_new_session=True
            )
            self.workers[slot] = worker
            if self.leaving.is_set():  # the signal came while the worker was being started
                worker.send_signal(signal.SIGTERM)
            born = loop.time()
            code = await worker.wait()
            del self.workers[slot]
            multiprocess.mark_process_dead(worker.pid, self.env["PROMETHEUS_MULTIPROC_DIR"])
            if self.leaving.is_set():
                return
            short_lives = 0 if loop.time() - born >= HEALTHY_SECONDS else short_lives + 1
            wait = back_off(short_lives)
            logger.error("Worker %d (pid %d) died (%d); restarting in %g s", slot, worker.pid, code, wait)
            await _wait_for(self.leaving, wait)


async def _wait_for(event: asyncio.Event, seconds: float) -> None:
    """Return after ``seconds``, or as soon as ``event`` is set."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


def supervise(*, command: Sequence[str], count: int, cwd: str, report: Callable[[str], None]) -> None:
    """Run ``count`` workers of ``command`` until SIGTERM or SIGINT. Their metrics are summed through one folder."""
    metrics = tempfile.mkdtemp(prefix="fullhouse-metrics-")
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": metrics}
    try:
        report(f"{count} workers")
        asyncio.run(Supervisor(command=command, count=count, cwd=cwd, env=env).run())
    finally:
        shutil.rmtree(metrics, ignore_errors=True)
