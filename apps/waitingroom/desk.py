"""The desk of one zone: who wants to join, enter or leave, and waits for Redis to say.

Requests gather for a moment and go out as a few calls. At most one call of joins is under way, because Redis remembers
only the last batch of a process: sent again after a lost connection it gets the same places. Claims and leaves may be
repeated at will; a claim that got no answer is answered None, and its client asks again. One that only the minute had
no room for is repeated when it has, if that is soon. What was asked of a line that was cleared meanwhile is not asked
of the one in its place, where other people have the same places.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from apps.realtime.metrics import REDIS_FAILURES
from apps.realtime.redis import Command

from . import store
from .pacing import HOLD_MS
from .redis_clock import RedisClock
from .replies import WAIT, Claimed, Joined, claim_read, join_read, leave_read
from .store import CLAIMS_PER_CALL, JOINS_PER_CALL, LEAVES_PER_CALL

# Leaves that Redis could not be told of. Past this they are dropped: who left is silent and goes within a minute.
LEAVES_KEPT = 100_000

Leaving = list[tuple[int, asyncio.Future[bool] | None]]
# For how long a newcomer waits for a place before being answered without.
JOIN_PATIENCE_S = 5.0

# Claims are repeated this far apart at least.
AGAIN_S = 0.05
# So many who wait for a repeated claim are answered when it is. Each holds a connection of the load balancer until
# then, so all others are told at once that they wait: if the repeated claim lets them in, their next poll finds it so.
HELD_MOST = 32

# One call and what takes its reply, which may be an exception.
Call = tuple[Command, Callable[[Any], None]]


class Seated(NamedTuple):
    """What a join came to. `place` -1: the zone is closed to newcomers."""

    place: int
    joined_ms: int  # the line's clock, epoch ms
    has_entered: bool
    epoch: int  # of the line that it is a place in


class Desk:
    """Joins, claims and leaves of one zone."""

    def __init__(
        self,
        zone_id: str,
        server: str,
        clock: RedisClock,
        *,
        flush_soon: Callable[[], None],
        trouble: Callable[[str], None],
        entered: Callable[[int], None],
        joined: Callable[[Joined], None],
    ) -> None:
        """`trouble` hears when Redis answers "lost" or "epoch", `entered` of each place that was let in.

        `joined` hears what each batch of newcomers was told, before they are.
        """
        self._zone_id = zone_id
        self._server = server
        self._clock = clock
        self._flush_soon = flush_soon
        self._trouble = trouble
        self._entered = entered
        self._joined_told = joined
        self.is_held = False  # Redis lost the line: joins wait until it stands again
        self._joiners: deque[asyncio.Future[Seated]] = deque()
        self._batch = 0
        self._batch_count = 0  # of the batch that was sent and not answered; sent again as it was
        self._batch_at = 0.0  # ticks when it was first sent
        self._is_joining = False  # it is under way now
        self._line = 0  # counts lines: replies of an earlier one are not for those who ask now
        self._claims: dict[int, int] = {}  # place -> ms waited, to be sent
        self._answers: dict[int, asyncio.Future[int | None]] = {}  # of claims to be sent, under way or held
        self._asked: dict[int, tuple[float, int]] = {}  # of the same: ticks when they were asked, ms waited until then
        self._held = 0  # requests that wait for their claim to be repeated
        self._leaves: dict[int, asyncio.Future[bool] | None] = {}  # None: nobody waits for the answer

    # --- asking -----------------------------------------------------------------------------------------------

    def join(self) -> asyncio.Future[Seated]:
        """A place for one more. Cancelled, it is given to the next."""
        future: asyncio.Future[Seated] = asyncio.get_running_loop().create_future()
        self._joiners.append(future)
        self._flush_soon()
        return future

    def claim(self, place: int, waited_ms: int) -> asyncio.Future[int | None]:
        """May this place enter? >0: entered then; 0: not yet; -1: not in line; -2: entered, pass over; None: no answer.

        Several who ask for one place at once share one claim: shield the future if you may be cancelled.
        """
        future = self._answers.get(place)
        if future is None:
            future = self._answers[place] = asyncio.get_running_loop().create_future()
            self._claims[place] = waited_ms
            self._asked[place] = self._clock.ticks(), waited_ms
            self._flush_soon()
        return future

    def leave(self, place: int) -> asyncio.Future[bool]:
        """Give a place up; True if it was in line. Shield the future if you may be cancelled."""
        future = self._leaves.get(place)
        if future is None:
            future = self._leaves[place] = asyncio.get_running_loop().create_future()
            self._flush_soon()
        return future

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be told, nor anything under way."""
        return not (self._joiners or self._batch_count or self._answers or self._leaves)

    # --- telling Redis ----------------------------------------------------------------------------------------

    def calls(self, epoch: int) -> Iterator[Call]:
        """The calls to be sent now."""
        while self._joiners and self._joiners[0].done():  # gave up waiting
            self._joiners.popleft()
        if not self._is_joining and not self.is_held and (self._joiners or self._batch_count):
            if not self._batch_count:
                self._batch += 1
                self._batch_count = min(JOINS_PER_CALL, len(self._joiners))
                self._batch_at = self._clock.ticks()
            self._is_joining = True
            yield (
                store.join(
                    zone_id=self._zone_id,
                    epoch=epoch,
                    server=self._server,
                    batch=self._batch,
                    count=self._batch_count,
                ),
                partial(self._joined, self._line, epoch),
            )
        claims, self._claims = sorted(self._claims.items()), {}
        for start in range(0, len(claims), CLAIMS_PER_CALL):
            part = claims[start : start + CLAIMS_PER_CALL]
            command = store.claim(zone_id=self._zone_id, epoch=epoch, places=part)
            yield command, partial(self._claimed, self._line, part)
        leaves, self._leaves = list(self._leaves.items()), {}
        for start in range(0, len(leaves), LEAVES_PER_CALL):
            leaving = leaves[start : start + LEAVES_PER_CALL]
            command = store.leave(zone_id=self._zone_id, epoch=epoch, places=[place for place, _ in leaving])
            yield command, partial(self._left, self._line, leaving)

    def _joined(self, line: int, epoch: int, reply: Any) -> None:
        if line != self._line:
            return  # who asked has asked the new line since
        self._is_joining = False
        if isinstance(reply, Exception):
            REDIS_FAILURES.labels("gate_join").inc()
            return  # the same batch goes out again with the next flush
        joined = join_read(reply)
        if joined.status in ("lost", "epoch"):
            self._batch_count = 0  # it was not done, and will be another's
            self._trouble(joined.status)
            return
        self._batch_count = 0
        if joined.status == "closed":
            self.turn_away()
            return
        self._joined_told(joined)
        if self._is_late(joined):
            self._give_up(joined)
        else:
            self._hand_out(joined, epoch)
        if self._joiners:
            self._flush_soon()

    def _hand_out(self, joined: Joined, epoch: int) -> None:
        places = joined.places or range(joined.first, joined.first + joined.count)
        for number, place in enumerate(places):
            has_entered = number < joined.entered
            while self._joiners and self._joiners[0].done():
                self._joiners.popleft()
            if self._joiners:
                self._joiners.popleft().set_result(Seated(place, joined.entered_ms, has_entered, epoch))
            elif not has_entered:
                self._leaves.setdefault(place, None)  # nobody waits for it any more
        if self._leaves:
            self._flush_soon()

    def _is_late(self, joined: Joined) -> bool:
        """Whether these places were given so long ago, the reply lost, that nobody they were for still waits.

        By both clocks, because either may have been set: a batch that was sent just now is never late.
        """
        late_s = min(
            self._clock.ticks() - self._batch_at,
            self._clock.ticks() - self._clock.ticks_at(joined.entered_ms),
        )
        return late_s > JOIN_PATIENCE_S

    def _give_up(self, joined: Joined) -> None:
        """An entry of long ago is nobody's: its pass may be over, and others came first."""
        places = joined.places or range(joined.first, joined.first + joined.count)
        for place in places[joined.entered :]:
            self._leaves.setdefault(place, None)
        if self._leaves:
            self._flush_soon()

    def start_anew(self) -> None:
        """Another line stands in this one's place. Who waits to join will join that one; all else was about the old."""
        self._line += 1
        self._is_joining, self._batch_count, self._held = False, 0, 0
        claims, self._claims, self._answers, self._asked = self._answers, {}, {}, {}
        leaves, self._leaves = self._leaves, {}
        for future in claims.values():
            if not future.done():
                future.set_result(None)
        for leaving in leaves.values():
            _answer(leaving, False)

    def turn_away(self) -> None:
        """Everybody who waits to join hears that the zone is closed."""
        while self._joiners:
            future = self._joiners.popleft()
            if not future.done():
                future.set_result(Seated(-1, 0, False, 0))

    def _claimed(self, line: int, part: list[tuple[int, int]], reply: Any) -> None:
        if line != self._line:
            return  # answered when the line was cleared
        claimed: Claimed | None = None
        if isinstance(reply, Exception):
            REDIS_FAILURES.labels("gate_claim").inc()
        else:
            claimed = claim_read(reply)
            if claimed.status != "ok":
                self._trouble(claimed.status)
                claimed = None
        room_at = self._clock.ticks_at(claimed.room_at_ms) if claimed is not None and claimed.room_at_ms else None
        again = self._worth_repeating(part, claimed, room_at)
        for number, (place, _) in enumerate(part):
            if place in again:
                continue
            result = None if claimed is None else claimed.results[number]
            if result is not None and result > 0:
                self._entered(place)
            del self._asked[place]
            future = self._answers.pop(place)
            if not future.done():
                future.set_result(result)
        if again and room_at is not None:
            waiting = [place for place in again if not self._answers[place].done()]
            free = HELD_MOST - self._held
            for place in waiting[free:]:
                self._answers[place].set_result(WAIT)
            held = len(waiting[:free])
            self._held += held
            pause_s = max(AGAIN_S, room_at - self._clock.ticks())
            asyncio.get_running_loop().call_later(pause_s, self._claim_again, line, again, held)

    def _worth_repeating(
        self, part: list[tuple[int, int]], claimed: Claimed | None, room_at: float | None
    ) -> dict[int, None]:
        """The places, first ones first, for which there will be room soon enough after they asked."""
        if claimed is None or room_at is None:
            return {}
        asked_from = room_at - HOLD_MS / 1_000
        refused = (place for (place, _), result in zip(part, claimed.results, strict=False) if result == WAIT)
        return dict.fromkeys(sorted(place for place in refused if self._asked[place][0] >= asked_from))

    def _claim_again(self, line: int, places: dict[int, None], held: int) -> None:
        if line != self._line:
            return
        self._held -= held
        for place in places:
            asked_at, waited_ms = self._asked[place]
            self._claims[place] = waited_ms + int(1_000 * (self._clock.ticks() - asked_at))
        self._flush_soon()

    def _left(self, line: int, leaving: Leaving, reply: Any) -> None:
        if line != self._line:
            for _, future in leaving:
                _answer(future, False)
            return
        if isinstance(reply, Exception):
            REDIS_FAILURES.labels("gate_leave").inc()
            for place, future in leaving:
                if len(self._leaves) < LEAVES_KEPT:
                    self._leaves.setdefault(place, future)
                else:
                    _answer(future, False)
            return
        left = leave_read(reply)
        if left.status != "ok":
            self._trouble(left.status)
        for number, (_, future) in enumerate(leaving):
            _answer(future, left.status == "ok" and left.results[number])


def _answer(future: asyncio.Future[bool] | None, left: bool) -> None:
    if future is not None and not future.done():
        future.set_result(left)
