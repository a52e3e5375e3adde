"""The edge: the viewers whose sockets this process holds, and what Redis must be told of them.

What the sockets say is true; Redis follows. Joins and leaves gather for a moment and go out as one pipeline, a call a
stream. When Redis cannot be reached they wait here, in order, and nobody is disconnected.

A change travels: consumer -> `join` / `leave` -> a flush after FLUSH_DELAY_S -> Redis -> `board` reads it back and
pushes it to every socket of the stream. `pulse` announces all of it again every BEAT_EVERY_S, so that whatever Redis
lost or never heard comes back by itself.
"""

import asyncio
import logging
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from redis.exceptions import RedisError

from apps.realtime import redis
from apps.realtime.clock import epoch_ms
from apps.realtime.close_codes import GONE, REPLACED
from apps.realtime.hub import BATCH, Hub
from apps.realtime.metrics import REDIS_FAILURES
from apps.realtime.outbox import Message

from . import store
from .metrics import LATE_LEAVES_DROPPED, SESSIONS_HELD
from .seats import LocalStream, count_message, text_message
from .seats import Seat as Seat
from .sessions import DRAIN_GRACE_MS, Session, owner_make, seoul_day
from .store import Figures

logger = logging.getLogger(__name__)

# Long enough to gather a crowd into one call, short enough that nobody sees it.
FLUSH_DELAY_S = 0.04
RETRY_DELAY_S = 1.0
# Leaves that Redis could not be told of. Past this the oldest are dropped: the sessions fall silent within a minute.
LEAVES_KEPT = 100_000


