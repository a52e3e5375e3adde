"""What keeping up with one zone asks of the process that it happens in."""

from collections.abc import Callable
from typing import Protocol

from .pacing import Strain


class House(Protocol):
    """A process, as the keeper of one zone sees it; the gatehouse is one."""

    server: str
    ticks: Callable[[], float]
    strain: Strain
    phase_ms: int  # how long after a whole second this process pulses

    def flush_soon(self, zone_id: str) -> None:
        """The zone's desk has something to tell Redis."""

    def rouse(self) -> None:
        """A line is due to be read."""

    def look_again(self) -> None:
        """The catalogue has changed, says a line."""

    def snapshot_came(self, zone_id: str) -> None:
        """The zone's line was read."""
