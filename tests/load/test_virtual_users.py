"""The client of the gate benchmarks: what it takes for an answer, and that it counts everything that happens to it."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.load.virtual_users import BrokenAnswer, VirtualUsers, answer_split, request_bytes

BODY = b'{"canEnter":false}'
HEAD = b"HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length: 18\r\n\r\n"


@pytest.mark.parametrize("data", [HEAD + BODY, HEAD.replace(b"content-length", b"Content-Length") + BODY])
def test_a_whole_answer(data: bytes) -> None:
    assert answer_split(data) == (200, len(HEAD))
    for end in range(len(data)):
        assert answer_split(data[:end]) is None


@pytest.mark.parametrize(
    "data",
    [
        HEAD + BODY + b"x",
        HEAD.replace(b"content-length: 18", b"x: y") + BODY,
        HEAD.replace(b"18", b"many") + BODY,
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + BODY,
        HEAD.replace(b"200", b"two") + BODY,
    ],
)
def test_what_is_no_answer_is_told_apart(data: bytes) -> None:
    with pytest.raises(BrokenAnswer):
        answer_split(data)


def test_a_request_says_its_length() -> None:
    head, body = request_bytes("h:1", "/traffic/wait", {"zoneId": "Z", "clientIp": "é"}).split(b"\r\n\r\n")
    assert head.startswith(b"POST /traffic/wait HTTP/1.1\r\nHost: h:1\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body) == {"zoneId": "Z", "clientIp": "é"}


# --- against a server that misbehaves on demand ---------------------------------------------------------------------

Reply = Callable[[str, dict[str, str]], tuple[int, dict[str, object]]]
WAITING = {"canEnter": False, "token": "t", "waiting": {"etaSeconds": 7}}
ENTERED = {"canEnter": True, "pass": "fp1.z.1.0.abcdefghijk.1800000000.1800000600.mac"}


@pytest.fixture
def serve() -> Iterator[Callable[[Reply], str]]:
    """Function that starts a server with these answers; its address."""
    servers: list[socketserver.ThreadingTCPServer] = []

    def start(reply: Reply) -> str:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while (line := self.rfile.readline()).strip():
                    length = 0
                    while header := self.rfile.readline().strip():
                        if header.lower().startswith(b"content-length:"):
                            length = int(header.split(b":")[1])
                    status, answer = reply(line.split()[1].decode(), json.loads(self.rfile.read(length)))
                    if not status:
                        return
                    body = json.dumps(answer, separators=(",", ":")).encode()
                    self.wfile.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n" % (status, len(body)) + body)

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_people_wait_ask_again_enter_and_come_anew(serve: Callable[[Reply], str]) -> None:
    asked: list[tuple[str, str]] = []

    def reply(path: str, body: dict[str, str]) -> tuple[int, dict[str, object]]:
        asked.append((path, body.get("token", "")))
        polls = sum(each == ("/traffic/entry", "t") for each in asked)
        return 200, ENTERED if path == "/traffic/entry" and polls % 2 == 0 else WAITING

    with VirtualUsers(serve(reply), zone="z", number=1, connections=1, period_s=0.05) as users:
        stretch = users.ramp(1, 0.0)
        stretch = users.go_on(1.0)
        users.ramp(0, 0.0)
        users.go_on(0.2)
    assert [path for path, _ in asked[:4]] == ["/traffic/wait", "/traffic/entry", "/traffic/entry", "/traffic/wait"]
    assert not users.errors
    assert len(stretch.waits) == stretch.polls > 5
    assert min(stretch.waits) > 0
    first = users.guests[0]
    assert (first.queued, first.told_s, first.entered_ms) == (True, 7, 1_800_000_000_000)
    assert len(users.guests) > 2
    assert all(guest.entered_ms or guest.left_ms for guest in users.guests)


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (429, {"error": "too_fast"}, '429 {"error":"too_fast"}'),
        (410, {"error": "evicted"}, '410 {"error":"evicted"}'),
        (200, {"hello": 1}, "200 without canEnter"),
        (0, {}, "closed by the server"),
    ],
)
def test_what_goes_wrong_is_counted_and_people_go_on(
    serve: Callable[[Reply], str], status: int, answer: dict[str, object], error: str
) -> None:
    paths: list[str] = []

    def reply(path: str, body: dict[str, str]) -> tuple[int, dict[str, object]]:
        paths.append(path)
        return (status, answer) if len(paths) == 2 else (200, WAITING)

    with VirtualUsers(serve(reply), zone="z", number=1, connections=1, period_s=0.05) as users:
        users.ramp(1, 0.0)
        users.go_on(0.6)
    assert users.errors == {error: 1}
    assert len(paths) > 4
    # Only a place that is lost makes somebody begin anew.
    assert paths.count("/traffic/wait") == (2 if status == 410 else 1)


def test_a_slow_server_cannot_hide_behind_a_busy_connection(serve: Callable[[Reply], str]) -> None:
    pause = threading.Event()

    def reply(path: str, body: dict[str, str]) -> tuple[int, dict[str, object]]:
        pause.wait(0.1)
        return 200, WAITING

    # Five people who ask every 0.2 s on one connection that takes 0.1 s an answer: all but the first wait for it.
    with VirtualUsers(serve(reply), zone="z", number=5, connections=1, period_s=0.2) as users:
        users.ramp(5, 0.0)
        stretch = users.go_on(2.0)
    assert stretch.behind >= 3
    assert max(stretch.waits) > 0.5


def test_a_connection_that_was_closed_while_nobody_used_it_is_replaced() -> None:
    """A server lets go of a connection on which nothing is asked; the people on others must not notice."""
    closed = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        timeout = 0.1

        def handle(self) -> None:
            try:
                while self.rfile.readline().strip():
                    length = 0
                    while header := self.rfile.readline().strip():
                        if header.lower().startswith(b"content-length:"):
                            length = int(header.split(b":")[1])
                    self.rfile.read(length)
                    body = json.dumps(WAITING, separators=(",", ":")).encode()
                    self.wfile.write(b"HTTP/1.1 200 X\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            except TimeoutError:
                closed.set()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_address[1]}"
        with VirtualUsers(address, zone="z", number=1, connections=3, period_s=0.03) as users:
            users.ramp(1, 0.0)
            stretch = users.go_on(1.0)
        server.shutdown()
    assert closed.is_set()
    assert not users.errors
    assert stretch.polls > 20
