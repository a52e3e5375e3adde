"""One look at one subject of a rule."""

from dataclasses import dataclass, field

from .alert_memory import Memory


@dataclass(frozen=True, slots=True)
class Reading:
    """One subject's figure now, None if unknown; where that is, in words; and what to remember of it."""

    value: float | None
    place: str = ""
    place_ko: str = ""
    memory: Memory | None = field(default=None)
