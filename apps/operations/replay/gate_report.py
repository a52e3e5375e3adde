"""What became of a crowd at a zone: who was told what, who entered when, and whether the zone kept its own rules.

Pure. A guest's moments are epoch milliseconds of one clock. The rules that are checked, from the guests alone:

- while a line stands, a window of 6 s admits at most its share of N;
- no 60 seconds admit more than N;
- while a line stands, the room that the rules leave is used;
- the wait that was foretold on joining comes true to within a window.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from apps.waitingroom.windows import share

WINDOW_MS = 6_000
MINUTE_MS = 60_000
WINDOWS_A_MINUTE = 10
PASS_ISSUED_FIELD = 5  # fp1.<zone>.<epoch>.<place>.<client>.<issued_s>.<expires_s>.<mac>


def entered_ms_of(entry_pass: str) -> int:
    """When the holder of a pass was let in, to the second: exact enough for windows, which begin on whole seconds."""
    return int(entry_pass.split(".")[PASS_ISSUED_FIELD]) * 1000


@dataclass(slots=True)
class Guest:
    """One person. `queued`: they had to get in line, and were told to wait `told_s` (None: nobody could say)."""

    joined_ms: int
    queued: bool = False
    told_s: int | None = None
    entered_ms: int | None = None
    left_ms: int | None = None

    @property
    def error_windows(self) -> int | None:
        """By how many windows they entered later than they were told; None as long as nobody knows."""
        if self.told_s is None or self.entered_ms is None:
            return None
        return self.entered_ms // WINDOW_MS - (self.joined_ms + self.told_s * 1000) // WINDOW_MS


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guests' moments prove. `utilisation` is None if no line stood through a whole window."""

    arrivals: int
    entries: int
    waiting: int
    windows_with_a_line: int
    windows_above_share: int
    minutes_above: int  # sliding ones, one looked at for each entry
    most_in_a_minute: int
    utilisation: float | None
    worst_eta_error_windows: int | None
    foretold: int  # guests whose wait can be compared with what they were told

    @property
    def kept(self) -> bool:
        """Whether no rule of admission was broken."""
        return not self.windows_above_share and not self.minutes_above


