"""Viewers who never read: they are cut off, cost next to nothing until then, and hold nobody up."""

import base64
import os
import socket
import time
from collections.abc import Callable

import pytest

from apps.streams.models import Stream
from tests.load.crowd import ticket_make
from tests.load.machine import own_memory_kib
from tests.services.waiting import eventually_async
from tests.services.web import WebServer

from .house import Watched, metric, off_loop, open_tab

pytestmark = [pytest.mark.slow]

STALLED = 40
SMALLEST_BUFFER = 4_096
# 16 KiB unsent are some 180 counts, each a write of its own to libuv (measured: 155 KiB in all, and then no more).
# Without a bound it would be over 500 by the time they are cut.
KIB_A_STALLED_READER = 256
# Who was held up would wait as long as a stalled reader is given (`hasty_house`); a busy machine stops for less.
LONGEST_WAIT_S = 4.0


def stall(server: WebServer, stream_id: int) -> socket.socket:
    """A viewer's socket with the smallest buffer there is, which is never read after it was asked for."""
    ticket = ticket_make(stream_id)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALLEST_BUFFER)
    sock.connect(("127.0.0.1", server.port))
    sock.sendall(
        f"GET {ticket.path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nOrigin: {server.base_url}\r\n"
        f"Cookie: fullhouse_viewer={ticket.browser_id}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode()
    )
    return sock


async def test_a_viewer_who_never_reads_is_cut_off_and_holds_nobody_up(
    web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    application = "tests.audience.faults.hasty_house.application"
    server = web(args=("--application", application, "--socket-buffer", str(SMALLEST_BUFFER)))
    reader = await open_tab(server, ticket_make(stream.pk))
    await reader.sees_count(1)
    # As many who read, and leave: what the first connections of a process cost is nobody's stall.
    for tab in [await open_tab(server, ticket_make(stream.pk)) for _ in range(STALLED)]:
        await tab.sees(lambda one: len(one.frames) > 50)
        await tab.leave()
    await watched.settles(current=1, tabs=1)
    before_kib = own_memory_kib(server.pid)
    stalled = [stall(server, stream.pk) for _ in range(STALLED)]
    try:
        await reader.sees_count(STALLED + 1)
        started, most_kib, latest, longest = time.monotonic(), 0, time.monotonic(), 0.0
        frames = len(reader.frames)

        async def all_are_cut() -> bool:
            nonlocal most_kib, latest, longest, frames
            most_kib = max(most_kib, own_memory_kib(server.pid))
            longest = max(longest, time.monotonic() - latest)
            if len(reader.frames) > frames:
                frames, latest = len(reader.frames), time.monotonic()
            return watched.figures[0] == 1

        await eventually_async(all_are_cut, deadline=60, every=0.02)
        cut_s = time.monotonic() - started
    finally:
        for sock in stalled:
            sock.close()
    grown_kib = most_kib - before_kib
    print(f"{frames} frames; cut after {cut_s:.1f} s; {grown_kib} KiB more; others waited {longest:.2f} s at most")
    assert grown_kib < STALLED * KIB_A_STALLED_READER
    assert longest < LONGEST_WAIT_S
    await reader.sees_count(1)
    await watched.settles(current=1, tabs=1)
    assert await off_loop(lambda: metric(server, "fullhouse_slow_sockets_closed_total")) == STALLED
    assert metric(server, "fullhouse_audience_sessions") == 1
    assert reader.is_open


async def test_one_who_does_not_even_answer_a_ping_is_cut_off_long_before_buffers_are_full(
    web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    """The kernel would take counts for hours; the ping finds out, and nobody waits for the answer to the close."""
    server = web(args=("--ping-interval", "1"))
    reader = await open_tab(server, ticket_make(stream.pk))
    stalled = stall(server, stream.pk)
    try:
        await reader.sees_count(2)
        started = time.monotonic()
        await reader.sees_count(1, deadline=30)
        print(f"cut after {time.monotonic() - started:.1f} s")
    finally:
        stalled.close()
    await watched.settles(current=1, tabs=1)
    assert watched.figures == (1, 2, 2)
    assert reader.is_open
