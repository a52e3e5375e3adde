"""Children are kept alive, and leave nothing behind."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from apps.realtime.children import LONGEST_BACK_OFF, Child, back_off
from tests.services.process import wait_until_gone
from tests.services.waiting import eventually_async

# Prints its own process id and that of a child of its own, then waits.
FAMILY = (
    "import os, subprocess, sys, time\n"
    "grandchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "print(os.getpid(), grandchild.pid, flush=True)\n"
    "time.sleep(600)\n"
)


def family(folder: Path, deaths: list[tuple[int, float]]) -> Child:
    return Child(
        "family",
        [sys.executable, "-c", FAMILY],
        cwd=str(folder),
        env=dict(os.environ),
        log=folder / "family.log",
        on_death=lambda child, pid, code, wait: deaths.append((code, wait)),
    )


async def members(folder: Path, lives: int) -> list[int]:
    """Process ids of parent and grandchild in their latest life."""

    async def read() -> list[int]:
        lines = (folder / "family.log").read_text().splitlines()
        assert len(lines) == lives
        return [int(pid) for pid in lines[-1].split()]

    return await eventually_async(read)


async def test_a_killed_child_is_started_again_and_its_own_children_are_swept(tmp_path: Path) -> None:
    deaths: list[tuple[int, float]] = []
    child = family(tmp_path, deaths)
    keeper = asyncio.create_task(child.keep())
    first = await members(tmp_path, lives=1)
    os.kill(first[0], signal.SIGKILL)
    second = await members(tmp_path, lives=2)
    wait_until_gone(first)
    assert deaths == [(-signal.SIGKILL, 1.0)]

    await child.stop(seconds=5)
    await asyncio.wait_for(keeper, 5)
    wait_until_gone(second)
    assert len(deaths) == 1


async def test_a_child_that_does_not_leave_is_killed(tmp_path: Path) -> None:
    stubborn = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)"
    )
    child = Child(
        "stubborn",
        [sys.executable, "-c", stubborn],
        cwd=str(tmp_path),
        env=dict(os.environ),
        log=tmp_path / "log",
        on_death=lambda *_: pytest.fail("it was asked to end"),
    )
    keeper = asyncio.create_task(child.keep())

    async def is_up() -> bool:
        return (tmp_path / "log").read_text() == "up\n"

    await eventually_async(is_up)
    assert child.process is not None
    pid = child.process.pid
    await child.stop(seconds=0.2)
    await asyncio.wait_for(keeper, 5)
    wait_until_gone([pid])


def test_restarts_wait_longer_and_longer() -> None:
    assert [back_off(lives) for lives in range(8)] == [0, 1, 2, 4, 8, 16, 30, LONGEST_BACK_OFF]
