"""Gates: the one of this process's event loop, and processes of their own that have no database."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from apps.waitingroom.gatehouse import Gatehouse, gatehouse, gatehouse_stop
from tests.services.web import WebServer
from tests.waitingroom.desks import Desk, desk_open


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
