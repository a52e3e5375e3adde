"""Gates: the one of this process's event loop, and processes of their own that have no database."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from apps.accounts.models import User
from apps.waitingroom.gatehouse import Gatehouse, gatehouse, gatehouse_stop
from apps.waitingroom.manage import feed as feed_module
from apps.waitingroom.manage import reading
from apps.waitingroom.manage.feed import Feed, manage_feed, manage_feed_stop
from apps.waitingroom.models import Role, Zone
from apps.waitingroom.role_services import manager_set
from tests.services.web import WebServer
from tests.waitingroom.desks import Desk, desk_open
from tests.waitingroom.managing import (
    person,
    session_of,
)
from tests.waitingroom.zones import zone_make


@pytest_asyncio.fixture
async def house(async_redis_clients: None) -> AsyncIterator[Gatehouse]:
    """This event loop's gatehouse, stopped when the test ends."""
    yield gatehouse()
    await gatehouse_stop()


@pytest.fixture
def gate(redis_url: str, settings: Any, tmp_path: Path) -> Iterator[Callable[..., WebServer]]:
    """Factory of ready gate processes, which are told of no database: `gate(env={...}, workers=1)`."""
    servers: list[WebServer] = []

    def start(*, env: dict[str, str] | None = None, **options: Any) -> WebServer:
        ours = {
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
            "DATABASE_URL": "",
            "REDIS_URL": settings.REDIS_URL,
            "SUPPORT_REDIS_URL": "",
            "SECRET_KEY": settings.SECRET_KEY,
        }
        servers.append(WebServer(tmp_path, {**ours, **(env or {})}, role="gate", **options))
        return servers[-1].wait_ready()

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def desk() -> Desk:
    """Opens browsers of managers: `desk(Role.OWNER, name="hana")`."""
    return desk_open


# --- managers' live pages ------------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def feed(async_redis_clients: None) -> AsyncIterator[Feed]:
    """This event loop's feed, stopped when the test ends."""
    yield manage_feed()
    await manage_feed_stop()


@pytest_asyncio.fixture
async def quick(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> Feed:
    """The same, in a tenth of its time, for what does not depend on it."""
    monkeypatch.setattr(feed_module, "TICK_S", feed_module.TICK_S / 10)
    monkeypatch.setattr(reading, "ROLES_EVERY_S", reading.ROLES_EVERY_S / 10)
    monkeypatch.setattr(reading, "FACTS_EVERY_S", reading.FACTS_EVERY_S / 10)
    return feed


@pytest.fixture
def mina(transactional_db: None) -> User:
    return person("mina")


@pytest.fixture
def concert(transactional_db: None, redis_url: str) -> Zone:
    return zone_make(per_minute=60, app="shop")


@pytest.fixture
def hers(mina: User, concert: Zone) -> str:
    """Mina's session; she operates the concert."""
    manager_set(actor=None, user=mina, role=Role.OPERATOR, zone_id="concert")
    return session_of(mina)


@pytest_asyncio.fixture
async def by_hand(async_redis_clients: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Feed]:
    """This event loop's feed, which ticks when it is told to."""

    async def never(self: Feed) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Feed, "_run", never)
    yield manage_feed()
    await manage_feed_stop()
