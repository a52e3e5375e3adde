"""What alerts are to do, in the plainest form: everything that was ever seen and told is kept, and looked through anew.

It shares nothing with apps/operations/alerts.py but the words.
"""

from dataclasses import dataclass, field

from apps.operations.alerts import Change, Notice, Terms

GAP_MS = 60_000


@dataclass(slots=True)
class PlainAlert:
    """One subject of a rule."""

    terms: Terms
    seen: list[tuple[int, float]] = field(default_factory=list)
    troubles_told: list[int] = field(default_factory=list)
    is_firing: bool = False
    is_told: bool = False

    def look(self, value: float | None, now_ms: int) -> tuple[Change | None, Notice | None]:
        """What happened, and what is to be told."""
        if value is None:
            return None, None
        # A clock that was set back: nothing was seen or told later than now.
        self.seen = [(min(at, now_ms), seen) for at, seen in self.seen] + [(now_ms, value)]
        self.troubles_told = [min(at, now_ms) for at in self.troubles_told]
        change = None
        if not self.is_firing and self._lasted_ms(above=self.terms.limit) >= self.terms.hold_ms:
            self.is_firing, change = True, Change.OPENED
        elif self.is_firing and self._lasted_ms(up_to=self.terms.recovers_at) >= self.terms.calm_ms:
            self.is_firing, change = False, Change.CLOSED
        return change, self._told(now_ms)

    def _lasted_ms(self, *, above: float | None = None, up_to: float | None = None) -> float:
        """For how long it has been so without anything else between and without a gap; -1 if it is not so now."""
        since, next_at = None, self.seen[-1][0]
        for at, value in reversed(self.seen):
            is_so = value > above if above is not None else value <= up_to  # type: ignore[operator]
            if not is_so or next_at - at > GAP_MS:
                break
            since = next_at = at
        return -1 if since is None else self.seen[-1][0] - since

    def _told(self, now_ms: int) -> Notice | None:
        if self.terms.quiet is not None and self.terms.quiet.holds(now_ms):
            return None
        if not self.is_firing:
            was_told, self.is_told = self.is_told, False
            return Notice.RECOVERY if was_told else None
        if self.troubles_told and now_ms - self.troubles_told[-1] < self.terms.repeat_ms:
            return None
        self.troubles_told.append(now_ms)
        was_told, self.is_told = self.is_told, True
        return Notice.REMINDER if was_told else Notice.TROUBLE
