"""What streams needs from the floor above it, as a Protocol. The audience app registers the implementation.

Arrows between apps point down only, so streams may not import audience; audience imports this file and hands itself in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from apps.accounts.viewers import ViewerIdentity


class AudienceUnavailable(Exception):
    """The live counts cannot be read now. Pages go on without them."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The figures of one stream, as Redis has them now."""

    current: int
    peak: int
    total: int


class AudiencePort(Protocol):
    """Live counts. Every method may raise AudienceUnavailable."""

    def ranking(self, *, category_id: int | None, offset: int, limit: int) -> list[int]:
        """Ids of live streams, most viewers first."""
        ...

    def house_viewers(self) -> int | None:
        """Viewers of all live streams together; None before they were first summed up."""
        ...

    def counts(self, stream_ids: Sequence[int]) -> dict[int, Counts]:
        """The figures of these streams; every asked id is in the answer."""
        ...

    def viewer_token(self, *, identity: "ViewerIdentity", stream_id: int) -> str:
        """The signed token with which this viewer's page opens its socket."""
        ...


_registered: AudiencePort | None = None


def register_audience(port: AudiencePort | None) -> AudiencePort | None:
    """Make `port` the one that answers; None takes it away. Returns the one before it."""
    global _registered
    previous, _registered = _registered, port
    return previous


def audience() -> AudiencePort:
    """The registered port. Without one the counts are simply unavailable, as when Redis is away."""
    if _registered is None:
        raise AudienceUnavailable("no audience is registered")
    return _registered
