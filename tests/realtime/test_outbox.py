"""One socket's way out: at once when the peer reads, the newest message when it does not, an end when it never does."""

import asyncio

import pytest

from apps.realtime import outbox as outboxes
from apps.realtime.metrics import SLOW_SOCKETS_CLOSED
from apps.realtime.outbox import Outbox
from tests.realtime.peers import Peer, frame, turns
from tests.services.waiting import eventually_async

CLOSE = {"type": "websocket.close", "code": 4410, "reason": "ended"}


class Socket:
    """A peer with its outbox; counts how often it was given up."""

    def __init__(self, *, reads: bool = True) -> None:
        self.peer = Peer(reads=reads)
        self.abandoned = 0
        self.outbox = Outbox(self.peer, self._abandon)

    def _abandon(self) -> None:
        self.abandoned += 1

    async def drained(self) -> None:
        async def is_drained() -> bool:
            return not self.outbox.is_slow

        await eventually_async(is_drained, deadline=5, every=0.001)


async def test_a_peer_that_reads_gets_everything_at_once_and_without_a_task() -> None:
    socket = Socket()
    before = len(asyncio.all_tasks())
    assert [socket.outbox.push(frame(number)) for number in range(100)] == [True] * 100
    assert socket.peer.texts == [str(number) for number in range(100)]
    assert len(asyncio.all_tasks()) == before
    assert socket.outbox.is_slow is False


async def test_the_message_object_is_handed_on_as_it_is() -> None:
    socket, message = Socket(), frame("one object for all")
    socket.outbox.push(message)
    assert socket.peer.got[0] is message


async def test_of_all_that_came_while_it_did_not_read_only_the_newest_is_sent() -> None:
    socket = Socket(reads=False)
    before = len(asyncio.all_tasks())
    assert [socket.outbox.push(frame(number)) for number in range(1000)] == [False] * 1000
    await turns()
    assert len(asyncio.all_tasks()) == before + 1  # one task, however many messages
    assert (socket.outbox.is_slow, socket.peer.calls, socket.peer.got) == (True, 1, [])
    socket.peer.read_on()
    await socket.drained()
    assert socket.peer.texts == ["0", "999"]
    assert socket.outbox.push(frame("next")) is True
    assert socket.peer.texts == ["0", "999", "next"]
    assert socket.abandoned == 0


async def test_what_comes_while_it_drains_is_sent_after_in_order() -> None:
    socket = Socket(reads=False)
    socket.outbox.push(frame("first"))
    socket.outbox.push(frame("second"))
    await turns()
    socket.peer.read_on()
    await turns(1)
    socket.peer.stop_reading()
    socket.outbox.push(frame("third"))
    socket.peer.read_on()
    await socket.drained()
    assert socket.peer.texts[0] == "first"
    assert socket.peer.texts[-1] == "third"
    assert socket.peer.texts in (["first", "third"], ["first", "second", "third"])


async def test_it_may_be_slow_again_and_again() -> None:
    socket = Socket()
    expected = []
    for number in range(5):
        socket.peer.stop_reading()
        socket.outbox.push(frame(f"a{number}"))
        socket.outbox.push(frame(f"b{number}"))
        socket.outbox.push(frame(f"c{number}"))
        socket.peer.read_on()
        await socket.drained()
        expected += [f"a{number}", f"c{number}"]
    assert socket.peer.texts == expected


async def test_a_close_is_the_last_word_and_nothing_takes_its_place() -> None:
    socket = Socket(reads=False)
    socket.outbox.push(frame("waits"))
    socket.outbox.push(frame("is dropped"))
    socket.outbox.push(CLOSE)
    socket.outbox.push(frame("a count that was under way"))
    socket.peer.read_on()
    await socket.drained()
    assert socket.peer.got == [frame("waits"), CLOSE]


async def test_a_peer_that_never_reads_is_given_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "DRAIN_SECONDS", 0.05)
    before = SLOW_SOCKETS_CLOSED._value.get()
    socket = Socket(reads=False)
    socket.outbox.push(frame("never read"))
    socket.outbox.push(frame("nor this"))

    async def is_abandoned() -> bool:
        return socket.abandoned == 1

    await eventually_async(is_abandoned, deadline=5, every=0.01)
    assert SLOW_SOCKETS_CLOSED._value.get() == before + 1
    # Whatever is still pushed until the consumer is gone waits for nobody and starts nothing.
    tasks = len(asyncio.all_tasks())
    assert [socket.outbox.push(frame(number)) for number in range(10)] == [False] * 10
    await turns()
    assert (len(asyncio.all_tasks()), socket.peer.calls, socket.abandoned) == (tasks, 1, 1)


async def test_a_peer_that_reads_in_time_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "DRAIN_SECONDS", 30.0)
    socket = Socket(reads=False)
    socket.outbox.push(frame("late"))
    await turns(50)
    socket.peer.read_on()
    await socket.drained()
    assert (socket.peer.texts, socket.abandoned) == (["late"], 0)


@pytest.mark.parametrize("error", [OSError("gone"), ConnectionResetError(), RuntimeError("after close")], ids=repr)
async def test_a_peer_that_left_is_no_trouble(error: Exception) -> None:
    socket = Socket()
    socket.peer.leave(error)
    assert socket.outbox.push(frame("to nobody")) is False
    assert (socket.outbox.is_slow, socket.abandoned, socket.peer.got) == (False, 0, [])


@pytest.mark.parametrize("error", [OSError("gone"), RuntimeError("after close")], ids=repr)
async def test_a_peer_that_leaves_while_it_is_waited_for_is_no_trouble(error: Exception) -> None:
    socket = Socket(reads=False)
    socket.outbox.push(frame("first"))
    socket.outbox.push(frame("second"))
    await turns()
    socket.peer.leave(error)
    await socket.drained()
    assert (socket.abandoned, socket.peer.got) == (0, [])
    # Nothing old comes out behind something newer.
    socket.peer.gone = None
    assert socket.outbox.push(frame("third")) is True
    assert socket.peer.texts == ["third"]


async def test_a_fault_of_ours_is_not_swallowed() -> None:
    socket = Socket()
    socket.peer.leave(KeyError("a bug"))
    with pytest.raises(KeyError):
        socket.outbox.push(frame("x"))