def standing_windows(guests: Iterable[Guest], until_ms: int) -> list[int]:
    """Windows through all of which somebody stood in line. Whoever neither entered nor left stands until `until_ms`."""
    moves: list[tuple[int, int]] = []
    for guest in guests:
        end = next((moment for moment in (guest.entered_ms, guest.left_ms) if moment is not None), until_ms)
        if guest.queued and end > guest.joined_ms:
            moves += (guest.joined_ms, 1), (end, -1)
    windows: list[int] = []
    standing, since = 0, 0
    for moment, change in sorted(moves):  # who goes before who comes: in doubt, nobody stood for a moment
        if standing == 0 and change > 0:
            since = moment
        standing += change
        if standing == 0:
            windows += range(-(-since // WINDOW_MS), moment // WINDOW_MS)
    return windows


def judge(guests: Sequence[Guest], *, per_minute: int, until_ms: int) -> Verdict:
    """Hold what happened until `until_ms` against the rules for N = `per_minute`, which did not change meanwhile."""
    entries = sorted(guest.entered_ms for guest in guests if guest.entered_ms is not None)
    used = Counter(moment // WINDOW_MS for moment in entries)
    counts = [place + 1 - bisect_left(entries, moment - MINUTE_MS + 1) for place, moment in enumerate(entries)]
    windows = standing_windows(guests, until_ms)
    allowed = sum(_cap(used, window, per_minute) for window in windows)
    errors = [error for guest in guests if (error := guest.error_windows) is not None]
    return Verdict(
        arrivals=len(guests),
        entries=len(entries),
        waiting=sum(guest.queued and guest.entered_ms is None and guest.left_ms is None for guest in guests),
        windows_with_a_line=len(windows),
        windows_above_share=sum(used[window] > share(per_minute, window) for window in windows),
        minutes_above=sum(count > per_minute for count in counts),
        most_in_a_minute=max(counts, default=0),
        utilisation=sum(used[window] for window in windows) / allowed if allowed else None,
        worst_eta_error_windows=max(errors, key=abs, default=None),
        foretold=len(errors),
    )


def _cap(used: Counter[int], window: int, per_minute: int) -> int:
    """What the rules leave to a window: its share, or less if the nine before it took more than theirs."""
    before = sum(used[earlier] for earlier in range(window - WINDOWS_A_MINUTE + 1, window))
    return max(0, min(share(per_minute, window), per_minute - before))


@dataclass(frozen=True, slots=True)
class MinuteRow:
    """A minute of the replay. Waits in seconds; None where nobody got in line, or nobody entered from it."""

    number: int
    arrivals: int
    entries: int
    waiting: int
    foretold_s: float | None  # to those who got in line in this minute, the median
    told_s: float | None  # to those who entered from the line in this minute, when they got in line
    waited_s: float | None  # by the same people


@dataclass(slots=True)
class Book:
    """Everybody of a replay, and what is new since the last row."""

    guests: list[Guest] = field(default_factory=list)
    waiting: int = 0
    _came: list[Guest] = field(default_factory=list)
    _entered: list[Guest] = field(default_factory=list)

    def come(self, guest: Guest) -> None:
        """Somebody came, and was told something."""
        self.guests.append(guest)
        self._came.append(guest)
        self.waiting += guest.queued

    def enter(self, guest: Guest, entered_ms: int) -> None:
        """Somebody was let in."""
        guest.entered_ms = entered_ms
        self._entered.append(guest)
        self.waiting -= guest.queued

    def leave(self, guest: Guest, left_ms: int) -> None:
        """Somebody lost their place."""
        guest.left_ms = left_ms
        self.waiting -= guest.queued

    def row(self, number: int) -> MinuteRow:
        """Close minute `number`: what happened since the one before."""
        came, self._came = self._came, []
        entered, self._entered = self._entered, []
        compared = [
            (guest.told_s, (guest.entered_ms - guest.joined_ms) / 1000)
            for guest in entered
            if guest.told_s is not None and guest.entered_ms is not None
        ]
        return MinuteRow(
            number=number,
            arrivals=len(came),
            entries=len(entered),
            waiting=self.waiting,
            foretold_s=_median([guest.told_s for guest in came if guest.told_s is not None]),
            told_s=_median([told for told, _ in compared]),
            waited_s=_median([waited for _, waited in compared]),
        )


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


HEADING = (
    f"{'minute':>8}  {'arrivals':>9}  {'entries':>8}  {'waiting':>9}  {'foretold':>9}  {'told then':>9}  {'waited':>9}"
)


def row_line(row: MinuteRow, clock: str) -> str:
    """A row of the table under HEADING. `clock` names the minute as the file does."""
    waits = "  ".join(f"{wait_text(wait):>9}" for wait in (row.foretold_s, row.told_s, row.waited_s))
    return f"{clock:>8}  {row.arrivals:>9,}  {row.entries:>8,}  {row.waiting:>9,}  {waits}"


def wait_text(seconds: float | None) -> str:
    """A wait as minutes and seconds, `-` without one."""
    if seconds is None:
        return "-"
    return f"{int(seconds // 60)}:{int(seconds % 60):02}"


def verdict_lines(verdict: Verdict, per_minute: int) -> list[str]:
    """The end of the report."""
    used = "no line stood" if verdict.utilisation is None else f"{verdict.utilisation:.1%} of the room was used"
    error = verdict.worst_eta_error_windows
    left = verdict.arrivals - verdict.entries - verdict.waiting
    return [
        f"{verdict.arrivals:,} came, {verdict.entries:,} entered, "
        + (f"{left:,} left, " if left else "")
        + f"{verdict.waiting:,} still wait.",
        f"Windows above their share: {verdict.windows_above_share} of {verdict.windows_with_a_line:,} with a line.",
        f"Sliding minutes above {per_minute:,}: {verdict.minutes_above}"
        f" (at most {verdict.most_in_a_minute:,} entered within 60 s).",
        f"While a line stood: {used}.",
        "No wait that was foretold has come true."
        if error is None
        else f"The wait foretold was off by {error:+} windows of 6 s at worst, over {verdict.foretold:,} people.",
    ]
