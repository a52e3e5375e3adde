"""`manage.py embedded`, which is `make run`: opens, holds together, closes, and leaves no process behind."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.services.process import Process, free_port, wait_until_gone
from tests.services.waiting import eventually
from tests.services.web import get_json, get_status

SMALL_EVENING = ("--evening", "--streams", "6", "--audience", "40", "--speed", "3000", "--samples", "2")
OURS = ("DATABASE_URL", "REDIS_URL", "SUPPORT_REDIS_URL", "SECRET_KEY")


class House:
    """One `embedded` command with its state in a folder of the test."""

    def __init__(self, folder: Path, *options: str, port: int | None = None, name: str = "out") -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        env = {name: value for name, value in os.environ.items() if name not in OURS}
        self.env = {**env, "DJANGO_SETTINGS_MODULE": "config.settings.embedded", "FULLHOUSE_VAR": str(folder / "var")}
        self.process = Process(
            f"embedded:{self.port}",
            [sys.executable, "manage.py", "embedded", "--bind", f"127.0.0.1:{self.port}", *options],
            log=folder / f"{name}.log",
            env=self.env,
            death_signal="TERM",
            is_ours=True,
        )

    @property
    def is_open(self) -> bool:
        return "Fullhouse is open." in self.process.log_tail()

    def wait_open(self) -> "House":
        self.process.wait_ready(lambda: self.is_open, deadline=120, not_yet=())
        return self

    def family(self) -> list[int]:
        """Process ids of everything that it started."""
        return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a management command beside it, as from a second terminal."""
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=120, check=False)

    def part(self, word: str) -> int:
        """Process id of the child whose command line has this word."""
        for child in psutil.Process(self.process.pid).children():
            if word in child.cmdline():
                return child.pid
        raise AssertionError(f"no child runs {word}")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Factory of `embedded` commands that share one folder."""
    houses: list[House] = []

    def start(*options: str, port: int | None = None) -> House:
        houses.append(House(tmp_path, *options, port=port, name=f"out{len(houses)}"))
        return houses[-1]

    yield start
    for one in houses:
        family = one.family() if one.process.is_running else []
        one.process.stop(deadline=40)
        wait_until_gone(family)


@pytest.mark.slow
def test_opens_holds_together_and_closes_without_a_trace(tmp_path: Path, house: Callable[..., House]) -> None:
    opened = house("--no-audience").wait_open()
    eventually(lambda: get_json(f"{opened.url}/health/ready")["status"] == "ready")
    assert get_status(f"{opened.url}/") == 200
    assert f"http://localhost:{opened.port}/" in opened.process.log_tail()
    assert re.search(r"Sign in    operator / \S{16}", opened.process.log_tail())
    family = opened.family()
    assert len(family) >= 3

    # A second one in the same folder is refused, and says where the first one is.
    second = house("--no-audience")
    assert second.process.wait(30) == 2
    assert second.process.log_tail() == (
        f"Fullhouse already runs from this folder: http://localhost:{opened.port}/ (pid {opened.process.pid})\n"
    )

    # A part that dies is said aloud and comes back.
    worker = opened.part("celery")
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: f"worker (pid {worker}) died with -9 and is started again" in opened.process.log_tail())
    eventually(lambda: opened.part("celery") != worker, deadline=20)
    family += opened.family()

    opened.process.send(signal.SIGTERM)
    assert opened.process.wait(40) == 0
    wait_until_gone(family)
    assert opened.process.log_tail().endswith("Closing ...\nClosed.\n")
    assert "Traceback" not in opened.process.log_tail()

    # What was there stays.
    with sqlite3.connect(tmp_path / "var" / "fullhouse.sqlite3") as database:
        assert database.execute("SELECT COUNT(*) FROM broadcasters").fetchone() == (300,)
    database.close()
    assert (tmp_path / "var" / "redis" / "fullhouse.rdb").exists()


@pytest.mark.slow
def test_plays_an_audience_and_keeps_the_data_for_the_next_time(tmp_path: Path, house: Callable[..., House]) -> None:
    first = house().wait_open()
    eventually(lambda: get_json(f"{first.url}/api/streams")["total"] > 0, deadline=60)
    login = (tmp_path / "var" / "operator.json").read_text()
    family = first.family()
    first.process.send(signal.SIGINT)
    assert first.process.wait(40) == 0
    wait_until_gone(family)

    again = house("--no-audience").wait_open()
    assert (tmp_path / "var" / "operator.json").read_text() == login
    eventually(lambda: get_json(f"{again.url}/health/ready")["status"] == "ready")
    # A command given in another terminal speaks to the same database and the same Redis.
    replayed = again.manage("replay", "--url", again.url, *SMALL_EVENING)
    assert (replayed.returncode, replayed.stderr) == (0, "")
    assert "every answer was exact" in replayed.stdout


@pytest.mark.slow
def test_killed_outright_it_leaves_no_orphan(house: Callable[..., House]) -> None:
    opened = house("--no-audience").wait_open()
    family = opened.family()
    os.kill(opened.process.pid, signal.SIGKILL)
    wait_until_gone(family, deadline=40)


def test_a_taken_port_is_refused_before_anything_starts(tmp_path: Path, house: Callable[..., House]) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        refused = house(port=other.getsockname()[1])
        assert refused.process.wait(30) == 2
        assert refused.process.log_tail() == (
            f"127.0.0.1:{refused.port} cannot be used: Address already in use. For another port: PORT=8001 make run\n"
        )
    assert sorted(path.name for path in (tmp_path / "var").iterdir()) == ["secret_key"]
