"""What exports keep in Redis.

Keys:
- `history:export:<user>`: this user has an export running. Kept for a while after it was last renewed, so that one
  whose server was killed does not stand in the way for long.
"""

from apps.realtime.redis import Command

KEPT_S = 60


def _running(user_id: int) -> str:
    return f"history:export:{user_id}"


def export_claim(user_id: int) -> Command:
    """Answers None if the user has an export running."""
    return ("SET", _running(user_id), 1, "NX", "EX", KEPT_S)


def export_renew(user_id: int) -> Command:
    """It still runs."""
    return ("EXPIRE", _running(user_id), KEPT_S)


def export_release(user_id: int) -> Command:
    """It is over."""
    return ("DEL", _running(user_id))
