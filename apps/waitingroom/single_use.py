"""Passes that open once: what Redis is asked to use one up, and what its answer, or none, comes to.

A gate redeems a pass for the site behind a zone, a live page redeems one itself. Both go by what is here, so that a
zone's fail mode holds wherever its passes are shown.
"""

import asyncio
from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from typing import Any

from apps.realtime.metrics import REDIS_FAILURES
from apps.realtime.redis import Command

from . import store
from .desk import Call
from .passes import PassClaims


class Use(Enum):
    """What came of showing a pass."""

    FIRST = "first"
    AGAIN = "again"  # used before
    UNCOUNTED = "uncounted"  # nobody counts: passes of the zone open as often as they like, or it fails open
    UNKNOWN = "unknown"  # Redis is away, and the zone lets nobody in meanwhile


def use_command(zone_id: str, claims: PassClaims) -> Command:
    """Use this pass up."""
    return store.redeem(
        zone_id=zone_id,
        place=claims.place,
        issued_ms=claims.issued * 1000,
        pass_s=claims.expires - claims.issued,
        client=claims.client,
    )


def use_read(reply: Any, *, fail_open: bool) -> Use:
    """What Redis's answer means, which is an exception if there is none."""
    if isinstance(reply, Exception):
        REDIS_FAILURES.labels("redeem").inc()
        return unanswered(fail_open=fail_open)
    return Use.FIRST if reply else Use.AGAIN


def unanswered(*, fail_open: bool) -> Use:
    """What holds while Redis does not say."""
    return Use.UNCOUNTED if fail_open else Use.UNKNOWN


class Redemptions:
    """Passes of one zone that are being used up: they gather for a moment, as joins do."""

    def __init__(self, zone_id: str, *, flush_soon: Callable[[], None]) -> None:
        self._zone_id = zone_id
        self._flush_soon = flush_soon
        self._asked: list[tuple[PassClaims, bool, asyncio.Future[Use]]] = []

    def use(self, claims: PassClaims, *, fail_open: bool) -> asyncio.Future[Use]:
        """Use this pass up; who is cancelled may have done so all the same."""
        future: asyncio.Future[Use] = asyncio.get_running_loop().create_future()
        self._asked.append((claims, fail_open, future))
        self._flush_soon()
        return future

    def calls(self) -> Iterator[Call]:
        """The calls to be sent now."""
        asked, self._asked = self._asked, []
        for claims, fail_open, future in asked:
            if not future.done():  # else nobody waits for it any more
                yield use_command(self._zone_id, claims), partial(_used, future, fail_open)


def _used(future: asyncio.Future[Use], fail_open: bool, reply: Any) -> None:
    use = use_read(reply, fail_open=fail_open)
    if not future.done():
        future.set_result(use)
