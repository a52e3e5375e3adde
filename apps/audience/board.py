"""The board: reads the figures of the streams that this process serves and pushes what changed.

One pipeline of reads each READ_EVERY_S for all streams together, replicas allowed. A stream is pushed at most once a
second, and unchanged again every CONFIRM_EVERY_S, so that a page knows how fresh its number is. When Redis cannot be
read for STALE_AFTER_S the viewers are told so once, and keep their sockets.
"""

import asyncio
import logging
import time

from channels.db import database_sync_to_async
from django.db import DatabaseError
from redis.exceptions import RedisError

from apps.realtime import redis
from apps.realtime.clock import epoch_ms
from apps.realtime.close_codes import NOT_FOUND
from apps.realtime.metrics import REDIS_FAILURES, REJECTED

from . import services, store
from .edge import Edge
from .metrics import PUSHES, STALE
from .seats import LocalStream, count_message, text_message

logger = logging.getLogger(__name__)

# Twice a second, so that a lone change is seen in about half of one; the floor between two pushes is PUSH_EVERY_S.
READ_EVERY_S = 0.5
PUSH_EVERY_S = 1.0
CONFIRM_EVERY_S = 20.0
STALE_AFTER_S = 2.0
READ_TIMEOUT_S = 2.0
# One question a stream at a time, and not again at once when the database did not answer.
DOUBT_RETRY_S = 5.0


class Board:
    """Pushes figures to the sockets of one edge."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._read_ms = epoch_ms()
        self._is_stale = False
        self._missed = False

    async def run(self) -> None:
        """Read and push until cancelled, in step with the clock so that a slow push doesn't shift the next."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + READ_EVERY_S, loop.time())
            await asyncio.sleep(due - loop.time())
            await self.tick()

    async def tick(self) -> None:
        """One reading of every stream served here, and the pushes that follow from it."""
        streams = [stream for stream in self._edge.streams.values() if stream.seats]
        if not streams:
            self._read_ms = epoch_ms()  # nobody is shown anything, so nothing is old
            self._fresh_again()
            return
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                replies = await redis.run([store.figures(stream.stream_id) for stream in streams])
            if error := redis.first_error(replies):
                raise error
        except (RedisError, OSError, TimeoutError):
            REDIS_FAILURES.labels("audience_board").inc()
            self._missed = True
            await self._say_stale()
            return
        if self._missed:
            # Whatever happened meanwhile, Redis may have come back with less than it had.
            self._missed = False
            for stream in self._edge.streams.values():
                stream.announce_now = True
        self._read_ms = epoch_ms()
        for stream, reply in zip(streams, replies, strict=True):
            await self._take(stream, store.figures_of(reply))
        self._fresh_again()

    def _fresh_again(self) -> None:
        if self._is_stale:
            self._is_stale = False
            self._edge.stale_word = None
            STALE.set(0)

    async def _take(self, stream: LocalStream, figures: store.Figures) -> None:
        if figures.state == "ended":
            self._edge.end_soon(stream.stream_id)
            return
        if figures.state == "":
            if figures.total == 0:
                stream.announce_now = True  # Redis has forgotten this stream: it gets everything again at once
            stream.in_doubt = True
        if stream.in_doubt and not stream.settling:
            stream.in_doubt, stream.settling = False, True
            self._edge.spawn(self._settle_doubt(stream))
        if figures.total >= stream.known.total:
            stream.known = figures
        await self._push(stream, figures)

    async def _push(self, stream: LocalStream, figures: store.Figures) -> None:
        now = time.monotonic()
        changed = figures != stream.pushed or self._is_stale
        waited = now - stream.pushed_at
        # Two readings after the last push, however late that one was: half a reading of grace tells two from one, and a
        # busy moment does not make the next change wait for a third.
        if (changed and waited >= PUSH_EVERY_S - READ_EVERY_S / 2) or waited >= CONFIRM_EVERY_S:
            stream.pushed, stream.pushed_at = figures, now
            PUSHES.inc()
            await self._edge.hub.publish(stream.stream_id, count_message(stream.stream_id, figures, self._read_ms))

    async def _say_stale(self) -> None:
        if self._is_stale or epoch_ms() - self._read_ms < STALE_AFTER_S * 1000:
            return
        self._is_stale = True
        STALE.set(1)
        message = self._edge.stale_word = text_message({"type": "stale", "since": self._read_ms})
        for topic in self._edge.hub.topics():
            await self._edge.hub.publish(topic, message)

    async def _settle_doubt(self, stream: LocalStream) -> None:
        """Redis does not know whether this stream is live (it was wiped, or never told): the database does."""
        try:
            is_live = await database_sync_to_async(services.stream_relist)(stream_id=stream.stream_id)
        except (DatabaseError, RedisError, OSError):
            logger.warning("cannot ask whether stream %s is live; its viewers stay", stream.stream_id, exc_info=True)
            await asyncio.sleep(DOUBT_RETRY_S)
            return
        finally:
            stream.settling = False
        if is_live is None:
            reason = "unknown_stream: there is no such stream"
            dismissed = await self._edge.dismiss_stream(stream.stream_id, NOT_FOUND, reason)
            REJECTED.labels("viewer", "unknown_stream").inc(dismissed)
            await self._edge.forget_stream(stream.stream_id)
        elif not is_live:
            self._edge.end_soon(stream.stream_id)
