"""What the managers' pages show when they are opened; from then on their sockets go on (manage_feed.py)."""

from dataclasses import dataclass
from datetime import datetime

from apps.accounts.models import User

from .wall import WallRow, ZoneDetail


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would become of the line at another N, if nobody else came."""

    per_minute: int
    waiting: int
    clears_at: datetime | None  # None: never, or nobody knows
    seconds: int | None


def wall_now(user: User) -> list[WallRow]:
    """The rows of all zones that somebody may look at, most trouble first. Four queries, one call to Redis."""
    raise NotImplementedError


def zone_now(zone_id: str) -> ZoneDetail:
    """One zone in detail. Zone.DoesNotExist when there is none."""
    raise NotImplementedError


def preview(zone_id: str, per_minute: int) -> Preview:
    """When the line as it stands now would be through at so many a minute, by its mode and opening.

    Zone.DoesNotExist when there is no such zone; `waiting` is 0 and the rest None while Redis is away.
    """
    raise NotImplementedError
