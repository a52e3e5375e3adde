"""What analytics keeps in Redis.

Keys:
- `history:snapshot:<epoch_s>`: somebody takes, or has taken, the snapshot of that 5-minute mark. Kept until the
  mark after the next, so that a second beat or a late run finds it.
"""

from apps.realtime.redis import Command

CLAIM_KEPT_S = 600


def _snapshot(mark_s: int) -> str:
    return f"history:snapshot:{mark_s}"


def snapshot_claim(mark_s: int) -> Command:
    """Answers None if somebody else has this mark."""
    return ("SET", _snapshot(mark_s), 1, "NX", "EX", CLAIM_KEPT_S)


def snapshot_release(mark_s: int) -> Command:
    """Give the mark back, so that another run may take it."""
    return ("DEL", _snapshot(mark_s))
