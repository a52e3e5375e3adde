"""What a gate tells of a line it follows, once a second, for those who run it: a few figures as JSON.

A gate knows all of it already, so telling costs one command a second and process, however many zones and managers
there are. Of several gates that follow a zone the last to speak is heard; they read the same line.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearing:
    """How one line stands. Moments are epoch ms on Redis's clock."""

    at: int  # when the line was read
    epoch: int
    version: int  # of the rules that the gate goes by
    waiting: int
    called: int  # may enter, heard of lately, not in yet
    entering: int  # entries of the last sixty seconds
    eta: int | None  # seconds until somebody who came now would be called; 0 at once, None nobody knows
    front: int  # first place not yet called
    moved: int  # when the front last moved, or this gate began to look, whichever came later
    grown: int  # how many more wait than then
    since: int  # since when a line stands by these rules, as far as this gate knows; 0: nobody waits
    lost: bool = False  # Redis does not know the line, which is being put back
    gate: str = ""

    def to_json(self) -> str:
        """As it is told."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> "Bearing | None":
        """As it was told; None for what is none, such as that of another release."""
        try:
            told: dict[str, Any] = json.loads(text)
            return cls(**{field.name: told[field.name] for field in fields(cls)})
        except (ValueError, KeyError, TypeError):
            return None
