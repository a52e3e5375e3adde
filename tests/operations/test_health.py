"""What a load balancer is told, with real stores up and down."""

import contextlib
import http.client
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import AsyncClient, Client

from apps.operations import health
from tests.services.mariadb import MariaDBServer
from tests.services.process import Process, free_port
from tests.services.redis_server import RedisServer
from tests.services.waiting import eventually, eventually_async
from tests.services.web import get_status


async def ask(path: str) -> tuple[int, Any]:
    response = await AsyncClient().get(path)
    assert response.headers["Cache-Control"] == "no-store"
    return response.status_code, response.json()


async def comes_to_say(status: int, answer: Any) -> None:
    """Ask until this is the answer: on a busy machine a store that is well may need more than its second."""

    async def is_said() -> bool:
        assert await ask("/health/ready") == (status, answer)
        return True

    await eventually_async(is_said)


READY = {"status": "ready", "role": "all", "parts": {"redis": "ok", "database": "ok"}}


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
async def test_ready_when_redis_and_database_answer() -> None:
    await comes_to_say(200, READY)


@pytest.mark.django_db(transaction=True)
async def test_not_ready_while_redis_is_away_and_ready_again(
    private_redis: RedisServer, use_redis: Callable[[str], str]
) -> None:
    use_redis(private_redis.url)
    await comes_to_say(200, READY)
    private_redis.stop()
    away = {"status": "unavailable", "role": "all", "parts": {"redis": "unreachable", "database": "ok"}}
    await comes_to_say(503, away)
    private_redis.start()
    await comes_to_say(200, READY)


@pytest.mark.django_db(transaction=True)
async def test_a_redis_that_hangs_is_given_a_second(
    private_redis: RedisServer, use_redis: Callable[[str], str]
) -> None:
    use_redis(private_redis.url)
    await comes_to_say(200, READY)
    private_redis.pause()
    hangs = {"status": "unavailable", "role": "all", "parts": {"redis": "no answer", "database": "ok"}}
    try:
        await comes_to_say(503, hangs)
    finally:
        private_redis.resume()


@pytest.mark.cluster
@pytest.mark.parametrize("redis_url", ["cluster"], indirect=True)
@pytest.mark.django_db(transaction=True)
async def test_ready_on_a_cluster(redis_url: str) -> None:
    await comes_to_say(200, READY)


@pytest.mark.django_db(transaction=True)
async def test_not_ready_while_all_of_a_cluster_is_away(use_redis: Callable[[str], str]) -> None:
    use_redis(f"redis+cluster://127.0.0.1:{free_port()}")
    away = {"status": "unavailable", "role": "all", "parts": {"redis": "unreachable", "database": "ok"}}
    await comes_to_say(503, away)


async def test_a_gate_asks_no_database(settings: Any) -> None:
    settings.ROLE = "gate"
    # Without the django_db mark a query would fail the test.
    await comes_to_say(200, {"status": "ready", "role": "gate", "parts": {"redis": "ok"}})


async def test_live_asks_nothing_and_any_host_may_ask() -> None:
    response = await AsyncClient().get("/health/live", headers={"host": "10.1.2.3:8000"})
    assert (response.status_code, response.json()) == (200, {"status": "live"})


def test_the_urls_answer_where_the_middleware_does_not() -> None:
    assert Client().get("/health/live").json() == {"status": "live"}


async def test_a_draining_process_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.realtime.lifecycle._draining", True)
    assert (await health.readiness()).as_dict() == {"status": "draining", "role": "all", "parts": {}}


@pytest.mark.slow
def test_not_ready_without_the_database(
    tmp_path: Path, process_env: Callable[[], dict[str, str]], mariadb: MariaDBServer
) -> None:
    nowhere = {"DATABASE_URL": "mysql://nobody@127.0.0.1:1/none?connect_timeout=1"}
    with running_house(tmp_path, {**process_env(), **nowhere}) as (_process, connection):

        def is_said() -> bool:
            status, answer = ready(connection)
            assert (status, answer["parts"]) == (503, {"redis": "ok", "database": "unreachable"})
            return True

        eventually(is_said)


@pytest.mark.slow
def test_a_draining_server_says_so_and_still_lives(tmp_path: Path, process_env: Callable[[], dict[str, str]]) -> None:
    with running_house(tmp_path, process_env()) as (process, connection):
        eventually(lambda: ready(connection)[0] == 200)
        process.send(signal.SIGTERM)

        # Every answer of a draining server ends its connection, so there is one to ask on: this one.
        def drains() -> bool:
            return "drains 1 connection(s)" in process.log_tail()

        eventually(drains)
        assert ready(connection) == (503, {"status": "draining", "role": "all", "parts": {}})
        assert process.is_running
        (tmp_path / "release").touch()
        assert process.wait(20) == 0


@contextlib.contextmanager
def running_house(folder: Path, env: dict[str, str]) -> Iterator[tuple[Process, http.client.HTTPConnection]]:
    """A served house, and a connection to it that stays open."""
    port = free_port()
    process = Process(
        f"house:{port}",
        [
            *(sys.executable, "manage.py", "serve", "--bind", f"127.0.0.1:{port}"),
            *("--application", "tests.operations.draining_house.application", "--drain-seconds", "30"),
        ],
        log=folder / "house.log",
        env={**os.environ, **env, "HOUSE_RELEASE": str(folder / "release")},
        death_signal="TERM",
        is_ours=True,
    )
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    try:
        process.wait_ready(
            lambda: get_status(f"http://127.0.0.1:{port}/health/live") == 200, deadline=60, not_yet=(OSError,)
        )
        assert ready(connection)[0] in {200, 503}  # and so it is open
        yield process, connection
    finally:
        (folder / "release").touch()
        connection.close()
        process.stop(deadline=20)


def ready(connection: http.client.HTTPConnection) -> tuple[int, Any]:
    """Ask for readiness on this connection."""
    connection.request("GET", "/health/ready")
    answer = connection.getresponse()
    return answer.status, json.load(answer)
