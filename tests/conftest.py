"""Fixtures of every test: databases, Redis single and Cluster, server and worker processes, a browser.

The parts themselves are in tests/services/. Redis is always there and empty when a test begins; everything else starts
when the first test asks for it.
"""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from django.utils import translation
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, Page

from tests.plugin import STORES, Stores
from tests.services.browser import open_browser
from tests.services.mariadb import MariaDBServer
from tests.services.process import running
from tests.services.redis_cluster import RedisCluster
from tests.services.redis_server import RedisServer
from tests.services.web import WebServer
from tests.services.worker import Worker

# An example that takes 200 ms on a busy machine says nothing of the code; what must be quick is measured elsewhere.
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the translations before any test: a process that looked for them and found none never looks again."""
    if not hasattr(session.config, "workerinput"):  # once, before the parts of the suite begin
        from apps.operations.preparation import translations_compile

        translations_compile()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, or the last of them runs alone while the other cores have nothing to do."""
    long = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("browser")}
    items.sort(key=lambda item: item.path not in long)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Put the logs of the processes that a failed test was using into its report."""
    report = yield
    if report.failed and report.when != "teardown":
        for process in sorted((one for one in running if one.is_ours), key=lambda one: one.name):
            report.sections.append((f"log of {process.name} (pid {process.pid})", process.log_tail(3000)))
    return report


@pytest.fixture(scope="session")
def stores(pytestconfig: pytest.Config) -> Stores:
    """Where this run keeps its data."""
    return pytestconfig.stash[STORES]


# --- databases ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def mariadb(stores: Stores) -> Iterator[MariaDBServer]:
    """The run's MariaDB server. Tests that stop or pause it make one of their own."""
    stores.mariadb.start()
    yield stores.mariadb
    stores.mariadb.remove()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request: pytest.FixtureRequest, stores: Stores) -> None:
    """Called by pytest-django just before it makes the test database: start what it will be made on."""
    if stores.database == "mariadb":
        request.getfixturevalue("mariadb")
    else:
        from django.db import connection

        # A file and not memory, so that a server process sees it, too.
        connection.settings_dict["TEST"]["NAME"] = str(stores.folder / "test_fullhouse.sqlite3")


@pytest.fixture(scope="session")
def database_url(django_db_setup: None, stores: Stores) -> str:
    """DATABASE_URL of the test database, for a process of its own. It sees what is committed: use transactional_db."""
    return stores.database_url("test_fullhouse")


# --- Redis --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def shared_redis(stores: Stores) -> Iterator[RedisServer]:
    """The run's Redis server: data and support of every test that does not choose otherwise."""
    stores.redis.start()
    yield stores.redis
    stores.redis.remove()


@pytest.fixture(autouse=True)
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """The run's Redis server, emptied. Every test has it; do not stop or pause this one (see private_redis)."""
    shared_redis.flush()
    return shared_redis


