"""The real application with a faster clock: counts are confirmed 200 times a second and a stalled reader has 5 s.

What takes a slow reader hours (its buffers hold thousands of counts of 80 bytes) happens in seconds.
"""

from apps.audience import board
from apps.realtime import outbox
from config.asgi import application

__all__ = ["application"]

board.READ_EVERY_S = 0.005
board.PUSH_EVERY_S = 0.005
board.CONFIRM_EVERY_S = 0.005
outbox.DRAIN_SECONDS = 5.0
