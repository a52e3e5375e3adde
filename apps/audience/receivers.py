"""What the audience does when a stream starts, changes or ends, and when a user is banned.

Redis may be away just then: the row is committed and true, and catalog_rebuild brings Redis in line within half a
minute.
"""

import logging
from typing import Any

from django.dispatch import receiver
from redis.exceptions import RedisError

from apps.accounts.models import User
from apps.accounts.signals import user_banned, user_unbanned
from apps.realtime import deeds
from apps.streams.models import Stream
from apps.streams.signals import stream_changed, stream_ended, stream_started

from . import removal_services, services

logger = logging.getLogger(__name__)


@receiver([stream_started, stream_changed])
def list_stream(sender: Any, stream: Stream, previous_category_id: int | None = None, **kwargs: Any) -> None:
    """Put the stream into the directory of live streams."""
    try:
        services.stream_list(stream=stream, previous_category_id=previous_category_id)
    except (RedisError, OSError):
        logger.warning("stream %s is listed later: Redis is away", stream.pk, exc_info=True)


@receiver(stream_ended)
def close_stream(sender: Any, stream: Stream, **kwargs: Any) -> None:
    """Close its sockets and settle its figures."""
    try:
        services.stream_close(stream_id=stream.pk, category_id=stream.category_id)
    except (RedisError, OSError):
        deeds.nobody_heard(str(stream.pk))
        logger.warning("stream %s is closed later: Redis is away", stream.pk, exc_info=True)


@receiver(user_banned)
def ban_viewer(sender: Any, user: User, **kwargs: Any) -> None:
    """Close the user's sockets and refuse the tokens that the user still holds."""
    removal_services.viewer_ban(user=user)


@receiver(user_unbanned)
def unban_viewer(sender: Any, user: User, **kwargs: Any) -> None:
    """Take the user's tokens again."""
    removal_services.viewer_unban(user=user)
