"""Programs as children that never outlive the tests.

Three nets: fixtures stop what they started; `atexit` kills what is left; and if the test run itself is killed, the
kernel signals every child (PDEATHSIG). Start processes from the main thread: the kernel sends that signal when the
*thread* that started the child ends.
"""

import atexit
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .waiting import eventually

REPOSITORY = Path(__file__).resolve().parent.parent.parent

# program -> the Debian package that has it
PACKAGES = {
    "redis-server": "redis-server",
    "redis-cli": "redis-tools",
    "mariadbd": "mariadb-server",
    "mariadb-install-db": "mariadb-server",
    "chromium": "chromium",
    "setpriv": "util-linux",
}
# Servers live in sbin, which the PATH of an ordinary user lacks on Debian.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])

# Below the range from which the kernel gives outgoing connections their ports, and so is each of them plus 10,000
# (the bus of a Redis Cluster node).
ALL_PORTS = range(20_000, 22_700)
# The parts of a suite that run side by side (pytest-xdist's gw0, gw1, ...) never take each other's.
_PART = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
PORTS = ALL_PORTS[int(_PART[2:]) :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
BUS_OFFSET = 10_000


class MissingProgram(RuntimeError):
    """A program that the tests need is not installed; says which Debian package has it."""


class ProcessFailed(RuntimeError):
    """A program ended, or did not become ready; carries the end of its log."""


def find_program(name: str) -> str:
    """Full path of a program. A test that needs a missing one fails: it is never skipped."""
    path = shutil.which(name, path=SEARCH_PATH)
    if path is None:
        raise MissingProgram(f"{name} is not installed. On Debian: apt-get install {PACKAGES.get(name, name)}")
    return path


_given: set[int] = set()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(*, with_bus: bool = False) -> int:
    """A port on 127.0.0.1 that is free and not given out before; `with_bus`: the port 10,000 above is free, too."""
    candidates = [port for port in PORTS if port not in _given]
    # Start anywhere: two test runs at once must not go through the same list in the same order.
    random.SystemRandom().shuffle(candidates)
    for port in candidates:
        if _is_free(port) and (not with_bus or _is_free(port + BUS_OFFSET)):
            _given.add(port)
            return port
    raise RuntimeError(f"no free port in {PORTS}")


class Process:
    """A child in a process group of its own, with its output in a file."""

    def __init__(
        self,
        name: str,
        args: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        death_signal: str = "KILL",
        is_ours: bool = False,
    ) -> None:
        """Start it. `death_signal` is for when the test run is killed: TERM if it has children of its own to stop.

        `is_ours` says that it runs our own code: a failed test shows its log.
        """
        self.is_ours = is_ours
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [find_program("setpriv"), "--pdeathsig", death_signal, "--", *map(str, args)],
                cwd=REPOSITORY,
                env=None if env is None else dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running.add(self)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; minus the signal's number if a signal ended it."""
        return self._popen.poll()

    @property
    def is_running(self) -> bool:
        return self.returncode is None

    def children(self) -> list[int]:
        """Process ids of its direct children."""
        try:
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except FileNotFoundError:
            return []

    def log_tail(self, characters: int = 6000) -> str:
        """The end of what it printed."""
        with contextlib.suppress(FileNotFoundError):
            return self.log.read_text(errors="replace")[-characters:]
        return ""

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program alone, as `kill PID` does."""
        if self.is_running:
            os.kill(self.pid, number)

    def send_group(self, number: signal.Signals) -> None:
        """Send a signal to the program and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def pause(self) -> None:
        """Freeze it: its sockets stay open and nobody answers."""
        self.send_group(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused program go on."""
        self.send_group(signal.SIGCONT)

    def wait(self, deadline: float) -> int:
        """Wait for its end and return the exit code; ProcessFailed if it still runs at the deadline."""
        try:
            return self._popen.wait(timeout=deadline)
        except subprocess.TimeoutExpired:
            raise ProcessFailed(f"{self.name} still runs after {deadline:g} s\n{self.log_tail()}") from None

    def kill(self) -> None:
        """kill -9 the program and all that it started, and wait until they are gone."""
        self.send_group(signal.SIGKILL)
        self._popen.wait()
        running.discard(self)

    def stop(self, deadline: float = 10.0) -> int:
        """Ask it to end (SIGTERM), insist at the deadline (kill -9), and return its exit code."""
        self.resume()
        self.send(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout=deadline)
        # What it started and left behind, too.
        self.kill()
        return self._popen.returncode

    def wait_ready(
        self, is_ready: Callable[[], Any], *, deadline: float, not_yet: tuple[type[BaseException], ...]
    ) -> None:
        """Ask `is_ready` until it says yes; ProcessFailed with the log if the program ends or the deadline passes."""

        def ask() -> bool:
            if not self.is_running:
                raise ProcessFailed(f"{self.name} ended with {self.returncode}\n{self.log_tail()}")
            return bool(is_ready())

        try:
            eventually(ask, deadline=deadline, every=0.02, not_yet=not_yet)
        except AssertionError as error:
            self.kill()
            raise ProcessFailed(f"{self.name} is not ready: {error}\n{self.log_tail()}") from error
        except ProcessFailed:
            self.kill()
            raise


running: set[Process] = set()


@atexit.register
def kill_all() -> None:
    """Kill whatever still runs; the last net but one."""
    for process in list(running):
        process.kill()


def _is_gone(pid: int) -> bool:
    """True for a zombie, too: it has ended, and whoever inherited it has not looked yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until_gone(pids: Sequence[int], deadline: float = 10.0) -> None:
    """Wait until none of these processes runs, ours or not."""
    end = time.monotonic() + deadline
    left = [pid for pid in pids if not _is_gone(pid)]
    while left and time.monotonic() < end:
        time.sleep(0.02)
        left = [pid for pid in left if not _is_gone(pid)]
    assert left == [], f"still running after {deadline:g} s: {left}"
