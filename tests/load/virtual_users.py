"""Very many people who ask over and over, on few kept connections, in one process that costs as little as it can.

A person asks `/traffic/wait`, then `/traffic/entry` once a period until admitted, and then begins anew as somebody
else: the flow of the reference's load script. Whoever is due gets the next free connection, as behind a load balancer,
with one request in flight on each. The server's advice to ask less often is not followed: no load is heavier.

A wait is counted from the moment when a poll was due, not from when a connection was free for it: a server that falls
behind cannot hide it. No event loop: sockets, epoll and bytes that were made before, or the client would be measured.
"""

import contextlib
import heapq
import json
import random
import select
import socket
import time
from array import array
from collections import Counter
from dataclasses import dataclass
from typing import Any

from apps.operations.replay.gate_report import Guest, entered_ms_of

LOST_AFTER_S = 10.0
BUFFER_BYTES = 65_536
HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "
ENTERED, WAITS = b'"canEnter":true', b'"canEnter":false'


class BrokenAnswer(ValueError):
    """What came is no answer of HTTP/1.1 with a length."""


def answer_split(data: bytes) -> tuple[int, int] | None:
    """(status, where the body begins) of one answer; None while it is not whole."""
    head = data.find(HEAD_END)
    if head < 0:
        return None
    at = data.find(LENGTH, 0, head)
    if at < 0:  # a proxy may write its names as it likes
        at = data[:head].lower().find(LENGTH)
    begin = head + len(HEAD_END)
    try:
        if at < 0 or not data.startswith(b"HTTP/1.1 "):
            raise ValueError
        status, end = int(data[9:12]), begin + int(data[at + len(LENGTH) : data.index(b"\r\n", at)])
    except ValueError:
        raise BrokenAnswer(repr(data[:80])) from None
    if len(data) > end:
        raise BrokenAnswer(f"{len(data) - end} bytes after the answer")
    return (status, begin) if len(data) == end else None


def request_bytes(host: str, path: str, body: dict[str, str]) -> bytes:
    """A POST, ready to be sent as often as it takes."""
    text = json.dumps(body, separators=(",", ":"))
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        f"{text}"
    ).encode()


