"""Where behind a zone there is nothing to wait for any more, so that those who wait are told.

Arrows between apps point down only: the waiting room does not know what stands behind a zone. Whoever puts something
there hands in a function that says what of it has ended.
"""

from collections.abc import Callable, Sequence

# Zone ids -> by zone the paths of this site that are over, at most rules.MAX_OVER each; a zone may be left out.
Endings = Callable[[Sequence[str]], dict[str, tuple[str, ...]]]

_registered: Endings | None = None


def endings_register(endings: Endings | None) -> Endings | None:
    """Make this the function that is asked; None takes it away. Returns the one before it."""
    global _registered
    previous, _registered = _registered, endings
    return previous


def endings_find(zone_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What is over, by zone."""
    return {} if _registered is None else _registered(zone_ids)
