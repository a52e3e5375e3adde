"""One at a time makes statistics, or erases a viewer.

Two who make the same day at once may have read it at different moments, and the one who writes last need not be the one
who read last. And who notes visitors while a viewer is erased writes down names that are gone by then.
"""

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass

from apps.realtime import redis

from . import store

# An operator's command waits so long for a run to end, and asks this often.
PATIENCE_S = 60.0
ASK_EVERY_S = 0.2


class StatisticsBusy(Exception):
    """Somebody else makes statistics or erases a viewer, or has begun to because this one was silent for too long."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Held till it is released, or not kept for store.CLAIM_KEPT_S."""

    holder: str

    def keep(self) -> None:
        """Call it before writing: what was read under a claim that lapsed may be old. StatisticsBusy."""
        if not redis.ask_now([store.claim_keep(self.holder)])[0]:
            raise StatisticsBusy("This took so long that somebody else may have begun; nothing more is written.")


@contextlib.contextmanager
def claimed(*, wait_s: float = 0.0) -> Iterator[Claim]:
    """Be the only one, if need be after waiting so long at most; StatisticsBusy, RedisError."""
    claim, end = Claim(secrets.token_hex(8)), time.monotonic() + wait_s
    while not redis.ask_now([store.claim_take(claim.holder)])[0]:
        if time.monotonic() >= end:
            raise StatisticsBusy("Statistics are being made, or a viewer erased; try again later.")
        time.sleep(ASK_EVERY_S)
    try:
        yield claim
    finally:
        redis.ask_now([store.claim_drop(claim.holder)])
