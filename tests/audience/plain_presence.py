"""The rules of presence in plain Python: what the scripts must agree with, whatever happens in whatever order."""

from dataclasses import dataclass, field

SILENCE_MS = 60_000
RECENT_MS = 120_000


@dataclass
class Held:
    """A session as it should be known: who holds it, whose it is, when it was last heard of."""

    owner: str
    viewer: str
    heard: int
    joined: int
    given_up: int | None = None  # when its server, which drains, left it to its grace


@dataclass
class PlainPresence:
    """One live stream."""

    sessions: dict[str, Held] = field(default_factory=dict)
    recent: dict[str, int] = field(default_factory=dict)  # viewer -> last coming or going
    peak: int = 0
    total: int = 0
    has_ended: bool = False
    past: list[str] = field(default_factory=list)  # session|left|reason|joined|viewer of every session that is over

    @property
    def viewers(self) -> set[str]:
        return {held.viewer for held in self.sessions.values()}

    def hear(
        self, *, now: int, session: str, owner: str, viewer: str, is_arrival: bool, joined: int | None = None
    ) -> int | None:
        """A session is here: a viewer who was not, or not within two minutes, pays a visit by arriving.

        It is here since `joined`, or since its connection. Returns when it came if that was before.
        """
        if self.has_ended:
            return None
        joined = int(owner[:13]) if joined is None else joined
        held = self.sessions.get(session)
        if held is not None:
            if held.owner > owner:
                return None
            held.owner, held.heard, held.given_up = owner, now, None
            held.joined = min(held.joined, joined)
            return held.joined if held.joined < joined else None
        if viewer not in self.viewers:
            was_here = now - self.recent.get(viewer, -RECENT_MS) < RECENT_MS
            self.total += is_arrival and not was_here
            self.recent[viewer] = now
        self.sessions[session] = Held(owner, viewer, now, joined)
        self.peak = max(self.peak, len(self.viewers))
        return None

    def leave(self, *, now: int, session: str, owner: str, grace: int = 0) -> None:
        """Only who holds a session can leave it."""
        held = self.sessions.get(session)
        if self.has_ended or held is None or held.owner != owner:
            return
        if grace:
            held.heard, held.given_up = now - SILENCE_MS + grace, now
        else:
            self._over(session, now, "left")
            self._out(now, session)

    def _over(self, session: str, left: int, reason: str) -> None:
        held = self.sessions[session]
        self.past.append(f"{session}|{left}|{reason}|{held.joined}|{held.viewer}")

    def _out(self, now: int, session: str) -> None:
        viewer = self.sessions.pop(session).viewer
        if viewer not in self.viewers:
            self.recent[viewer] = now

    def sweep(self, *, now: int) -> int:
        """Sessions not heard of for more than a minute go; how many."""
        silent = [name for name, held in self.sessions.items() if held.heard < now - SILENCE_MS]
        for name in silent:
            held = self.sessions[name]
            self._over(name, held.heard if held.given_up is None else held.given_up, "expired")
            self._out(now, name)
        return len(silent)

    def end(self, *, now: int) -> None:
        """Nobody is here any more, for good."""
        for name in self.sessions:
            self._over(name, now, "ended")
        self.has_ended = True
        self.sessions.clear()
