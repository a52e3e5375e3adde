"""Closing a listening socket while others connect, with the real kernel."""

import errno
import socket
import sys
from collections.abc import Iterator

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


def _visitors(address: tuple[str, int]) -> list[socket.socket]:
    visitors = [socket.socket() for _ in range(VISITORS)]
    for visitor in visitors:
        visitor.setblocking(False)
        assert visitor.connect_ex(address) == errno.EINPROGRESS
    return visitors


def _accept_all(listener: socket.socket) -> int:
    """How many are there to be accepted; they are told something."""
    for number in range(VISITORS + 1):
        try:
            connection, _peer = listener.accept()
        except BlockingIOError:
            return number
        with connection:
            connection.sendall(b"!")
    raise AssertionError("more than there are")


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


def test_closing_resets_those_who_are_not_accepted(old_and_new: tuple[socket.socket, socket.socket]) -> None:
    old, new = old_and_new
    visitors = _visitors(new.getsockname())
    old.close()
    accepted = _accept_all(new)
    answers = _answers(visitors)
    assert 0 < accepted < VISITORS
    assert (answers.count(b"!"), answers.count("reset")) == (accepted, VISITORS - accepted)


def test_who_comes_after_handshakes_are_refused_gets_to_the_other(
    old_and_new: tuple[socket.socket, socket.socket],
) -> None:
    old, new = old_and_new
    early = _visitors(new.getsockname())
    assert handshakes_refuse(old)
    accepted = _accept_all(old)
    assert 0 < accepted < VISITORS
    late = _visitors(new.getsockname())
    assert _accept_all(old) == 0
    old.close()
    total = accepted

    def everybody() -> bool:
        nonlocal total
        total += _accept_all(new)
        return total == 2 * VISITORS

    eventually(everybody)
    assert _answers(early + late) == [b"!"] * 2 * VISITORS
