"""The managers' pages while Redis takes connections and answers nobody: it is waited for once, not call by call."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.test import Client
from redis.exceptions import RedisError

from apps.accounts.services import operator_ensure
from apps.realtime import redis
from apps.waitingroom.manage.telling import UNTOLD
from apps.waitingroom.models import Role
from tests.services.waiting import eventually
from tests.waitingroom import zone_desk
from tests.waitingroom.desks import Desk, page, posted, row, said
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


class Hanging:
    """A server that takes every connection and never says a word."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self._taken: list[tuple[socket.socket, Any]] = []
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                self._taken.append(self._listener.accept())

    def connects(self, act: Callable[[], Any]) -> int:
        """How often it was connected to meanwhile."""
        before = self._connections()
        act()
        return self._connections() - before - 1

    def _connections(self) -> int:
        """How often it has been connected to; by this, too, and they are taken in order."""
        with socket.create_connection(self._listener.getsockname()) as last:
            name = last.getsockname()
            return eventually(lambda: [peer for _, peer in self._taken].index(name) + 1, not_yet=(ValueError,))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for taken, _ in self._taken:
            taken.close()


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch, use_redis: Callable[[str], str]) -> Iterator[Callable[[], Hanging]]:
    """Function from which on Redis hangs."""
    opened = []

    def begin() -> Hanging:
        for name in ("socket_timeout", "socket_connect_timeout"):
            monkeypatch.setitem(redis.TIMEOUTS, name, 0.1)
        opened.append(Hanging())
        use_redis(opened[-1].url)
        return opened[-1]

    yield begin
    for each in opened:
        each.close()


def one_call() -> None:
    with pytest.raises((RedisError, OSError)):
        redis.run_now([("PING",)])


def test_a_zones_page_waits_for_it_once_and_so_does_a_change(desk: Desk, hang: Callable[[], Hanging]) -> None:
    zone_make(per_minute=60)
    client = desk(Role.OWNER)
    typed = posted(client, "zones/concert/", "/rate/", per_minute="7")
    hung = hang()
    once = hung.connects(one_call)
    assert once > 0
    assert hung.connects(lambda: client.post("/manage/zones/concert/rate/", typed)) == once
    assert row().per_minute == 7
    shown = []
    assert hung.connects(lambda: shown.append(page(client))) == once
    assert "data-preview>The line cannot be read now.</p>" in shown[0]
    assert hung.connects(lambda: shown.append(page(client, per_minute="30"))) == once  # another N is looked ahead at
    assert hung.connects(lambda: page(client, "")) == once


def test_many_zones_are_paused_in_the_time_of_one(hang: Callable[[], Hanging], client: Client) -> None:
    zones = [zone_make(name) for name in ("one", "two", "three")]
    client.force_login(operator_ensure(username="boss", password="a long enough pass"))
    hung = hang()
    once = hung.connects(one_call)
    asked = zone_desk.act(client, "pause", *zones)  # it asks, and shows how many wait
    answers = []
    # For the figures of the list, which Django reads before it does anything, and for the first zone.
    assert hung.connects(lambda: answers.append(zone_desk.confirm(client, asked))) == 2 * once
    assert [row(zone.pk).mode for zone in zones] == ["paused"] * 3
    assert said(answers[0]) == [UNTOLD]
