"""Several workers behind one port: starts them, restarts who died, passes signals on, leaves when all have left.

Each worker opens its own socket on the shared port (SO_REUSEPORT), so that the kernel spreads connections over them.
"""

import asyncio
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Sequence

from prometheus_client import multiprocess

from apps.realtime.children import Child

logger = logging.getLogger(__name__)


async def _run(*, command: Sequence[str], count: int, cwd: str, env: dict[str, str]) -> None:
    def on_death(child: Child, pid: int, code: int, wait: float) -> None:
        # Gauges of a process that is gone (its open sockets) must not be summed any more.
        multiprocess.mark_process_dead(pid, env["PROMETHEUS_MULTIPROC_DIR"])
        logger.error("%s (pid %d) died (%d); restarting in %g s", child.name, pid, code, wait)

    workers = [
        Child(f"Worker {number}", command, cwd=cwd, env=env, on_death=on_death) for number in range(1, count + 1)
    ]

    def pass_on(number: signal.Signals) -> None:
        # A second signal reaches the workers too, and ends them at once.
        for worker in workers:
            worker.send(number)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, pass_on, number)
    await asyncio.gather(*(worker.keep() for worker in workers))


def supervise(*, command: Sequence[str], count: int, cwd: str) -> None:
    """Run ``count`` workers of ``command`` until SIGTERM or SIGINT. Their metrics are summed through one folder."""
    metrics = tempfile.mkdtemp(prefix="fullhouse-metrics-")
    try:
        asyncio.run(
            _run(command=command, count=count, cwd=cwd, env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": metrics})
        )
    finally:
        shutil.rmtree(metrics, ignore_errors=True)
