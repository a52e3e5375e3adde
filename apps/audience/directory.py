"""The directory's sockets: pages that list streams watch their counts move.

Each page says which streams it shows. All of them together are read once a second in one pipeline; pages that show the
same streams, as most front pages do, share one message.
"""

import asyncio
from collections import Counter, defaultdict
from typing import Protocol

from redis.exceptions import RedisError

from apps.realtime import redis
from apps.realtime.clock import epoch_ms
from apps.realtime.hub import push_to_all
from apps.realtime.metrics import REDIS_FAILURES
from apps.realtime.outbox import Message, Outbox

from . import house_store, store
from .seats import text_message

READ_EVERY_S = 1.0
READ_TIMEOUT_S = 2.0
# A page says again that its numbers hold, as live pages do.
CONFIRM_EVERY_TICKS = 20
MAX_WATCHED = 60
# All listings of a process: most show the same popular streams. Anyone may open a listing, and each stream that it
# shows is read every second, so without a bound a thousand sockets could ask for 60,000 reads.
MAX_WATCHED_TOGETHER = 5_000


class DirectorySeat(Protocol):
    """A socket of a listing, as the board sees it."""

    outbox: Outbox
    watched: frozenset[int]
    is_greeted: bool

    def dismiss(self, code: int, reason: str) -> None:
        """Close the socket."""

    def reconnect_message(self, within_ms: int) -> Message:
        """What tells the page to come back."""


class DirectoryBoard:
    """Reads what listings show and pushes what changed."""

    def __init__(self) -> None:
        self._seats: set[DirectorySeat] = set()
        self._watchers: Counter[int] = Counter()  # stream -> listings that show it
        self._shown: dict[int, int | None] = {}  # what was last read of each watched stream
        self._house: int | None = None  # viewers of all live streams, which every page shows
        self._read_ms = epoch_ms()
        self._is_stale = False
        self._ticks = 0

    def add(self, seat: DirectorySeat) -> None:
        """A listing opened."""
        self._seats.add(seat)

    def watch(self, seat: DirectorySeat, stream_ids: frozenset[int]) -> bool:
        """A listing says what it shows from now on. False: all listings together would show too many streams."""
        known = self._watchers.keys()
        if len(known) + len(stream_ids - known) > MAX_WATCHED_TOGETHER:
            return False
        self._watchers.update(stream_ids)
        self._unwatch(seat)
        seat.watched = stream_ids
        seat.is_greeted = False
        return True

    def _unwatch(self, seat: DirectorySeat) -> None:
        for stream_id in seat.watched:
            self._watchers[stream_id] -= 1
            if not self._watchers[stream_id]:
                del self._watchers[stream_id]

    def remove(self, seat: DirectorySeat) -> None:
        """A listing closed."""
        self._unwatch(seat)
        seat.watched = frozenset()
        self._seats.discard(seat)

    def seats(self) -> list[DirectorySeat]:
        """Every listing that is open here."""
        return list(self._seats)

    async def run(self) -> None:
        """Read and push once a second until cancelled."""
        while True:
            await asyncio.sleep(READ_EVERY_S)
            await self.tick()

    async def tick(self) -> None:
        """One reading of all watched streams and the pushes that follow."""
        groups: dict[tuple[frozenset[int], bool], list[DirectorySeat]] = defaultdict(list)
        for seat in self._seats:
            if seat.watched:
                groups[seat.watched, seat.is_greeted].append(seat)
        if not groups:
            self._shown = {}
            self._read_ms = epoch_ms()  # nobody is shown anything, so nothing is old
            return
        try:
            now, house = await self._read(sorted(self._watchers))
        except (RedisError, OSError, TimeoutError):
            REDIS_FAILURES.labels("audience_directory").inc()
            await self._say_stale(groups)
            return
        before, self._shown, self._read_ms = self._shown, now, epoch_ms()
        house_moved, self._house = house != self._house, house
        self._ticks += 1
        whole = self._is_stale or self._ticks % CONFIRM_EVERY_TICKS == 0
        self._is_stale = False
        for (watched, is_greeted), seats in groups.items():
            everything = whole or not is_greeted
            counts = {i: now[i] for i in watched if everything or now[i] != before.get(i, -1)}
            if counts or house_moved:
                frame = {"type": "counts", "counts": counts, "house": house, "at": self._read_ms}
                await push_to_all([seat.outbox for seat in seats], text_message(frame))
            for seat in seats:
                # Unless it asked for other streams while this was going out.
                seat.is_greeted = seat.watched == watched

    async def _read(self, stream_ids: list[int]) -> tuple[dict[int, int | None], int | None]:
        async with asyncio.timeout(READ_TIMEOUT_S):
            replies = await redis.run([house_store.house(), *(store.figures(stream_id) for stream_id in stream_ids)])
        if error := redis.first_error(replies):
            raise error
        house, *of_streams = replies
        figures = map(store.figures_of, of_streams)
        counts = {
            stream_id: None if of_stream.state == "ended" else of_stream.current
            for stream_id, of_stream in zip(stream_ids, figures, strict=True)
        }
        return counts, None if house is None else int(house)

    async def _say_stale(self, groups: dict[tuple[frozenset[int], bool], list[DirectorySeat]]) -> None:
        message = text_message({"type": "stale", "since": self._read_ms})
        for (watched, is_greeted), seats in groups.items():
            if not self._is_stale or not is_greeted:  # once to each; when Redis is back, all are sent everything
                await push_to_all([seat.outbox for seat in seats], message)
                for seat in seats:
                    seat.is_greeted = seat.watched == watched
        self._is_stale = True
