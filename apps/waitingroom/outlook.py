"""What one zone says to those who wait, as of one snapshot: state, rank, time left, when to ask again. Pure.

A keeper makes one for every snapshot and at every moment when the state changes by itself (the zone opens, Redis has
been away for too long). `answer` says None where only Redis can tell: whoever may enter, or is not in the line.
"""

from dataclasses import replace
from typing import NamedTuple

from .foretold import Foretold
from .outcomes import ADMITTED, BEFORE, BLOCKED, HOLDING, NOWHERE, PAUSED, PREQUEUE, WAITING, Outcome
from .pacing import CLAIM_MARGIN_MS, HOLD_MS, OPENING_MARGIN_MS, Pace
from .replies import Joined
from .rules import Mode, Timed, ZoneRules
from .snapshot import Snapshot
from .windows import WINDOW_MS, WINDOWS_A_MINUTE, Schedule, share, window_of

SLOWED_FOR_MS = 300_000
# An entry leaves the sliding minute when its bucket is a minute old (lua/line.lua).
MINUTE_MS = 60_000
ENTRY_BUCKET_MS = 10
NEVER = float("inf")
# More than join between two readings. A ticket further beyond the line's end is of another history of it, before Redis
# lost what it knew, and nobody but Redis can tell whether it still counts.
FAR_BEYOND = 500_000
# Everybody goes in, and is counted.
FREE = (Mode.BYPASS, Mode.OBSERVE)


def state_of(rules: Timed, now_ms: int) -> str:
    """What the rules alone make of this moment."""
    if rules.mode in FREE:
        return WAITING
    if rules.mode is Mode.BLOCKED:
        return BLOCKED
    if rules.opens_at_ms is not None and now_ms < rules.opens_at_ms:
        is_drawing = rules.prequeue_from_ms is not None and now_ms >= rules.prequeue_from_ms
        return PREQUEUE if is_drawing else BEFORE
    return PAUSED if rules.mode is Mode.PAUSED else WAITING


def fails_open(rules: ZoneRules, now_ms: int) -> bool:
    """Whether people go in while nobody can count them: never into a zone that lets nobody in."""
    if rules.mode in FREE:
        return True
    return rules.fail_open and rules.per_minute > 0 and state_of(rules, now_ms) == WAITING


def claims_from_ms(rules: ZoneRules, snapshot: Snapshot, minute_frees_ms: int) -> float:
    """From when on a called place may claim with any hope, epoch ms: when a window has room, and the minute too."""
    if rules.mode in FREE:
        return 0
    window = window_of(snapshot.now_ms)
    for each in range(window, window + WINDOWS_A_MINUTE + 1):
        moment = max(each * WINDOW_MS, minute_frees_ms)
        if share(rules.per_minute, each) > snapshot.used.get(each, 0) and moment < (each + 1) * WINDOW_MS:
            return moment
    return NEVER


def room_left(per_minute: int, snapshot: Snapshot) -> int:
    """How many the window of this snapshot still lets in, for all that the windows say."""
    window = window_of(snapshot.now_ms)
    before = sum(snapshot.used.get(each, 0) for each in range(window - WINDOWS_A_MINUTE + 1, window + 1))
    return max(0, min(share(per_minute, window) - snapshot.used.get(window, 0), per_minute - before))


class Minute(NamedTuple):
    """What a pulse says beside the line itself."""

    used: int = 0  # entries that count against the sliding minute
    oldest_ms: int = 0  # when the oldest of them was, to ENTRY_BUCKET_MS
    called_living: int = 0  # called, heard of lately, not yet entered


def learned(snapshot: Snapshot, minute: Minute, joined: Joined) -> tuple[Snapshot, Minute] | None:
    """The line and its minute as newcomers found them; None if it was read later than that, or in another window.

    What they were told says how far the front is and what has entered, which is all that their time is made of. Within
    a window that is enough; a new one calls people, of whom only a reading tells how many are there.
    """
    if window_of(joined.entered_ms) != window_of(snapshot.now_ms) or joined.entered_ms < snapshot.now_ms:
        return None
    if joined.entered_ms == snapshot.now_ms and joined.minute_used < minute.used:  # entries only add up
        return None
    is_later = joined.entered_ms > snapshot.now_ms  # the front goes back when N is lowered
    front = joined.front if is_later else max(snapshot.front, joined.front)
    # Places up to the front have been given, whether or not the line was read since: nobody there is ahead of anybody.
    line = replace(snapshot, front=front, next=max(snapshot.next, front), used=joined.used)
    return line, Minute(joined.minute_used, joined.log_oldest_ms, minute.called_living)


