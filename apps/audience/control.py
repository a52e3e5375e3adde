"""Control events: what one process has to tell all the others. They travel on the channel layer, one channel a process.

An event may be lost (publish and subscribe promises nothing), so each is only the fast way. The five there are, and how
each is made good for: docs/decisions/0007-publish-subscribe-for-control-events.md.
"""

import asyncio
import logging
from typing import Any

from asgiref.sync import async_to_sync
from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import channel_layers
from redis.exceptions import RedisError

from apps.realtime import deeds

logger = logging.getLogger(__name__)

GROUP = "audience.servers"
RETRY_S = 1.0
# The layer's own client waits for a peer that is silent without an end, and so would whoever tells.
TELL_S = 5.0


def tell_servers(event: dict[str, Any]) -> bool:
    """Send an event to every server process. False: the channel layer is away, they will notice by themselves."""
    layer = channel_layers[DEFAULT_CHANNEL_LAYER]
    try:
        with deeds.asked_once(deeds.SERVERS):
            async_to_sync(_send)(layer, event)
    except (RedisError, OSError):
        logger.warning("no channel layer to send %s", event["type"], exc_info=True)
        return False
    return True


async def _send(layer: Any, event: dict[str, Any]) -> None:
    async with asyncio.timeout(TELL_S):
        await layer.group_send(GROUP, event)


async def listen(handlers: dict[str, Any]) -> None:
    """Hand every event to `handlers[type](event)` until cancelled; survive a channel layer that goes and comes."""
    layer = channel_layers[DEFAULT_CHANNEL_LAYER]
    channel = await layer.new_channel()
    is_member = False
    while True:
        try:
            if not is_member:
                await layer.group_add(GROUP, channel)
                is_member = True
            event = await layer.receive(channel)
        except (RedisError, OSError):
            is_member = False
            await asyncio.sleep(RETRY_S)
            continue
        handler = handlers.get(event["type"])
        if handler is None:
            logger.warning("unknown control event %s", event["type"])
        else:
            handler(event)
