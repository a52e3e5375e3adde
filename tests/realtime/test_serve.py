"""`manage.py serve` as an operator runs it: a real process on a real port."""

import http.client
import json
import os
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.services.process import Process, free_port, wait_until_gone
from tests.services.waiting import eventually
from tests.services.web import get_json

Serve = Callable[..., "Server"]


class Server:
    """One `serve` process of the probe application."""

    def __init__(self, folder: Path, *options: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.release_file = folder / "release"
        self.process = Process(
            f"probe:{self.port}",
            [
                *(sys.executable, "manage.py", "serve", "--bind", f"127.0.0.1:{self.port}"),
                *("--application", "tests.realtime.probe.application", "--drain-seconds", "30", *options),
            ],
            log=folder / f"probe-{self.port}-{len(options)}.log",
            env={**os.environ, "PROBE_RELEASE": str(self.release_file)},
            death_signal="TERM",
            is_ours=True,
        )

    def wait_ready(self) -> "Server":
        self.process.wait_ready(lambda: self.get("/pid"), deadline=60, not_yet=(OSError,))
        return self

    def get(self, path: str) -> Any:
        return get_json(self.url + path)

    def pids(self, count: int) -> set[int]:
        """Worker process ids, asked until so many have answered."""
        seen: set[int] = set()

        def enough() -> set[int]:
            seen.add(self.get("/pid"))
            assert len(seen) == count
            return seen

        return eventually(enough, deadline=30, every=0.01)

    def release(self) -> None:
        """Let the drain end."""
        self.release_file.touch()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Factory of ready servers; `wait=False` for one that is to fail."""
    servers: list[Server] = []

    def start(*options: str, wait: bool = True, port: int | None = None) -> Server:
        servers.append(Server(tmp_path, *options, port=port))
        return servers[-1].wait_ready() if wait else servers[-1]

    yield start
    for server in servers:
        server.release()
        server.process.stop(deadline=20)


# --- the socket ---------------------------------------------------------------------------------------------------


def test_a_taken_port_is_one_clear_line_and_exit_2(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = other.getsockname()[1]
        refused = serve(wait=False, port=port)
        assert refused.process.wait(30) == 2
        assert refused.process.log_tail() == f"serve: 127.0.0.1:{port} cannot be used: Address already in use\n"


def test_a_second_server_is_refused_unless_it_asks_to_share(serve: Serve) -> None:
    first = serve()
    second = serve("--workers", "2", wait=False, port=first.port)
    assert second.process.wait(30) == 2
    assert first.pids(1) == {first.process.pid}
    third = serve("--share-port", port=first.port)
    assert first.pids(2) == {first.process.pid, third.process.pid}


def test_an_address_that_is_none_is_refused(serve: Serve) -> None:
    refused = serve("--bind", "nowhere.invalid:80", wait=False)
    assert refused.process.wait(30) == 2
    assert "serve: 'nowhere.invalid' is not an address of this machine" in refused.process.log_tail()


@pytest.mark.parametrize(("options", "fixed"), [((), None), (("--socket-buffer", "8192"), 8192)])
def test_socket_options_are_what_was_asked(serve: Serve, options: tuple[str, ...], fixed: int | None) -> None:
    seen = serve(*options).get("/options")
    assert (seen["reuse_port"], seen["no_delay"]) == (1, 1)
    if fixed is None:
        default = int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[1])
        assert seen["send"] == default
    else:
        # Linux doubles what is asked, for its own book-keeping.
        assert (seen["receive"], seen["send"]) == (2 * fixed, 2 * fixed)


def test_limit_of_open_files_is_raised(serve: Serve) -> None:
    server = serve()
    line = next(
        line
        for line in Path(f"/proc/{server.process.pid}/limits").read_text().splitlines()
        if line.startswith("Max open files")
    )
    _, soft, hard = line.rsplit(None, 3)[0:3]
    assert soft == hard


def test_role_is_in_the_environment_before_the_settings_load(serve: Serve) -> None:
    assert serve("--role", "gate").get("/role") == "gate"


# --- workers ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_all_leave_on_sigterm(serve: Serve) -> None:
    server = serve("--workers", "2")
    first, second = sorted(server.pids(2))
    assert server.process.pid not in {first, second}
    os.kill(first, signal.SIGKILL)
    wait_until_gone([first])

    replaced = server.pids(2)
    assert first not in replaced
    assert second in replaced
    assert f"(pid {first}) died (-9); restarting" in server.process.log_tail()

    server.release()
    server.process.send(signal.SIGTERM)
    assert server.process.wait(20) == 0
    wait_until_gone(list(replaced))


@pytest.mark.slow
def test_workers_do_not_outlive_a_killed_supervisor(serve: Serve) -> None:
    server = serve("--workers", "2")
    workers = server.pids(2)
    server.release()
    os.kill(server.process.pid, signal.SIGKILL)
    wait_until_gone(list(workers), deadline=20)


# --- leaving ------------------------------------------------------------------------------------------------------


def kept_alive(server: Server) -> http.client.HTTPConnection:
    """A connection that the server holds open between requests."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/draining")
    assert json.load(connection.getresponse()) is False
    return connection