@dataclass(slots=True)
class Connection:
    """A kept connection, and whose request is in flight on it."""

    socket: socket.socket
    user: int = -1
    sent_at: float = 0.0
    received: bytes = b""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What happened in one stretch of a run; waits in seconds."""

    seconds: float
    polls: int
    waits: "array[float]"
    behind: int  # polls that were due at the end of the stretch and had not been sent


class VirtualUsers:
    """So many people of one zone. `ramp` brings them in or sends them away; `go_on` lets time pass."""

    def __init__(
        self, address: str, *, zone: str, number: int, connections: int, period_s: float, seed: int = 1
    ) -> None:
        """`number` is the most there will ever be; `period_s` is between two polls of one person."""
        self._address, self._zone, self._chance = address, zone, random.Random(seed)
        self.period_s = period_s
        self.errors: Counter[str] = Counter()
        self.guests: list[Guest] = []
        self._requests = [b""] * number
        self._waiting: list[Guest | None] = [None] * number  # whoever has a place
        self._due = [0.0] * number
        self._gone_at = [float("inf")] * number
        self._heap: list[tuple[float, int]] = []
        self._present = 0
        self._polls = 0
        self._waits = array("d")
        self._epoll = select.epoll()
        self._by_fd: dict[int, Connection] = {}
        self._free: list[Connection] = []
        for _ in range(connections):
            self._free.append(self._open())

    def __enter__(self) -> "VirtualUsers":
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._by_fd.values():
            connection.socket.close()
        self._epoll.close()

    @property
    def present(self) -> int:
        """People who are asking now."""
        return self._present

    def ramp(self, target: int, seconds: float) -> Stretch:
        """Come up, or go down, to `target` people evenly within `seconds`."""
        start, change = time.monotonic(), target - self._present
        for step in range(abs(change)):
            moment = start + seconds * (step + 1) / abs(change)
            if change > 0:
                self._begin(self._present + step, moment)
            else:
                self._gone_at[self._present - 1 - step] = moment
        self._present = target
        return self.go_on(seconds)

    def pace(self, period_s: float) -> None:
        """Everybody asks once in `period_s` from now on, spread evenly over it."""
        self.period_s = period_s
        now = time.monotonic()
        for user in range(self._present):
            self._due[user] = now + self._chance.random() * period_s
        flying = {connection.user for connection in self._by_fd.values()}
        self._heap = [(self._due[user], user) for user in range(self._present) if user not in flying]
        heapq.heapify(self._heap)
        for user in flying - {-1}:
            self._due[user] -= period_s  # its next poll is a period after this one

    def go_on(self, seconds: float) -> Stretch:
        """Ask and listen for so long."""
        start = time.monotonic()
        end = start + seconds
        self._polls, self._waits = 0, array("d")
        heap, free, clock = self._heap, self._free, time.monotonic
        while (now := clock()) < end:
            while free and heap and heap[0][0] <= now:
                self._send(free.pop(), heapq.heappop(heap)[1], now)
            # With every connection busy the next thing to happen is an answer.
            until = min(end, heap[0][0]) if free and heap else end
            for fd, _event in self._epoll.poll(max(0.0, until - clock())):
                self._receive(self._by_fd[fd])
        self._lost_find(now)
        behind = sum(due <= now for due, _ in heap)
        return Stretch(now - start, self._polls, self._waits, behind)

    def _begin(self, user: int, moment: float) -> None:
        """Somebody new: as the reference's script does, they ask for the first time within a period."""
        self._requests[user] = request_bytes(
            self._address,
            "/traffic/wait",
            {
                "zoneId": self._zone,
                "clientIp": f"10.{user >> 16 & 255}.{user >> 8 & 255}.{user & 255}",
                "clientAgent": "WEB",
            },
        )
        self._waiting[user] = None
        self._gone_at[user] = float("inf")
        self._again(user, moment + self._chance.random() * self.period_s)

    def _again(self, user: int, due: float) -> None:
        self._due[user] = due
        heapq.heappush(self._heap, (due, user))

    def _open(self) -> Connection:
        host, _, port = self._address.partition(":")
        connection = Connection(socket.create_connection((host, int(port))))
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.socket.setblocking(False)
        self._epoll.register(connection.socket.fileno(), select.EPOLLIN)
        self._by_fd[connection.socket.fileno()] = connection
        return connection

    def _send(self, connection: Connection, user: int, now: float) -> None:
        if now >= self._gone_at[user]:
            self._leave(user)
            self._free.append(connection)
            return
        connection.user, connection.sent_at = user, now
        try:
            # An empty send buffer takes a request of a few hundred bytes whole.
            connection.socket.send(self._requests[user])
        except OSError as error:
            self._drop(connection, type(error).__name__)

    def _leave(self, user: int) -> None:
        """Gone without a word, as a closed laptop is."""
        guest = self._waiting[user]
        if guest is not None:
            guest.left_ms = int(time.time() * 1000)
            self._waiting[user] = None

    def _receive(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(BUFFER_BYTES)
        except OSError as error:
            self._drop(connection, type(error).__name__)
            return
        if not data:
            self._drop(connection, "closed by the server")
            return
        if connection.received:
            data = connection.received + data
        try:
            parts = answer_split(data)
        except BrokenAnswer as error:
            self._drop(connection, f"broken answer {error}")
            return
        if parts is None:
            connection.received = data
            return
        connection.received = b""
        now, user = time.monotonic(), connection.user
        connection.user = -1
        if user < 0:
            self.errors["an answer that nobody asked for"] += 1
        else:
            self._polls += 1
            self._waits.append(now - self._due[user])
            self._answered(user, parts[0], data, parts[1])
        if self._heap and self._heap[0][0] <= now:
            self._send(connection, heapq.heappop(self._heap)[1], now)
        else:
            self._free.append(connection)

    def _answered(self, user: int, status: int, data: bytes, begin: int) -> None:
        if status != 200:
            self.errors[f"{status} {data[begin : begin + 60].decode(errors='replace')}"] += 1
            if status == 410:  # the place is lost: come anew
                self._leave(user)
                self._begin(user, time.monotonic())
                return
        elif data.find(WAITS, begin) >= 0:
            if self._waiting[user] is None:
                self._joined(user, json.loads(data[begin:]))
        elif data.find(ENTERED, begin) >= 0:
            self._entered(user, json.loads(data[begin:]))
            return
        else:
            self.errors["200 without canEnter"] += 1
        self._again(user, self._due[user] + self.period_s)

    def _joined(self, user: int, answer: dict[str, Any]) -> None:
        guest = Guest(joined_ms=int(time.time() * 1000), queued=True, told_s=answer["waiting"]["etaSeconds"])
        self.guests.append(guest)
        self._waiting[user] = guest
        self._requests[user] = request_bytes(
            self._address, "/traffic/entry", {"zoneId": self._zone, "token": answer["token"]}
        )

    def _entered(self, user: int, answer: dict[str, Any]) -> None:
        guest = self._waiting[user]
        if guest is None:
            guest = Guest(joined_ms=int(time.time() * 1000))
            self.guests.append(guest)
        guest.entered_ms = entered_ms_of(answer["pass"])
        self._begin(user, time.monotonic())

    def _drop(self, connection: Connection, error: str) -> None:
        """Give up a connection, and let whoever asked on it ask again on another one.

        Why is counted, unless nobody was asking: a server closes connections that nobody uses, as a balancer knows.
        """
        if connection.user >= 0:
            self.errors[error] += 1
        else:
            self._free.remove(connection)
        self._epoll.unregister(connection.socket.fileno())
        del self._by_fd[connection.socket.fileno()]
        connection.socket.close()
        if connection.user >= 0:
            self._again(connection.user, self._due[connection.user] + self.period_s)
        with contextlib.suppress(OSError):  # a server that is away is counted at the connections that it had
            self._free.append(self._open())

    def _lost_find(self, now: float) -> None:
        for connection in list(self._by_fd.values()):
            if connection.user >= 0 and now - connection.sent_at > LOST_AFTER_S:
                self._drop(connection, f"no answer within {LOST_AFTER_S:g} s")
