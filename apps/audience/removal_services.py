"""Sending viewers away: bans, as the table of users has them, and sockets that an operator closes.

Redis is written first and servers are told at once; each makes good for the loss of the other within seconds.
"""

import datetime
import logging
from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from redis.exceptions import RedisError

from apps.accounts.models import User
from apps.accounts.ports import REASON_BYTES, SocketsUnavailable
from apps.realtime import deeds, redis
from apps.realtime.clock import epoch_ms

from . import removal_store
from .control import tell_servers
from .tokens import TOKEN_SECONDS

logger = logging.getLogger(__name__)

# Longer than any token that a viewer may hold when the ban comes, clocks that differ included.
REMEMBERED_MS = (TOKEN_SECONDS + 300) * 1000


def _refused_until(user: User) -> int:
    banned_ms = int(user.banned_at.timestamp() * 1000) if user.banned_at else 0
    remembered = banned_ms + REMEMBERED_MS
    return remembered if user.banned_until is None else min(remembered, int(user.banned_until.timestamp() * 1000))


def _write(commands: Sequence[redis.Command]) -> bool:
    try:
        redis.ask_now(commands)
    except (RedisError, OSError):
        logger.warning("who is sent away could not be written to Redis", exc_info=True)
        return False
    return True


def _tell(commands: Sequence[redis.Command], event: dict[str, Any]) -> bool:
    """Both ways; whether one of them was open."""
    is_written = _write(commands)
    return tell_servers(event) or is_written


def viewer_ban(*, user: User) -> None:
    """Close the sockets of a banned user now, and refuse the tokens that are still good. Repeating changes nothing."""
    until_ms = _refused_until(user)
    event = {"type": "viewer.banned", "viewer": user.viewer_id, "until_ms": until_ms}
    if not _tell(removal_store.ban({user.viewer_id: until_ms}, now_ms=epoch_ms()), event):
        deeds.nobody_heard(user.viewer_id)


def viewer_unban(*, user: User) -> None:
    """Take the tokens of a user again."""
    if not _tell([removal_store.unban(user.viewer_id)], {"type": "viewer.unbanned", "viewer": user.viewer_id}):
        deeds.nobody_heard(user.viewer_id)


def bans_restate() -> int:
    """Have Redis, which may have lost some or never heard, know the bans that servers must know; how many these are."""
    # Read before the table: a ban is in the table before it is here, so none that is new is taken for a lifted one.
    told = removal_store.banned_read(redis.ask_now([removal_store.banned(epoch_ms())])[0])
    now = timezone.now()
    recent = now - datetime.timedelta(milliseconds=REMEMBERED_MS)
    users = [user for user in User.objects.filter(banned_at__gte=recent) if user.is_banned]
    until = {user.viewer_id: _refused_until(user) for user in users}
    lifted = [removal_store.unban(viewer_id) for viewer_id in told if viewer_id not in until]
    redis.ask_now([*lifted, *removal_store.ban(until, now_ms=epoch_ms())])
    return len(users)


def viewer_disconnect(*, viewer_id: str, stream_id: int | None, reason: str) -> None:
    """Close all sockets that a viewer has open, on one stream or on all. Who opens a page again is let in again.

    SocketsUnavailable if neither Redis nor the channel layer can be reached; nothing was closed then.
    """
    word = reason.replace("\n", " ").encode()[:REASON_BYTES].decode(errors="ignore").strip()
    at_ms = epoch_ms()
    event = {"type": "viewer.removed", "viewer": viewer_id, "stream": stream_id or 0, "reason": word, "at_ms": at_ms}
    removal = removal_store.remove(viewer_id=viewer_id, stream_id=stream_id or 0, reason=word, at_ms=at_ms)
    if not _tell(removal, event):
        raise SocketsUnavailable("neither Redis nor the channel layer can be reached")