class Outlook:
    """Answers of one zone until `changes_at_ms` (epoch ms) or the next snapshot."""

    __slots__ = (
        "_admits",
        "_asks_from_ms",
        "_before",
        "_foretold",
        "_is_free",
        "_minute",
        "_minute_frees_ms",
        "_pace",
        "_schedule",
        "_slowed_at_ms",
        "changes_at_ms",
        "claims_from_ms",
        "is_away",
        "lets_in",
        "opens_at_ms",
        "rules",
        "snapshot",
        "state",
    )

    def __init__(
        self,
        rules: ZoneRules,
        snapshot: Snapshot | None,
        *,
        now_ms: int,
        minute: Minute = Minute(),  # noqa: B008  a tuple never changes
        foretold: Foretold | None = None,
        strain: float = 1.0,
        is_away: bool = False,
    ) -> None:
        """`minute` came with the snapshot. `is_away`: Redis has not been heard for so long that the fail mode holds."""
        self.rules = rules
        self.snapshot = snapshot
        self.is_away = is_away
        self.lets_in = is_away and fails_open(rules, now_ms)
        by_rules = state_of(rules, now_ms)
        self.state = HOLDING if is_away and by_rules == WAITING else by_rules
        self.opens_at_ms = rules.opens_at_ms if self.state in (BEFORE, PREQUEUE) else None
        per_window = -(-rules.per_minute // WINDOWS_A_MINUTE)
        self._pace = Pace(poll_ms=rules.poll_ms, idle_s=rules.idle_s, per_window=per_window, strain=strain)
        # Who joined before this moment sees N lowered; 0 if that was long ago.
        self._slowed_at_ms = rules.slowed_at_ms if 0 <= now_ms - rules.slowed_at_ms < SLOWED_FOR_MS else 0
        self._admits = self.state == WAITING
        self._is_free = rules.mode in FREE
        moments = (rules.prequeue_from_ms, rules.opens_at_ms, rules.slowed_at_ms + SLOWED_FOR_MS)
        self.changes_at_ms: float = min((at for at in moments if at is not None and at > now_ms), default=NEVER)
        self._schedule: Schedule | None = None
        self.claims_from_ms: float = 0
        self._asks_from_ms: float = 0  # from here on a claim is worth while: it may be held until there is room
        self._minute = minute
        is_full = 0 < rules.per_minute <= minute.used
        self._minute_frees_ms = minute.oldest_ms + ENTRY_BUCKET_MS + MINUTE_MS if is_full else 0
        self._foretold = Foretold() if foretold is None else foretold
        self._before = 0  # called people who will take room of windows to come
        if snapshot is not None:
            self.claims_from_ms = claims_from_ms(rules, snapshot, self._minute_frees_ms)
            if 0 < self.claims_from_ms < NEVER:
                self._asks_from_ms = max(self.claims_from_ms - HOLD_MS, self.claims_from_ms // WINDOW_MS * WINDOW_MS)
            else:
                self._asks_from_ms = self.claims_from_ms
            self._before = max(0, minute.called_living - room_left(rules.per_minute, snapshot))
            if self.state in (WAITING, BEFORE):
                self._schedule = Schedule(
                    snapshot.now_ms, rules.per_minute, snapshot.used, opens_at_ms=self.opens_at_ms
                )

    def answer(self, place: int, joined_ms: int, client: str, now_ms: int) -> Outcome | None:
        """What this place is told; None if Redis must be asked (and when nothing was heard of the line yet)."""
        if self.is_away:
            if self.lets_in:
                return self.admitted(place, joined_ms, client, self.uncounted_ms(now_ms))
        else:
            snapshot = self.snapshot
            if snapshot is None:
                return None
            if not snapshot.line.holds(place) if place < snapshot.next else place >= snapshot.next + FAR_BEYOND:
                return None
            if self._admits and now_ms >= self._asks_from_ms and (place < snapshot.front or self._is_free):
                return None
        return self.waiting(place, joined_ms, client, now_ms)

    def waiting(self, place: int, joined_ms: int, client: str, now_ms: int) -> Outcome:
        """What this place is told while it waits."""
        snapshot, state = self.snapshot, self.state
        eta_s: int | None = None
        rank = total = 0
        if snapshot is None or state == PREQUEUE:  # places are being drawn: nobody has a rank
            total = 0 if snapshot is None else snapshot.called_waiting + snapshot.total
            period = self._pace.period(self._opening_in(now_ms), place)
        elif place < snapshot.front:
            rank, total = 1, snapshot.total + 1
            hope_ms = self.claims_from_ms - now_ms if self._admits else NEVER
            eta_s = 1 if self._admits and (self.rules.per_minute or self._is_free) else None
            period = self._pace.period(None if hope_ms == NEVER else int(max(0, hope_ms)), place, CLAIM_MARGIN_MS)
        else:
            rank = snapshot.rank(place)
            total = snapshot.total if rank <= snapshot.total else rank
            opening_ms = self._opening_of(place, rank)
            if opening_ms is None:
                period = self._pace.period(None, place)
            else:
                eta_s = max(1, -(-(opening_ms - now_ms) // 1_000))
                # The minute may free its room only later in that window.
                turn_ms = max(opening_ms, self._minute_frees_ms + CLAIM_MARGIN_MS - OPENING_MARGIN_MS)
                period = self._pace.period(max(0, turn_ms - now_ms), place)
        return Outcome(
            state,
            False,
            place,
            self.rules.epoch,
            joined_ms,
            client,
            rank,
            total,
            eta_s,
            period,
            0,
            self.opens_at_ms,
            joined_ms < self._slowed_at_ms,
        )

    def _opening_of(self, place: int, rank: int) -> int | None:
        """When this place will be called, epoch ms, or was first told that it would be; None if nobody knows."""
        schedule = self._schedule
        window = None if schedule is None else schedule.window_for(rank + self._before)
        if schedule is None or window is None:
            return None
        return max(self._foretold.keep(place, window) * WINDOW_MS, self.opens_at_ms or 0)

    def newcomer(self, client: str, now_ms: int, draw: int) -> Outcome:
        """What somebody is told who is given no place; `draw` (any number) spreads their return."""
        if self.lets_in:
            return self.admitted(NOWHERE, 0, client, self.uncounted_ms(now_ms))
        total = 0 if self.snapshot is None else self.snapshot.total
        period = self._pace.period(self._opening_in(now_ms), draw)
        return Outcome(
            self.state,
            False,
            NOWHERE,
            self.rules.epoch,
            0,
            client,
            0,
            total,
            None,
            period,
            0,
            self.opens_at_ms,
        )

    def admitted(self, place: int, joined_ms: int, client: str, entered_ms: int) -> Outcome:
        """Come in."""
        snapshot = self.snapshot
        total = 0 if snapshot is None else snapshot.total
        poll_ms, epoch = self.rules.poll_ms, self.rules.epoch
        return Outcome(ADMITTED, True, place, epoch, joined_ms, client, 0, total, 0, poll_ms, entered_ms)

    def uncounted_ms(self, now_ms: int) -> int:
        """The moment of an entry while nobody can count it: the same for half a pass's life, at every gate.

        So whoever asks again is given the same pass, and each is good for half its time at least.
        """
        half_ms = self.rules.pass_s * 500
        return now_ms // half_ms * half_ms

    def room(self, now_ms: int) -> float:
        """How many of the called may enter now, as far as the snapshot tells."""
        snapshot = self.snapshot
        if snapshot is None or self.is_away or not self._admits or now_ms < self.claims_from_ms:
            return 0
        if self._is_free:
            return NEVER
        window = window_of(now_ms)
        return min(
            share(self.rules.per_minute, window) - snapshot.used.get(window, 0),
            # Somebody of a full minute is about to leave it, or has left it since: one may try.
            max(self.rules.per_minute - self._minute.used, 1 if self._minute_frees_ms else 0),
        )

    def eta_newcomer_s(self, now_ms: int) -> int | None:
        """For how many seconds somebody who came now would wait; 0 if they would enter; None if nobody knows."""
        snapshot = self.snapshot
        if snapshot is None or self._schedule is None:
            return None
        if (
            not snapshot.line.count
            and self._minute.used < self.rules.per_minute
            and self.rules.mode is not Mode.QUEUE_ALL
            and self.opens_at_ms is None
        ):
            return 0
        eta_ms = self._schedule.eta_ms(snapshot.total + 1 + self._before, now_ms)
        return None if eta_ms is None else -(-eta_ms // 1_000) or 1

    def _opening_in(self, now_ms: int) -> int | None:
        return None if self.opens_at_ms is None else max(0, self.opens_at_ms - now_ms)
