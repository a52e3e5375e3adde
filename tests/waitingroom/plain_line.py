"""The rules of the line in plain Python, people and entries in lists: what the scripts must agree with."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from apps.waitingroom.rules import Mode, ZoneRules
from apps.waitingroom.snapshot import Snapshot
from tests.waitingroom.line_stage import places_of

WINDOW, MINUTE, SLOT = 6_000, 60_000, 10_000


@dataclass
class Person:
    """Somebody who was given a place.

    `heard` are the 10-second slots in which they were heard of, `came` the windows in which they, being called, were
    heard of or refused.
    """

    heard: set[int] = field(default_factory=set)
    came: set[int] = field(default_factory=set)
    is_waiting: bool = True
    entered_ms: int = 0


@dataclass
class PlainLine:
    """One zone's line. Every method is one call of a script."""

    rules: ZoneRules
    people: dict[int, Person] = field(default_factory=dict)
    entries: list[int] = field(default_factory=list)  # moments, of those that only may have been, too
    now: int = 0
    window: int = 0
    next: int = 0
    front: int = 0
    front_at: int = 0  # the front before the first call of this window
    called: int = 0  # hundredths, each window weighing nine tenths of the one after it
    shown: int = 0  # entries by claim, alike
    calls: int = 1_000  # so many are called for a thousand turns
    per_minute: int = 0  # N at the call before
    is_uncalled: bool = False  # N fell
    listening_since: int = 0
    pulsed_at: int = 0
    evicted_at: int = 0
    restored_at: int = 0
    base: int = 0  # who stood below and is gone is forgotten
    is_doubted: bool = False  # another Redis process will speak next

    # --- what is there ------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> list[int]:
        return sorted(place for place, person in self.people.items() if person.is_waiting)

    def share(self, window: int) -> int:
        tenth = window % 10
        return (tenth + 1) * self.rules.per_minute // 10 - tenth * self.rules.per_minute // 10

    def used(self, window: int) -> int:
        return sum(moment // WINDOW == window for moment in self.entries)

    @property
    def minute_used(self) -> int:
        """An entry counts until the end of its hundredth of a second is a minute old."""
        return sum(moment // 10 * 10 + 10 > self.now - MINUTE for moment in self.entries)

    @property
    def log_oldest(self) -> int:
        """When the oldest entry of the minute was, to a hundredth of a second; 0 if there is none."""
        return min(
            (moment // 10 * 10 for moment in self.entries if moment // 10 * 10 + 10 > self.now - MINUTE), default=0
        )

    @property
    def window_room(self) -> int:
        before = sum(self.used(window) for window in range(self.window - 9, self.window + 1))
        return max(0, min(self.share(self.window) - self.used(self.window), self.rules.per_minute - before))

    @property
    def minute_room(self) -> int:
        return max(0, self.rules.per_minute - self.minute_used)

    @property
    def is_open(self) -> bool:
        return self.rules.opens_at_ms is None or self.now >= self.rules.opens_at_ms

    @property
    def is_free(self) -> bool:
        return self.rules.mode in (Mode.BYPASS, Mode.OBSERVE)

    @property
    def is_calling(self) -> bool:
        return self.rules.mode in (Mode.OPEN, Mode.QUEUE_ALL) and self.is_open

    def is_living(self, place: int) -> bool:
        """Waiting, and heard of in the current slot or the two before, unless nobody could be heard."""
        person = self.people[place]
        slot = self.now // SLOT
        return person.is_waiting and (self.is_deaf or bool(person.heard & {slot, slot - 1, slot - 2}))

    @property
    def is_deaf(self) -> bool:
        return self.now - self.listening_since < 30_000

    def is_still_there(self, place: int) -> bool:
        """Living, and if called in an earlier window, heard of in this one or the one before."""
        if place >= self.front_at:
            return self.is_living(place)
        window = self.now // WINDOW
        person = self.people[place]
        return person.is_waiting and (self.is_deaf or bool(person.came & {window, window - 1}))

    @property
    def called_living(self) -> int:
        return sum(self.is_still_there(place) for place in self.waiting if place < self.front)

    # --- steps that calls are made of -----------------------------------------------------------------------------

    def _open(self, given: int) -> None:
        was_set_back = self.now - given > 60_000
        before = 0 if was_set_back else self.now
        self.now = given if was_set_back else max(given, self.now)
        self.window = min(self.window, self.now // WINDOW)  # the window that called last
        if was_set_back:
            self.entries = []
        if was_set_back or self.is_doubted:
            self._fill(before // WINDOW)
            self.next += 1_048_576
            self.restored_at = self.listening_since = self.now
            self.pulsed_at, self.evicted_at = min(self.pulsed_at, self.now), min(self.evicted_at, self.now)
            self.is_doubted = False
        self.is_uncalled = (
            self.rules.per_minute < self.per_minute and bool(self.waiting) and self.waiting[0] < self.front
        )
        self.per_minute = self.rules.per_minute
        if self.is_uncalled:
            self.front = self.front_at = self.waiting[0]
            self.called, self.shown, self.calls = 0, 0, 1_000

    def _fill(self, first: int) -> None:
        """Suppose that the lost moments used all their room."""
        last = self.now // WINDOW
        first = max(first, last - 9)
        if len(self.waiting) > sum(self.share(window) for window in range(first, last + 1)):
            for window in range(first, last + 1):
                moment = min((window + 1) * WINDOW - 1, self.now)
                self.entries += [moment] * max(0, self.share(window) - self.used(window))
        else:
            self.entries += [self.now] * max(0, self.rules.per_minute - self.minute_used)

    def _call_window(self) -> None:
        is_new = self.now // WINDOW > self.window
        if is_new:
            self._weigh(min(100, self.now // WINDOW - self.window))
        self.window = self.now // WINDOW
        if not self.waiting and (self.is_free or self.is_calling):
            self.front = self.next
        elif (is_new or self.is_uncalled) and self.waiting and self.is_calling:
            self._call()

    def _weigh(self, windows: int) -> None:
        """How many of those called came lately; those who are still there may yet."""
        for _ in range(windows):
            self.called, self.shown = self.called * 9 // 10, self.shown * 9 // 10
        self.front_at, self.calls = self.front, 1_000
        due = self.called - 100 * self.called_living
        if self.called >= 2_000 and due > self.shown:
            self.calls = min(2_000, 1_000 * due // max(1, self.shown))

    def _call(self) -> None:
        places = -(-(self.window_room - self.called_living) * self.calls // 1_000)
        if places > 0 and self.front < self.next:
            living = [place for place in self.waiting if place >= self.front and self.is_living(place)]
            self.front = living[places - 1] + 1 if len(living) >= places else self.next
            if not self.is_deaf:
                self.called += 100 * min(places, len(living))

    def _enter(self, place: int) -> int:
        self.entries.append(self.now)
        person = self.people[place]
        person.is_waiting, person.entered_ms = False, self.now
        return self.now

    def _put_back(self, place: int) -> bool:
        person = self.people.setdefault(place, Person(is_waiting=False))
        if person.is_waiting or person.entered_ms or place < self.base:
            return False
        person.is_waiting = True
        return True

    # --- calls ----------------------------------------------------------------------------------------------------

    def look(self, given: int) -> None:
        """What every call does first."""
        self._open(given)
        self._call_window()

    def pulse(self, given: int, seen: Iterable[int]) -> None:
        self._open(given)
        if self.now - self.pulsed_at > 15_000:
            self.listening_since = self.now
        self.pulsed_at = self.now
        for place in seen:
            if place in self.people:
                self.people[place].heard.add(self.now // SLOT)
                if place // 8 <= self.front // 8:  # bits go by whole bytes
                    self.people[place].came.add(self.now // WINDOW)
                if self.now - self.restored_at < 60_000:
                    self._put_back(place)
        self._call_window()
        if self.now - self.evicted_at >= 5_000:
            self._evict()
        if self.is_calling and self.waiting:
            self._call()

    def join(self, given: int, count: int) -> tuple[list[int], int]:
        """Places, and how many of them entered at once; no places if the zone takes nobody."""
        self.look(given)
        if self.rules.mode is Mode.BLOCKED or not (self.is_open or self.is_free):
            return [], 0
        places = list(range(self.next, self.next + count))
        if self.is_free:
            entering = count
        elif self.rules.mode is Mode.OPEN and not self.waiting:
            entering = min(count, self.minute_room)
        else:
            entering = 0
        self.next += count
        for place in places:
            self.people[place] = Person(heard={self.now // SLOT})
        if entering and self.waiting == places:
            self.front = places[0] + entering
        for place in places[:entering]:
            self._enter(place)
        return places, entering

    def claim(self, given: int, places: Iterable[int]) -> dict[int, int]:
        self.look(given)
        if self.now - self.restored_at < 60_000:
            for place in set(places):
                if self._put_back(place):
                    self.people[place].heard.add(self.now // SLOT)
        results = {}
        for place in sorted(set(places)):
            person = self.people.get(place)
            if person is None or not (person.is_waiting or person.entered_ms):
                results[place] = -1
            elif person.entered_ms:
                is_over = self.now >= (person.entered_ms // 1_000 + self.rules.pass_s) * 1_000
                results[place] = -2 if is_over else person.entered_ms
            elif self.is_free or (
                self.is_calling and place < self.front and min(self.window_room, self.minute_room) > 0
            ):
                results[place] = self._enter(place)
                self.shown += 100
            else:
                results[place] = 0
                person.came.add(self.now // WINDOW)
        return results

    def leave(self, given: int, places: Iterable[int]) -> list[int]:
        """Which of them were waiting."""
        self.look(given)
        left = [place for place in sorted(set(places)) if place in self.people and self.people[place].is_waiting]
        for place in left:
            self.people[place].is_waiting = False
        return left

    def clear(self, given: int) -> None:
        """The line begins anew; what entered in the last minute still counts."""
        self.people = {}
        self._begin()
        self.restored_at = self.evicted_at = 0
        self.listening_since = max(self.now, given)

    def _begin(self) -> None:
        self.next = self.front = self.front_at = self.base = 0
        self.called = self.shown = self.per_minute = 0
        self.calls = 1_000

    def restore(self, given: int, known: Snapshot, presented: Iterable[int]) -> None:
        """All that Redis kept is lost, and a gate tells what it read and which tickets it was shown."""
        self.now, self.window, self.is_doubted = given, given // WINDOW, False
        self._begin()
        self.base, self.next, self.front = known.line.base, known.next + 1_048_576, known.front
        self.restored_at = self.listening_since = self.pulsed_at = self.evicted_at = given
        self.people = {place: Person(is_waiting=False) for place in self.people}
        for place in [*places_of(known.line.base, known.line.data), *presented]:
            self._put_back(place)
        # As late in its window as it may have been.
        self.entries = [
            min((window + 1) * WINDOW - 10, given)
            for window, entries in known.used.items()
            for _ in range(entries)
            if self.window - 10 <= window <= self.window
        ]
        self._fill(known.now_ms // WINDOW)

    def evict(self, given: int) -> int:
        self.look(given)
        return self._evict()

    def _evict(self) -> int:
        """Who was not heard of in any slot that overlaps the idle limit goes, if they could have been heard."""
        self.evicted_at = self.now
        idle = self.rules.idle_s * 1000
        silent = []
        if self.now - self.pulsed_at <= 15_000 and self.now - self.listening_since >= idle:
            slots = set(range((self.now - idle) // SLOT, self.now // SLOT + 1))
            silent = [place for place in self.waiting if not self.people[place].heard & slots]
            for place in silent:
                self.people[place].is_waiting = False
        if self.now - self.restored_at >= 60_000:
            self.base = max(self.base, min([self.front, *self.waiting]) // 65_536 * 65_536)
        return len(silent)
