"""Which zones there are, as people saved them: followed in Redis, and told to Redis again when it forgot.

A number in Redis changes with every change of a zone; it is asked for every FOLLOW_EVERY_S, and the zones' rules only
when it is another one. Rules never go back: an older version, or none at all after Redis lost its memory, leaves what
this process goes by as it is.
"""

import logging
from collections.abc import Callable
from itertools import chain
from typing import Any

from redis.exceptions import RedisError

from apps.realtime import redis
from apps.realtime.redis import Command

from . import store
from .replies import catalog_look_read
from .rules import RulesError, ZoneRules

logger = logging.getLogger(__name__)

FOLLOW_EVERY_S = 0.5


class Catalogue:
    """The rules of all zones that this process knows. `changed` hears of new rules, `dropped` of ids."""

    def __init__(self, changed: Callable[[ZoneRules], None], dropped: Callable[[str], None]) -> None:
        self.rules: dict[str, ZoneRules] = {}
        self.is_read = False
        self._changed = changed
        self._dropped = dropped
        self._version = 0
        self._is_behind = False
        self._missing: set[str] = set()  # not there at the last look: dropped if they are not at the next

    async def look(self, *, again: bool = False) -> None:
        """Read what has changed; `again` reads all. Raises RedisError or OSError when Redis is away."""
        reads_all = again or not self.is_read or self._missing
        version, found = catalog_look_read(await _one(store.catalog_look(None if reads_all else self._version)))
        if found is None:
            return
        was_wiped = version < self._version
        if was_wiped and not self._is_behind:
            self._is_behind = True  # or a master that has just become one lags: look twice
            return
        self._is_behind = False
        for zone_id, text in found.items():
            self._take(zone_id, text)
        gone = self.rules.keys() - found.keys()
        if was_wiped:
            await self._put_back(gone)
        else:
            # Another process may be putting them back, one by one: look twice.
            for zone_id in gone & self._missing:
                del self.rules[zone_id]
                self._dropped(zone_id)
            self._missing = gone - self._missing
        self._version = version
        self.is_read = True

    def _take(self, zone_id: str, text: bytes) -> None:
        known = self.rules.get(zone_id)
        try:
            rules = ZoneRules.from_json(text)
            if rules.zone_id != zone_id:
                raise RulesError("zone_id", f"is {rules.zone_id}")
        except RulesError as error:
            logger.warning("the rules of zone %s cannot be used: %s", zone_id, error)
            return
        # Of one version are also those that tell what has ended behind the zone meanwhile.
        if known is None or (rules.version >= known.version and rules != known):
            self.rules[zone_id] = rules
            self._changed(rules)

    async def _put_back(self, zone_ids: set[str]) -> None:
        logger.warning("Redis lost %d zone(s) and is told of them again", len(zone_ids))
        rules = [self.rules[zone_id] for zone_id in sorted(zone_ids)]
        replies = await redis.run([*map(store.publish, rules), *chain.from_iterable(map(store.catalog_put, rules))])
        if error := redis.first_error(replies):
            raise error


async def _one(command: Command) -> Any:
    reply = (await redis.run([command]))[0]
    if isinstance(reply, Exception):
        raise reply if isinstance(reply, RedisError) else OSError(str(reply))
    return reply
