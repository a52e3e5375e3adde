"""The keeper of one zone: answers whoever waits in it, from memory, and asks Redis only for those who may enter.

A poll marks its place as heard of, looks up its rank in the snapshot, and is answered: `poll_now` is that fast path.
What is behind the answers, and how the line is kept up with, is in outlook.py, view.py, follower.py.
"""

import asyncio
import random
from typing import NamedTuple

from .desk import JOIN_PATIENCE_S
from .follower import Follower
from .house import House
from .outcomes import BEFORE, BLOCKED, CLEARED, EVICTED, SPENT, TOO_FAST, Outcome, refusal
from .outlook import Outlook
from .passes import PassClaims
from .replies import GONE
from .replies import SPENT as CLAIM_SPENT
from .rules import ZoneRules
from .single_use import Use, unanswered
from .tickets import TicketClaims
from .windows import WINDOW_MS

# More polls of one place in a slot of 3 s than any client of ours makes.
POLLS_PER_SLOT = 6
# For how long a claim, a leave or a pass that is used up waits for Redis before it is answered without.
CLAIM_PATIENCE_S = 2.0


class Overview(NamedTuple):
    """A zone at a glance, for who has no ticket."""

    state: str
    waiting: int
    entering: int  # entries of the last minute
    eta_s: int | None  # for who came now: 0 at once, None unknown
    opens_at_ms: int | None
    stale: bool


