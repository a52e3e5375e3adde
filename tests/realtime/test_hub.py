"""Local fan-out: who is subscribed gets one and the same object; the loop gets its turn between batches."""

import asyncio

from apps.realtime.hub import BATCH, Hub
from apps.realtime.metrics import DELIVERIES
from apps.realtime.outbox import Outbox
from tests.realtime.peers import Peer, frame, turns


def never() -> None:
    raise AssertionError("nobody is given up here")


def outbox_of(peer: Peer) -> Outbox:
    return Outbox(peer, never)


async def test_all_of_a_topic_and_nobody_else_get_the_same_object() -> None:
    hub, message = Hub(), frame("hello")
    inside, outside = [Peer() for _ in range(3)], Peer()
    for peer in inside:
        hub.subscribe(7, outbox_of(peer))
    hub.subscribe(8, outbox_of(outside))
    before = DELIVERIES._value.get()
    assert await hub.publish(7, message) == 3
    assert DELIVERIES._value.get() == before + 3
    assert all(peer.got == [message] and peer.got[0] is message for peer in inside)
    assert outside.got == []


async def test_only_those_who_took_it_at_once_are_counted() -> None:
    hub, reader, slow, gone = Hub(), Peer(), Peer(reads=False), Peer()
    gone.leave(OSError("gone"))
    for peer in (reader, slow, gone):
        hub.subscribe(7, outbox_of(peer))
    before = DELIVERIES._value.get()
    assert await hub.publish(7, frame("one")) == 1
    assert DELIVERIES._value.get() == before + 1
    slow.read_on()
    await turns()
    assert (reader.texts, slow.texts, gone.got) == (["one"], ["one"], [])


async def test_subscribing_twice_is_once_and_the_hub_says_which() -> None:
    hub, peer = Hub(), Peer()
    outbox = outbox_of(peer)
    assert [hub.subscribe(7, outbox), hub.subscribe(7, outbox), hub.subscribe(8, outbox)] == [True, False, True]
    assert sorted(map(str, hub.topics())) == ["7", "8"]
    assert await hub.publish(7, frame("once")) == 1
    assert peer.texts == ["once"]


async def test_who_unsubscribed_gets_nothing_and_an_empty_topic_is_forgotten() -> None:
    hub, one, other = Hub(), Peer(), Peer()
    first, second = outbox_of(one), outbox_of(other)
    hub.subscribe(7, first)
    hub.subscribe(7, second)
    hub.unsubscribe(7, first)
    assert await hub.publish(7, frame("x")) == 1
    assert (one.got, other.texts) == ([], ["x"])
    hub.unsubscribe(7, second)
    hub.unsubscribe(7, second)
    hub.unsubscribe(9, second)
    assert hub.topics() == []
    assert await hub.publish(7, frame("to nobody")) == 0


async def test_a_large_topic_gives_way_between_batches() -> None:
    hub = Hub()
    peers = [Peer() for _ in range(2 * BATCH + 1)]
    for peer in peers:
        hub.subscribe(7, outbox_of(peer))
    publishing = asyncio.get_running_loop().create_task(hub.publish(7, frame("x")))
    seen = []
    while not publishing.done():
        await asyncio.sleep(0)
        seen.append(sum(len(peer.got) for peer in peers))
    assert publishing.result() == 2 * BATCH + 1
    assert seen[:3] == [BATCH, 2 * BATCH, 2 * BATCH + 1]


async def test_members_may_come_and_go_while_it_publishes() -> None:
    hub = Hub()
    peers = [Peer() for _ in range(BATCH + 10)]
    outboxes = [outbox_of(peer) for peer in peers]
    for outbox in outboxes:
        hub.subscribe(7, outbox)
    publishing = asyncio.get_running_loop().create_task(hub.publish(7, frame("x")))
    await asyncio.sleep(0)
    late = Peer()
    hub.subscribe(7, outbox_of(late))
    for outbox in outboxes:
        hub.unsubscribe(7, outbox)
    assert await publishing == BATCH + 10
    assert late.got == []  # it came after this message
    assert await hub.publish(7, frame("y")) == 1
    assert late.texts == ["y"]