def refuses(server: Server) -> bool:
    """Whether nobody listens any more."""
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_drain_comes_in_order_and_nothing_in_flight_is_lost(serve: Serve) -> None:
    server = serve()
    held = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    held.request("GET", "/hold")
    in_flight = held.getresponse()
    assert in_flight.read(5) == b"begun"
    connection = kept_alive(server)
    with connect(f"ws://127.0.0.1:{server.port}/") as websocket:
        server.process.send(signal.SIGTERM)
        # Told first, by the drain's callback, while the socket is still open ...
        assert websocket.recv(timeout=10) == "leave"
        # ... new connections are refused, and one that was there is answered and asked to leave.
        eventually(lambda: refuses(server))
        connection.request("GET", "/draining")
        answer = connection.getresponse()
        assert (json.load(answer), answer.getheader("connection")) == (True, "close")
        assert server.process.is_running

        server.release()
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
    assert in_flight.read() == b" and finished"
    assert server.process.wait(20) == 0
    held.close()
    connection.close()


def test_a_request_still_on_its_way_at_the_end_is_answered(serve: Serve) -> None:
    server = serve()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    with connect(f"ws://127.0.0.1:{server.port}/") as websocket:
        connection.connect()
        server.process.send(signal.SIGTERM)
        assert websocket.recv(timeout=10) == "leave"
        server.release()
        with pytest.raises(ConnectionClosed):  # closed by the shutdown itself, after the drain
            websocket.recv(timeout=10)
        connection.request("GET", "/pid")
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("connection")) == (200, "close")
        assert json.load(answer) == server.process.pid
    assert server.process.wait(20) == 0
    connection.close()


def test_drain_ends_at_its_deadline_without_being_released(serve: Serve) -> None:
    server = serve("--drain-seconds", "0.5")
    server.process.send(signal.SIGINT)
    assert server.process.wait(10) == 0


def test_a_second_signal_ends_at_once(serve: Serve) -> None:
    server = serve()
    with connect(f"ws://127.0.0.1:{server.port}/") as websocket:
        server.process.send(signal.SIGTERM)
        assert websocket.recv(timeout=10) == "leave"
        server.process.send(signal.SIGTERM)
        assert server.process.wait(5) == 128 + signal.SIGTERM


@pytest.mark.slow
def test_handing_the_port_over_under_load_loses_no_request(serve: Serve) -> None:
    old = serve()
    answers: Counter[int | str] = Counter()
    over = threading.Event()

    def visit() -> None:
        while not over.is_set():
            try:
                answers[old.get("/pid")] += 1
            except OSError as error:
                answers[repr(error)] += 1

    visitors = [threading.Thread(target=visit) for _ in range(8)]
    for visitor in visitors:
        visitor.start()
    try:
        new = serve("--share-port", port=old.port)
        eventually(lambda: answers[new.process.pid] > 0)
        old.release()
        old.process.send(signal.SIGTERM)
        assert old.process.wait(20) == 0
        since = answers[new.process.pid]
        eventually(lambda: answers[new.process.pid] > since + 20)
    finally:
        over.set()
        for visitor in visitors:
            visitor.join()
    assert set(answers) == {old.process.pid, new.process.pid}