class ZoneKeeper(Follower):
    """One zone on one event loop."""

    def __init__(self, rules: ZoneRules, house: House) -> None:
        super().__init__(rules, house)
        self.polls = 0  # answered; whoever counts them sets it back

    # --- answers ----------------------------------------------------------------------------------------------

    def poll_now(self, claims: TicketClaims) -> Outcome | None:
        """The answer to a poll, at once; None: ask `poll`, because Redis must be asked."""
        if claims.epoch != self._epoch:
            return self._of_other_line(claims)
        if self.presence.poll(claims.place) > POLLS_PER_SLOT:
            return refusal(TOO_FAST, place=claims.place, epoch=claims.epoch, client=claims.client)
        return self._answer(claims)

    def glance(self, claims: TicketClaims) -> Outcome | None:
        """`poll_now` of an open socket, which cannot ask too fast."""
        if claims.epoch != self._epoch:
            return self._of_other_line(claims)
        self.presence.mark(claims.place)
        return self._answer(claims)

    async def poll(self, claims: TicketClaims) -> Outcome:
        """What `poll_now` could not say: asks Redis, and waits for it CLAIM_PATIENCE_S at most."""
        self.touch()
        if claims.epoch > self._epoch:
            self._house.look_again()
            return self.view.outlook.newcomer(claims.client, self.clock.now_ms(), claims.place)._replace(
                place=claims.place, epoch=claims.epoch, joined_ms=claims.joined_ms
            )
        if not await self.view.is_read() or claims.epoch != self._epoch:
            return self.claimed(claims, None)
        if (answer := self._answer(claims)) is not None:
            return answer
        result = None
        try:
            async with asyncio.timeout(CLAIM_PATIENCE_S):
                result = await asyncio.shield(self.claim(claims))
        except TimeoutError:
            pass  # it goes on; the client asks again
        return self.claimed(claims, result)

    def claim(self, claims: TicketClaims) -> asyncio.Future[int | None]:
        """Ask Redis whether this place may enter; `claimed` puts the result into words. One at a time a place.

        Of a place in a line that was cleared nothing is asked: in the new one it is somebody else's.
        """
        if claims.epoch != self._epoch:
            nothing: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
            nothing.set_result(None)
            return nothing
        return self.desk.claim(claims.place, max(0, self.clock.now_ms() - claims.joined_ms))

    def claimed(self, claims: TicketClaims, result: int | None) -> Outcome:
        """What somebody is told whose claim came to this; None: Redis did not say."""
        _, epoch, place, joined_ms, client = claims
        if epoch < self._epoch:
            return refusal(CLEARED, place=place, epoch=epoch, client=client)
        outlook = self.view.current()
        if result is not None and result > 0:
            return outlook.admitted(place, joined_ms, client, result)
        if result in (GONE, CLAIM_SPENT):
            return refusal(EVICTED if result == GONE else SPENT, place=place, epoch=epoch, client=client)
        now_ms = self.clock.now_ms()
        if outlook.lets_in:
            return outlook.admitted(place, joined_ms, client, outlook.uncounted_ms(now_ms))
        return outlook.waiting(place, joined_ms, client, now_ms)

    async def join(self, client: str) -> Outcome:
        """A newcomer: entered, in line with a place, or neither (closed to newcomers, Redis away)."""
        self.touch()
        outlook, draw = self.view.current(), random.getrandbits(16)
        if outlook.is_away:
            return outlook.newcomer(client, self.clock.now_ms(), draw)
        try:
            async with asyncio.timeout(JOIN_PATIENCE_S):
                place, joined_ms, has_entered, epoch = await self.desk.join()
        except TimeoutError:
            away = Outlook(self.rules, outlook.snapshot, now_ms=self.clock.now_ms(), is_away=True)
            return away.newcomer(client, self.clock.now_ms(), draw)
        outlook = self.view.current()
        if place < 0:
            if outlook.state not in (BLOCKED, BEFORE):
                self._house.look_again()
            return outlook.newcomer(client, self.clock.now_ms(), draw)
        if has_entered:
            return outlook.admitted(place, joined_ms, client, joined_ms)._replace(epoch=epoch)
        self.presence.mark(place)
        # What the batch was told is known by now, unless a window has begun since the line was read.
        await self.view.is_read(joined_ms // WINDOW_MS * WINDOW_MS if self._is_short() else 0)
        # If the line was cleared meanwhile the ticket is of the old one, and the next answer says so.
        return self.view.current().waiting(place, joined_ms, client, self.clock.now_ms())._replace(epoch=epoch)

    async def leave(self, claims: TicketClaims) -> bool:
        """Give the place up; True if it was in line. Redis away: it is told later, and the answer is False."""
        if claims.epoch != self._epoch:
            return False
        self.touch()
        try:
            async with asyncio.timeout(CLAIM_PATIENCE_S):
                return await asyncio.shield(self.desk.leave(claims.place))
        except TimeoutError:
            return False

    async def redeem(self, claims: PassClaims) -> Use:
        """Use up a pass that opens once. Redis away: the fail mode decides."""
        rules = self.rules
        if not rules.single_use:
            return Use.UNCOUNTED
        try:
            async with asyncio.timeout(CLAIM_PATIENCE_S):
                return await self.redemptions.use(claims, fail_open=rules.fail_open)
        except TimeoutError:
            return unanswered(fail_open=rules.fail_open)

    def _answer(self, claims: TicketClaims) -> Outcome | None:
        ticks = self._ticks()
        self._heard_at = ticks
        self.polls += 1
        return self.view.at(ticks).answer(claims.place, claims.joined_ms, claims.client, self.clock.at(ticks))

    def _of_other_line(self, claims: TicketClaims) -> Outcome | None:
        if claims.epoch > self._epoch:
            return None  # the line was cleared a moment ago, and this process has not heard of it
        return refusal(CLEARED, place=claims.place, epoch=claims.epoch, client=claims.client)

    def _is_short(self) -> bool:
        """Whether the line may have ended since it was read, and a burst have used up the minute meanwhile."""
        snapshot = self.snapshot
        return snapshot is None or snapshot.line.count <= self.rules.per_minute // 5 + 2

    # --- for the pages ----------------------------------------------------------------------------------------

    async def overview(self) -> Overview:
        """The zone at a glance."""
        self.touch()
        await self.view.is_read()
        outlook, now_ms = self.view.current(), self.clock.now_ms()
        return Overview(
            state=outlook.state,
            waiting=self.view.waiting,
            entering=self.view.minute.used,
            eta_s=outlook.eta_newcomer_s(now_ms),
            opens_at_ms=outlook.opens_at_ms,
            stale=outlook.is_away or outlook.snapshot is None,
        )

    # --- for the turnstile ------------------------------------------------------------------------------------

    @property
    def called_below(self) -> int:
        """Places below this one are called."""
        snapshot = self.snapshot
        return 0 if snapshot is None else snapshot.front

    @property
    def room(self) -> float:
        """How many may enter now, as of the last reading."""
        return self.view.current().room(self.clock.now_ms())