@pytest.fixture(autouse=True)
def redis_clients(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close the clients that a test's code opened."""
    from apps.realtime.redis import close_sync_clients

    if request.node.get_closest_marker("asyncio") is not None:
        request.getfixturevalue("async_redis_clients")
    yield
    close_sync_clients()


@pytest_asyncio.fixture
async def async_redis_clients() -> AsyncIterator[None]:
    """Close the clients of a coroutine test's event loop before the loop ends."""
    from apps.realtime.redis import close_clients

    yield
    await close_clients()


@pytest.fixture(autouse=True)
def language_of_the_settings() -> Iterator[None]:
    """A page asked for in Korean through Django's client leaves its thread, which is the tests' own, in Korean."""
    yield
    translation.deactivate()


@pytest.fixture
def new_redis(tmp_path: Path, stores: Stores) -> Iterator[Callable[[], RedisServer]]:
    """Factory of started Redis servers that belong to one test."""
    servers: list[RedisServer] = []

    def start() -> RedisServer:
        # Not in tmp_path, which pytest keeps.
        servers.append(RedisServer(stores.folder / f"redis-{tmp_path.name}-{len(servers)}"))
        return servers[-1].start()

    yield start
    for server in servers:
        server.remove()


@pytest.fixture
def private_redis(new_redis: Callable[[], RedisServer]) -> RedisServer:
    """A Redis server for this test alone, to stop, kill, pause and restart; see use_redis."""
    return new_redis()


@pytest.fixture(scope="session")
def shared_cluster(stores: Stores) -> Iterator[RedisCluster]:
    """The run's Redis Cluster."""
    cluster = RedisCluster(stores.folder / "cluster")
    try:
        yield cluster.start()
    finally:
        cluster.remove()


@pytest.fixture
def redis_cluster(shared_cluster: RedisCluster) -> RedisCluster:
    """The run's Redis Cluster, three masters and three replicas, emptied."""
    shared_cluster.flush()
    return shared_cluster


@pytest.fixture
def use_redis(settings: Any, redis_server: RedisServer) -> Iterator[Callable[[str], str]]:
    """Function that sends all data of this test, and of the processes it starts, to another Redis.

    The support Redis stays the shared one, which is never a Cluster.
    """
    from apps.realtime.redis import close_sync_clients

    def use(url: str) -> str:
        close_sync_clients()
        settings.REDIS_URL = url
        return url

    yield use
    close_sync_clients()


@pytest.fixture
def redis_url(request: pytest.FixtureRequest, use_redis: Callable[[str], str], redis_server: RedisServer) -> str:
    """Address of the data Redis: single by default, or what the test's parametrize says.

    `@pytest.mark.parametrize("redis_url", ["single", "cluster"], indirect=True)` runs a test on both.
    """
    kind = getattr(request, "param", "single")
    if kind == "cluster":
        return use_redis(request.getfixturevalue("redis_cluster").url)
    assert kind == "single", f"redis_url is single or cluster, not {kind!r}"
    return use_redis(redis_server.url)


# --- processes ----------------------------------------------------------------------------------------------------


@pytest.fixture
def process_env(
    transactional_db: None, database_url: str, redis_url: str, settings: Any
) -> Callable[[], dict[str, str]]:
    """Function that gives the environment in which a process shares this test's settings, database and Redis.

    A function, because use_redis may be called in the test's body, before the process starts.
    """

    def env() -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
            "DATABASE_URL": database_url,
            "REDIS_URL": settings.REDIS_URL,
            "SUPPORT_REDIS_URL": settings.SUPPORT_REDIS_URL,
            "SECRET_KEY": settings.SECRET_KEY,
        }

    return env


@pytest.fixture
def web(process_env: Callable[[], dict[str, str]], tmp_path: Path) -> Iterator[Callable[..., WebServer]]:
    """Factory of ready `manage.py serve` processes: `web(workers=1, role="all", port=None, env={...}, wait=True)`."""
    servers: list[WebServer] = []

    def start(*, env: dict[str, str] | None = None, wait: bool = True, **options: Any) -> WebServer:
        servers.append(WebServer(tmp_path, {**process_env(), **(env or {})}, **options))
        return servers[-1].wait_ready() if wait else servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def worker(process_env: Callable[[], dict[str, str]], tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Factory of ready Celery processes: `worker(kind="worker"|"beat", env={...}, app="config")`."""
    workers: list[Worker] = []
    numbers = itertools.count(1)

    def start(*, kind: str = "worker", env: dict[str, str] | None = None, app: str = "config") -> Worker:
        name = f"{kind}{next(numbers)}"
        workers.append(Worker(tmp_path, {**process_env(), **(env or {})}, kind=kind, name=name, app=app))
        return workers[-1].wait_ready()

    yield start
    for process in workers:
        process.stop()


# --- browser ------------------------------------------------------------------------------------------------------


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Chromium, for one test; make a context for each person in it."""
    with open_browser() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a person who has never been here (English, desktop size)."""
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 800})
    yield context.new_page()
    context.close()
