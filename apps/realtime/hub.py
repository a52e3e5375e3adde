"""Local fan-out: topics to the sockets of this process. One message object a push, reused for every socket."""

import asyncio
from collections.abc import Hashable, Iterable

from .metrics import DELIVERIES
from .outbox import Message, Outbox

# Sockets between two turns of the event loop: 500 pushes take about 5 ms, so that a join or a poll never waits longer.
BATCH = 500


class Hub:
    """Who of this process listens to what. Not for several event loops: each server process has one."""

    def __init__(self) -> None:
        self._topics: dict[Hashable, set[Outbox]] = {}

    def subscribe(self, topic: Hashable, outbox: Outbox) -> bool:
        """Send this topic's messages to the socket from now on; twice is once. True if it was not subscribed."""
        members = self._topics.setdefault(topic, set())
        before = len(members)
        members.add(outbox)
        return len(members) > before

    def unsubscribe(self, topic: Hashable, outbox: Outbox) -> None:
        """Stop sending this topic to the socket; nothing happens if it was not subscribed."""
        members = self._topics.get(topic)
        if members is not None:
            members.discard(outbox)
            if not members:
                del self._topics[topic]

    def topics(self) -> list[Hashable]:
        """Topics with at least one socket."""
        return list(self._topics)

    async def publish(self, topic: Hashable, message: Message) -> int:
        """Push to every socket of the topic, giving way to the loop between batches; how many took it at once."""
        return await push_to_all(tuple(self._topics.get(topic, ())), message)


async def push_to_all(outboxes: Iterable[Outbox], message: Message) -> int:
    """Push to each of these sockets, giving way to the loop between batches; how many took it at once.

    Whoever is awaited in between may change what `outboxes` comes from: hand over a copy.
    """
    delivered = 0
    for number, outbox in enumerate(outboxes, start=1):
        delivered += outbox.push(message)
        if number % BATCH == 0:
            await asyncio.sleep(0)
    DELIVERIES.inc(delivered)
    return delivered
