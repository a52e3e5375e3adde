"""Children die with the tests, ports are free, what is missing is named, waiting has an end."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import folder as folders
from tests.services.process import (
    BUS_OFFSET,
    REPOSITORY,
    MissingProgram,
    Process,
    ProcessFailed,
    find_program,
    free_port,
    wait_until_gone,
)
from tests.services.waiting import NeverHappened, eventually, eventually_async

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


def test_a_missing_program_names_its_debian_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.services.process.SEARCH_PATH", "/nonexistent")
    with pytest.raises(MissingProgram, match=r"mariadbd is not installed\. On Debian: apt-get install mariadb-server"):
        find_program("mariadbd")


def test_free_ports_differ_and_can_be_bound() -> None:
    ports = [free_port(with_bus=True) for _ in range(5)]
    assert len(set(ports)) == 5
    for port in ports:
        for number in (port, port + BUS_OFFSET):
            with socket.create_server(("127.0.0.1", number)):
                pass


def test_stop_ends_a_process_and_returns_its_code(tmp_path: Path) -> None:
    process = Process("sleeper", SLEEPER, log=tmp_path / "log")
    process.wait_ready(lambda: "up" in process.log_tail(), deadline=10, not_yet=())
    assert process.stop() == -signal.SIGTERM
    assert not process.is_running


def test_a_process_that_ends_instead_of_getting_ready_shows_its_log(tmp_path: Path) -> None:
    process = Process("liar", [sys.executable, "-c", "print('no such house'); exit(3)"], log=tmp_path / "log")
    with pytest.raises(ProcessFailed, match=r"(?s)liar ended with 3.*no such house"):
        process.wait_ready(lambda: False, deadline=10, not_yet=())


def test_children_of_a_killed_test_run_are_killed_by_the_kernel(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom tests.services.process import Process\n"
        f"p = Process('orphan', {SLEEPER!r}, log=Path({str(tmp_path / 'log')!r}))\n"
        "p.wait_ready(lambda: 'up' in p.log_tail(), deadline=20, not_yet=())\n"
        "print(p.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        orphan = int(run.stdout.readline())
        assert Path(f"/proc/{orphan}").exists()
        run.kill()
    wait_until_gone([orphan])


def test_the_next_run_removes_what_a_killed_run_left(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, ours = tmp_path / f"fullhouse-{gone.pid}-abc", tmp_path / f"fullhouse-{os.getpid()}-abc"
    left.mkdir()
    ours.mkdir()
    folders.remove_leftovers(tmp_path)
    assert (left.exists(), ours.exists()) == (False, True)


def test_eventually_answers_what_came_and_says_what_did_not() -> None:
    numbers = iter([None, False, 0])
    assert eventually(lambda: next(numbers), every=0.001) == 0
    with pytest.raises(NeverHappened, match=r"not within 0\.02 s; last seen: AssertionError: 3 of 4"):
        eventually(lambda: _assert_false("3 of 4"), deadline=0.02, every=0.001)


async def test_eventually_async_answers_what_came() -> None:
    numbers = iter([None, 5])

    async def next_number() -> int | None:
        return next(numbers)

    assert await eventually_async(next_number, every=0.001) == 5


def _assert_false(message: str) -> None:
    raise AssertionError(message)
