"""What somebody at the gate is told, before it is put into words for HTTP or a socket.

An outcome holds all that an answer says and all that its token or pass is made of. It is a named tuple because one is
made for every poll: it takes a third of the time of a frozen dataclass.
"""

from typing import Final, NamedTuple

WAITING: Final = "waiting"
ADMITTED: Final = "admitted"
PAUSED: Final = "paused"
BLOCKED: Final = "blocked"
BEFORE: Final = "before"  # the zone has not opened, and draws no places yet
PREQUEUE: Final = "prequeue"  # the zone has not opened, places are being drawn
HOLDING: Final = "holding"  # Redis is away and the zone lets nobody in meanwhile

# Why somebody is turned away.
CLEARED: Final = "cleared"  # the ticket is of a line that a manager cleared
EVICTED: Final = "evicted"  # no longer in the line: silent for too long, or left
SPENT: Final = "spent"  # entered, and the pass is over
TOO_FAST: Final = "too_fast"

NOWHERE: Final = -1  # the place of somebody who has none


class Outcome(NamedTuple):
    """One answer. `refused` says why there is none ("" if there is): then only `place` and `epoch` mean something."""

    state: str
    can_enter: bool
    place: int  # NOWHERE: no place yet, ask again without a token
    epoch: int
    joined_ms: int
    client: str
    rank: int  # 1 is next; 0 for who enters, has no place, or whose place is still being drawn
    total: int
    eta_s: int | None  # None: nobody knows
    polling_ms: int
    entered_ms: int = 0  # when the entry was counted, ms since 1970; the pass is made of it
    opens_at_ms: int | None = None
    slowed: bool = False  # N was lowered a moment ago: ranks and times may have grown
    refused: str = ""

    @property
    def behind(self) -> int:
        """How many wait behind."""
        return self.total - self.rank if self.rank else 0


def refusal(reason: str, *, place: int, epoch: int, client: str) -> Outcome:
    """Somebody is turned away."""
    return Outcome("", False, place, epoch, 0, client, 0, 0, None, 0, refused=reason)
