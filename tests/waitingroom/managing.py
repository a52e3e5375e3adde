"""Managers before their pages: signed in, with roles, at a socket; and what they cost Redis."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client
from redis import RedisCluster

from apps.accounts.models import User
from apps.accounts.services import user_register
from apps.realtime import redis
from apps.waitingroom import board_store
from apps.waitingroom.bearing import Bearing
from apps.waitingroom.manage.reading import ROLES_EVERY_S
from apps.waitingroom.models import Zone
from tests.services.waiting import eventually_async

T = TypeVar("T")
PASSWORD = "a long enough pass"
# What servers and this test itself say, beside what is measured.
OTHERS = {"info", "ping", "replconf", "psync"}


def person(name: str) -> User:
    """Somebody with an account."""
    return user_register(username=name, password=PASSWORD)


def session_of(user: User) -> str:
    """The key of a session in which they are signed in."""
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


async def in_thread(fn: Callable[..., T], **arguments: Any) -> T:
    """A synchronous function, from a test that is a coroutine."""
    return await database_sync_to_async(fn)(**arguments)


@asynccontextmanager
async def watching(
    path: str, session_key: str = "", *, origin: bytes | None = b"http://testserver"
) -> AsyncIterator[WebsocketCommunicator]:
    """An open socket at /ws/manage/<path>."""
    from config.asgi import application

    headers = [(b"cookie", f"{settings.SESSION_COOKIE_NAME}={session_key}".encode())]
    if origin is not None:
        headers.append((b"origin", origin))
    one = WebsocketCommunicator(application, f"/ws/manage/{path}", headers=headers)
    assert await one.connect(timeout=5) == (True, None)
    yield one
    await one.disconnect()


# What nobody tells a page of it finds out after ROLES_EVERY_S or FACTS_EVERY_S; what it shows sooner, it was told.
TOLD_WITHIN_S = ROLES_EVERY_S - 0.5


async def early_in_a_minute() -> None:
    """Wait until the minute has ten seconds to go, if it has not: then figures by the minute stay where they are."""

    async def is_early() -> bool:
        return time.time() % 60 < 50

    await eventually_async(is_early, deadline=15)


async def frame(one: WebsocketCommunicator, *, within: float = 3.0) -> dict[str, Any]:
    """The next frame."""
    return dict(json.loads(await one.receive_from(timeout=within)))


async def frame_where(
    one: WebsocketCommunicator, holds: Callable[[dict[str, Any]], object], *, within: float = 5.0
) -> dict[str, Any]:
    """The first frame of which this holds."""
    async with asyncio.timeout(within):
        while not holds(found := await frame(one, within=within)):
            pass
    return found


async def closing(one: WebsocketCommunicator, *, within: float = 5.0) -> tuple[int, str]:
    """Code and first word of the close, after whatever frames come before it."""
    async with asyncio.timeout(within):
        while (message := await one.receive_output(timeout=within))["type"] != "websocket.close":
            pass
    return message["code"], message["reason"].partition(":")[0]


def line_tell(zone: Zone, *, now_ms: int, **changes: Any) -> None:
    """A gate says how this line stands, as `Teller` does."""
    figures: dict[str, Any] = {
        "at": now_ms,
        "epoch": zone.epoch,
        "version": zone.version,
        "waiting": 0,
        "called": 0,
        "entering": 0,
        "eta": None,
        "front": 0,
        "moved": now_ms,
        "grown": 0,
        "since": 0,
        "gate": "a1",
    }
    told = {zone.pk: Bearing(**{**figures, **changes}).to_json()}
    redis.ask_now([*board_store.lines_tell(told), board_store.gate_report(gate="a1", sockets={zone.pk: 3})])


def commands() -> Counter[str]:
    """How often each command was called on all servers of the data Redis, scripts' own commands counted as well."""
    client = redis.sync_client()
    answers = client.info("commandstats", target_nodes="all") if isinstance(client, RedisCluster) else None
    nodes = [client.info("commandstats")] if answers is None else list(answers.values())
    found: Counter[str] = Counter()
    for node in nodes:
        for name, figures in node.items():
            kind = name.removeprefix("cmdstat_")
            if kind.partition("|")[0] not in OTHERS | {"cluster", "command", "hello", "client", "script"}:
                found[kind] += figures["calls"]
    return found


def round_trips() -> int:
    """How often the data Redis, a single one, has taken something in: a pipeline counts once, and so does asking."""
    return int(redis.sync_client().info("stats")["total_reads_processed"])
