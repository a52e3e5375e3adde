"""Closing a listening socket while others connect, with the real kernel."""

import contextlib
import errno
import select
import socket
import sys
from collections.abc import Callable, Iterator

import pytest

from apps.realtime.listener import Address, handshakes_refuse, listener_create, port_reserve
from tests.services.waiting import eventually

VISITORS = 32

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")


@pytest.fixture
def old_and_new() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The sockets of two servers on one port, as in a rolling deploy: the kernel sends half of the visitors to each."""
    reserved, address = port_reserve(Address("127.0.0.1", 0))
    with reserved, listener_create(address, backlog=128) as old, listener_create(address, backlog=128) as new:
        yield old, new


@pytest.fixture
def visitors(old_and_new: tuple[socket.socket, socket.socket]) -> Iterator[Callable[[], list[socket.socket]]]:
    """Have so many begin to connect to the two, who hang up when the test ends, well or not."""
    with contextlib.ExitStack() as opened:

        def come() -> list[socket.socket]:
            newcomers = [opened.enter_context(socket.socket()) for _ in range(VISITORS)]
            for visitor in newcomers:
                visitor.setblocking(False)
                assert visitor.connect_ex(old_and_new[1].getsockname()) == errno.EINPROGRESS
            return newcomers

        yield come


def _are_connected(visitors: list[socket.socket]) -> bool:
    """Whether the kernel has finished their handshakes: on a busy machine it does so a moment later."""
    return len(select.select([], visitors, [], 0)[1]) == len(visitors)


def _accept_all(listener: socket.socket) -> int:
    """How many are there to be accepted; they are told something."""
    accepted = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            connection, _peer = listener.accept()
            with connection:
                connection.sendall(b"!")
            accepted += 1
    return accepted


def _answers(visitors: list[socket.socket]) -> list[bytes | str]:
    found: list[bytes | str] = []
    for visitor in visitors:
        with visitor:
            visitor.settimeout(5)
            try:
                found.append(visitor.recv(1))
            except ConnectionResetError:
                found.append("reset")
    return found


def test_closing_resets_those_who_are_not_accepted(
    old_and_new: tuple[socket.socket, socket.socket], visitors: Callable[[], list[socket.socket]]
) -> None:
    old, new = old_and_new
    connecting = visitors()
    eventually(lambda: _are_connected(connecting))
    old.close()
    accepted = _accept_all(new)
    answers = _answers(connecting)
    assert 0 < accepted < VISITORS
    assert (answers.count(b"!"), answers.count("reset")) == (accepted, VISITORS - accepted)


def test_who_comes_after_handshakes_are_refused_gets_to_the_other(
    old_and_new: tuple[socket.socket, socket.socket], visitors: Callable[[], list[socket.socket]]
) -> None:
    old, new = old_and_new
    early = visitors()
    eventually(lambda: _are_connected(early))
    assert handshakes_refuse(old)
    accepted = _accept_all(old)
    assert 0 < accepted < VISITORS
    late = visitors()
    assert _accept_all(old) == 0
    old.close()
    total = accepted

    def everybody() -> bool:
        nonlocal total
        total += _accept_all(new)
        assert total == 2 * VISITORS
        return True

    eventually(everybody)
    assert _answers(early + late) == [b"!"] * 2 * VISITORS
