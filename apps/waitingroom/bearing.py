"""What a gate tells of a line that it follows, once a second, for those who run it: a few figures as JSON.

A gate knows all of it already, so telling costs one command a second and process, however many zones and managers
there are. Of several gates that follow a zone the last to speak is heard; they read the same line.
"""

import json
from dataclasses import dataclass, fields
from typing import Any

from .rules import ZoneRules
from .snapshot import Snapshot
from .windows import WINDOWS_A_MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearing:
    """How one line stands. Moments are epoch ms on Redis's clock."""

    at: int  # when the line was read; when this was told, if Redis lost the line
    epoch: int
    version: int  # of the rules that the gate goes by
    waiting: int
    called: int  # may enter, heard of lately, not in yet
    entering: int  # entries of the last sixty seconds
    eta: int | None  # seconds until somebody who came now would be called; 0 at once, None nobody knows
    front: int  # first place not yet called
    moved: int  # since when the front stands although somebody could be called, as far as this gate knows
    grown: int  # how many more wait than then
    since: int  # since when as many wait as a window lets in, with room in the minute; 0: they do not
    lost: bool = False  # Redis does not know the line, which is being put back
    gate: str = ""

    def to_json(self) -> str:
        """As it is told; by hand, because a gate tells of all its zones every second."""
        return (
            f'{{"at":{self.at},"epoch":{self.epoch},"version":{self.version},"waiting":{self.waiting},'
            f'"called":{self.called},"entering":{self.entering},"eta":{"null" if self.eta is None else self.eta},'
            f'"front":{self.front},"moved":{self.moved},"grown":{self.grown},"since":{self.since},'
            f'"lost":{"true" if self.lost else "false"},"gate":"{self.gate}"}}'
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> "Bearing | None":
        """As it was told; None for what is none, such as that of another release."""
        try:
            told: dict[str, Any] = json.loads(text)
            return cls(**{field.name: told[field.name] for field in fields(cls)})
        except (ValueError, KeyError, TypeError):
            return None


class Progress:
    """Since when a line could have moved and did not, and since when it has stood: what one reading does not tell.

    Both begin anew with the gate, with every change of what the zone does, after a loss, and whenever the minute is
    full: a burst uses up a whole minute, in which nobody can be called.
    """

    __slots__ = ("_front", "_kept", "_waiting", "moved", "since")

    def __init__(self) -> None:
        self.moved = self.since = 0  # epoch ms
        self._front = -1
        self._waiting = 0  # at `moved`
        self._kept: tuple[object, ...] = ()

    def read(
        self, snapshot: Snapshot, *, waiting: int, entering: int, rules: ZoneRules, state: str, restored: int
    ) -> None:
        """The line was read: entries of its minute, the zone's state (outlook.py), when it was last restored."""
        kept = (snapshot.epoch, rules.per_minute, rules.mode, state, restored)
        begins_anew = kept != self._kept or entering >= rules.per_minute
        if begins_anew or snapshot.front != self._front:
            self.moved, self._waiting = snapshot.now_ms, waiting
        stands = waiting and waiting * WINDOWS_A_MINUTE >= rules.per_minute
        if begins_anew or not self.since or not stands:
            self.since = snapshot.now_ms if stands else 0
        self._front, self._kept = snapshot.front, kept

    def grown(self, waiting: int) -> int:
        """How many more wait than at `moved`."""
        return waiting - self._waiting