class Edge:
    """The ledger of this process. One a server process; every method runs on its event loop."""

    def __init__(self) -> None:
        self.server = secrets.token_hex(6)
        self.hub = Hub()
        self.streams: dict[int, LocalStream] = {}
        self.is_leaving = False
        # One call at a time says who is here: on two connections a leave could overtake a heartbeat that still names
        # the session, which would then be counted for a minute after it left.
        self.speaking = asyncio.Lock()
        self.stale_word: Message | None = None  # what viewers were told while Redis cannot be read
        self._serial = 0
        self._dirty: set[int] = set()
        self._flush_task: asyncio.Task[None] | None = None

    # --- who comes and goes -----------------------------------------------------------------------------------

    def session_make(self, *, session_id: str, viewer_id: str, stream_id: int) -> Session:
        """A session held by a new connection of this process."""
        self._serial += 1
        owner = owner_make(connected_ms=epoch_ms(), server=self.server, serial=self._serial)
        return Session(session_id=session_id, viewer_id=viewer_id, stream_id=stream_id, owner=owner)

    def join(self, seat: Seat) -> None:
        """A viewer came. A second connection of the same session takes the first one's place."""
        stream = self.streams.setdefault(seat.session.stream_id, LocalStream(seat.session.stream_id))
        before = stream.seats.get(seat.session.session_id)
        stream.seats[seat.session.session_id] = seat
        stream.arrived[seat.session.session_id] = seat
        if before is None:
            SESSIONS_HELD.inc()
        else:
            # Ignored by Redis once it knows the new owner; needed if the new one leaves before it was ever told.
            stream.departed.append(before.session)
            # It was here all the time, even if Redis has forgotten it.
            seat.session = replace(seat.session, joined_ms=before.session.since_ms)
            self._let_go(before, REPLACED, "replaced: this tab was opened elsewhere")
        self._flush_soon(stream)

    def leave(self, seat: Seat) -> None:
        """A viewer left. Late or repeated, it does nothing."""
        stream = self.streams.get(seat.session.stream_id)
        if stream is None or stream.seats.get(seat.session.session_id) is not seat:
            return
        self._unseat(stream, seat)
        if stream.arrived.get(seat.session.session_id) is seat:
            del stream.arrived[seat.session.session_id]
        # Also if it was never told: a call that failed may have been done, and a leave of a stranger does nothing.
        stream.departed.append(seat.session)
        self._flush_soon(stream)

    def _unseat(self, stream: LocalStream, seat: Seat) -> None:
        del stream.seats[seat.session.session_id]
        self.hub.unsubscribe(stream.stream_id, seat.outbox)
        SESSIONS_HELD.dec()

    def _let_go(self, seat: Seat, code: int, reason: str) -> None:
        self.hub.unsubscribe(seat.session.stream_id, seat.outbox)
        seat.dismiss(code, reason)

    def learn(self, stream: LocalStream, told: Iterable[Seat], reply: Sequence[Any]) -> None:
        """What Redis answered when it was told of these seats: some are held elsewhere, some came before we knew them.

        When a tab came is known only to Redis until who took it over has been told; from then on it is known here, too.
        """
        owners = {seat.session.session_id: seat.session.owner for seat in told}
        self.lose(stream, store.lost_read(reply), owners)
        for session_id, since_ms in store.earlier_read(reply).items():
            seat = stream.seats.get(session_id)
            if seat is not None and seat.session.owner == owners[session_id]:
                seat.session = replace(seat.session, joined_ms=since_ms)

    def lose(self, stream: LocalStream, session_ids: Iterable[str], owners: dict[str, str]) -> None:
        """A newer connection on another process holds these sessions: ours go, without a leave.

        `owners` says which connection Redis was told of; one that came since is not meant.
        """
        for session_id in session_ids:
            seat = stream.seats.get(session_id)
            if seat is not None and seat.session.owner == owners.get(session_id):
                self._unseat(stream, seat)
                seat.dismiss(REPLACED, "replaced: this tab was opened elsewhere")

    async def dismiss_stream(self, stream_id: int, code: int, reason: str, last_word: Message | None = None) -> int:
        """Every socket of a stream is told a last word and closed, in batches; how many. Redis is told nothing."""
        stream = self.streams.pop(stream_id, None)
        if stream is None:
            return 0
        seats, stream.seats = stream.seats, {}
        SESSIONS_HELD.dec(len(seats))
        for number, seat in enumerate(seats.values(), start=1):
            if last_word is not None:
                seat.outbox.push(last_word)
            self._let_go(seat, code, reason)
            if number % BATCH == 0:
                await asyncio.sleep(0)
        return len(seats)

    async def forget_stream(self, stream_id: int) -> None:
        """Take out of Redis what its visitors left there: there is no such stream."""
        async with self.speaking:  # after whatever was being told of it
            await redis.run([store.forget(stream_id=stream_id, day=seoul_day(epoch_ms()))])

    # --- telling Redis ----------------------------------------------------------------------------------------

    def _flush_soon(self, stream: LocalStream, delay: float = FLUSH_DELAY_S) -> None:
        self._dirty.add(stream.stream_id)
        if self._flush_task is None:
            self._flush_task = asyncio.get_running_loop().create_task(self._flush_until_clean(delay))

    async def _flush_until_clean(self, delay: float) -> None:
        try:
            while self._dirty:
                await asyncio.sleep(delay)
                delay = FLUSH_DELAY_S if await self.flush() else RETRY_DELAY_S
        finally:
            self._flush_task = None

    async def flush(self) -> bool:
        """Tell Redis of everybody who came or left since the last time; who could not be told waits for the next.

        False if nobody could be told. One stream's trouble must not slow the others down.
        """
        async with self.speaking:
            calls = list(self._calls())
            try:
                replies = await redis.run([command for command, _, _, _ in calls])
            except (RedisError, OSError) as error:
                replies = [error] * len(calls)
            # What a stream came to after all of its calls: newcomers are not shown a moment in between.
            came_to = {
                stream.stream_id: store.figures_read(reply)
                for (_, stream, _, _), reply in zip(calls, replies, strict=True)
                if not isinstance(reply, Exception)
            }
            for (_, stream, arrived, departed), reply in zip(calls, replies, strict=True):
                if isinstance(reply, Exception):
                    REDIS_FAILURES.labels("audience_flush").inc()
                    self._put_back(stream, arrived, departed)
                else:
                    self._told(stream, arrived, reply, came_to[stream.stream_id])
            return bool(came_to) or not calls

    def _calls(self) -> Iterator[tuple[redis.Command, LocalStream, list[Seat], list[Session]]]:
        """Announce and depart calls of all dirty streams, arrivals first so that a join and its leave stay in order."""
        now_ms = epoch_ms()
        common: dict[str, Any] = {"day": seoul_day(now_ms), "now_ms": now_ms, "server": self.server}
        dirty, self._dirty = self._dirty, set()
        for stream in filter(None, map(self.streams.get, dirty)):
            arrived, stream.arrived = list(stream.arrived.values()), {}
            departed, stream.departed = stream.departed, []
            of_stream = {**common, "stream_id": stream.stream_id, "held": len(stream.seats)}
            for start in range(0, len(arrived), store.ARRIVALS_PER_CALL):
                part = arrived[start : start + store.ARRIVALS_PER_CALL]
                sessions = [seat.session for seat in part]
                call = store.announce(
                    **of_stream, known=stream.known, sessions=sessions, arrivals=True, raises_peak=not departed
                )
                yield call, stream, part, []
            grace_ms = DRAIN_GRACE_MS if self.is_leaving else 0
            for start in range(0, len(departed), store.ARRIVALS_PER_CALL):
                gone = departed[start : start + store.ARRIVALS_PER_CALL]
                is_last = start + len(gone) == len(departed)
                call = store.depart(**of_stream, sessions=gone, grace_ms=grace_ms, raises_peak=is_last)
                yield call, stream, [], gone

    def _put_back(self, stream: LocalStream, arrived: list[Seat], departed: list[Session]) -> None:
        self.streams.setdefault(stream.stream_id, stream)
        for seat in arrived:
            if stream.seats.get(seat.session.session_id) is seat:
                stream.arrived.setdefault(seat.session.session_id, seat)
                # To be told that the figures are old, at once if the others know already.
                if self.hub.subscribe(stream.stream_id, seat.outbox) and self.stale_word is not None:
                    seat.outbox.push(self.stale_word)
        stream.departed = departed + stream.departed
        if (excess := len(stream.departed) - LEAVES_KEPT) > 0:
            LATE_LEAVES_DROPPED.inc(excess)
            del stream.departed[:excess]
        self._dirty.add(stream.stream_id)

    def _told(self, stream: LocalStream, arrived: list[Seat], reply: list[Any], figures: Figures) -> None:
        if figures.state == "ended":
            self.end_soon(stream.stream_id)
            return
        if figures.total >= stream.known.total:
            stream.known = figures
        else:
            stream.announce_now = True  # Redis lost this stream: what we saw before goes with the announcement
        if figures.state != "live":
            stream.in_doubt = True
        if arrived:
            self.learn(stream, arrived, reply)
            welcome = count_message(stream.stream_id, figures, epoch_ms())
            if figures != stream.pushed:
                stream.pushed = None  # newcomers are shown other figures than the rest: the next push is for all
            for seat in arrived:
                if stream.seats.get(seat.session.session_id) is seat:
                    self.hub.subscribe(stream.stream_id, seat.outbox)
                    seat.outbox.push(welcome)
        self.drop_if_idle(stream)

    def drop_if_idle(self, stream: LocalStream) -> None:
        """Drop a stream that nobody here watches, unless another took its place: a refused address may be asked for
        again meanwhile."""
        if stream.is_idle and self.streams.get(stream.stream_id) is stream:
            del self.streams[stream.stream_id]

    # --- endings ----------------------------------------------------------------------------------------------

    def end_soon(self, stream_id: int) -> None:
        """The stream is over: tell its viewers and close."""
        word = text_message({"type": "ended", "stream": stream_id})
        self.spawn(self.dismiss_stream(stream_id, GONE, "ended: the stream is over", word))

    def spawn(self, work: Any) -> None:
        """Run something beside; its failure is logged, never lost."""
        task = asyncio.get_running_loop().create_task(work)
        _beside.add(task)
        task.add_done_callback(_finished)

    def seats(self) -> list[Seat]:
        """Everybody, in no order."""
        return [seat for stream in self.streams.values() for seat in stream.seats.values()]

    def sessions_held(self) -> int:
        """How many sessions this process holds."""
        return sum(len(stream.seats) for stream in self.streams.values())


_beside: set[asyncio.Task[Any]] = set()


def _finished(task: asyncio.Task[Any]) -> None:
    _beside.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("work beside the edge failed", exc_info=error)
