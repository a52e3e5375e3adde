"""Passes that open once, at a gate: counted by Redis, and by the zone's fail mode while it is away."""

import asyncio
from collections.abc import Callable

import pytest

from apps.waitingroom.gatehouse import Gatehouse
from tests.services.redis_server import RedisServer
from tests.waitingroom.gate import ask, zone_open

SOMEBODY = {"zoneId": "concert", "clientIp": "127.0.0.1", "clientAgent": "WEB"}


@pytest.fixture
def own_redis(redis_url: str, private_redis: RedisServer, use_redis: Callable[[str], str]) -> RedisServer:
    use_redis(private_redis.url)
    return private_redis


@pytest.mark.parametrize(
    ("fail_open", "status", "said"),
    [
        (True, 200, {"redeemed": True, "singleUse": False, "place": 0}),
        (False, 503, {"error": "unavailable", "detail": "Passes cannot be used up now."}),
    ],
)
async def test_without_redis_the_zones_fail_mode_holds(
    own_redis: RedisServer, house: Gatehouse, fail_open: bool, status: int, said: dict[str, object]
) -> None:
    zone_open(single_use=True, fail_open=fail_open)
    given = await ask("wait", SOMEBODY)
    assert given.json["canEnter"]
    own_redis.stop(keep=True)
    shown = {"zoneId": "concert", "pass": given.json["pass"]}
    reply = await ask("redeem", shown)
    assert (reply.status, reply.json) == (status, said)
    assert (reply.headers.get("retry-after") == "1") == (not fail_open)


async def test_passes_for_many_uses_ask_redis_nothing(own_redis: RedisServer, house: Gatehouse) -> None:
    zone_open(single_use=False)
    given = await ask("wait", SOMEBODY)
    own_redis.stop(keep=True)
    reply = await ask("redeem", {"zoneId": "concert", "pass": given.json["pass"]})
    assert (reply.status, reply.json) == (200, {"redeemed": True, "singleUse": False, "place": 0})


async def test_of_many_who_show_one_pass_at_once_one_is_the_first(own_redis: RedisServer, house: Gatehouse) -> None:
    zone_open(single_use=True)
    shown = {"zoneId": "concert", "pass": (await ask("wait", SOMEBODY)).json["pass"]}
    replies = await asyncio.gather(*(ask("redeem", shown) for _ in range(20)))
    assert sorted(reply.status for reply in replies) == [200] + [409] * 19
