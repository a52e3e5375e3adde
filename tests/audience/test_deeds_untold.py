"""An operator's deed while servers cannot be told: done in the database, said as it is, and waited for once at most."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import operator_ensure, user_ban, user_register, user_unban
from apps.audience import control, removal_services, removal_store
from apps.realtime import redis as our_redis
from apps.realtime.redis import run_now
from apps.streams.models import Stream
from tests.analytics.house import stream_make
from tests.services.redis_server import RedisServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
PASSWORD = "a long enough pass"
USERS, STREAMS = "/admin/accounts/user/", "/admin/streams/stream/"
BAN = {"confirmed": "yes", "until": "0", "reason": ""}
ASKED_NO_MORE = "the data Redis gave no answer a moment ago"


@pytest.fixture
def operator(transactional_db: None) -> User:
    return operator_ensure(username="operator", password=PASSWORD)


@pytest.fixture
def desk(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def people(transactional_db: None) -> list[User]:
    return [user_register(username=name, password=PASSWORD) for name in ("mina", "jun", "hana")]


@pytest.fixture
def data(private_redis: RedisServer, use_redis: Callable[[str], str]) -> RedisServer:
    """A data Redis of its own, with the channel layer elsewhere."""
    use_redis(private_redis.url)
    return private_redis


@pytest.fixture
def both(data: RedisServer, settings: Any) -> RedisServer:
    """The same, with the channel layer in it."""
    layer = settings.CHANNEL_LAYERS["default"]
    settings.CHANNEL_LAYERS = {"default": {**layer, "CONFIG": {**layer["CONFIG"], "hosts": [data.url]}}}
    return data


def act(client: Client, path: str, action: str, rows: Any, **posted: str) -> list[str]:
    sent = {"action": action, "_selected_action": [row.pk for row in rows], **posted}
    return [str(message) for message in client.post(path, sent, follow=True).context["messages"]]


def told_of() -> set[str]:
    return set(removal_store.banned_read(run_now([removal_store.banned(0)])[0]))


def test_bans_that_no_server_heard_of_are_said_to_be_so(desk: Client, people: list[User], both: RedisServer) -> None:
    both.stop()
    assert act(desk, USERS, "ban_users", people[:1], **BAN) == [
        "1 user banned, but servers cannot be told now: what they watch closes within half a minute of Redis' return."
    ]
    assert act(desk, USERS, "ban_users", people[1:], **BAN) == [
        "2 users banned, but servers cannot be told now: what they watch closes within half a minute of Redis' return."
    ]
    assert [User.objects.get(pk=user.pk).is_banned for user in people] == [True] * 3
    assert LogEntry.objects.count() == 3
    both.start()
    assert removal_services.bans_restate() == 3
    assert told_of() == {user.viewer_id for user in people}
    both.stop()
    assert act(desk, USERS, "unban_users", people[:2]) == [
        "2 bans lifted.",
        "Servers cannot be told now: who is let in again can watch within half a minute of Redis' return.",
    ]


@pytest.mark.parametrize("open_way", ["data", "layer"])
def test_one_way_to_servers_is_enough(
    desk: Client, people: list[User], data: RedisServer, open_way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if open_way == "data":
        monkeypatch.setattr(removal_services, "tell_servers", lambda event: False)
    else:
        data.stop()
    assert act(desk, USERS, "ban_users", people, **BAN) == ["3 users banned."]
    assert act(desk, USERS, "unban_users", people) == ["3 bans lifted."]


def test_streams_that_go_on_for_who_watches_are_said_to_be_so(desk: Client, both: RedisServer) -> None:
    streams = [stream_make(name) for name in ("one", "two")]
    both.stop()
    assert act(desk, STREAMS, "end_streams", streams, confirmed="yes", reason="") == [
        "2 streams ended, but servers cannot be told now: who watches is told within half a minute of Redis' return."
    ]
    assert set(Stream.objects.values_list("status", flat=True)) == {"ended"}
    assert LogEntry.objects.count() == 2


def test_a_redis_that_hangs_is_waited_for_once_and_not_once_a_user(
    desk: Client,
    people: list[User],
    both: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(our_redis.TIMEOUTS, "socket_timeout", 0.5)
    monkeypatch.setattr(control, "TELL_S", 0.5)
    both.pause()
    try:
        said = act(desk, USERS, "ban_users", people, **BAN)
        away = act(desk, USERS, "disconnect_users", people, confirmed="yes", reason="")
    finally:
        both.resume()
    assert said == [
        "3 users banned, but servers cannot be told now: what they watch closes within half a minute of Redis' return."
    ]
    assert away == ["Servers cannot be told now; nothing was closed."]
    refusals = [record for record in caplog.records if "could not be written" in record.message and record.exc_info]
    assert [ASKED_NO_MORE in str(record.exc_info[1]) for record in refusals if record.exc_info] == [
        *(True, True, True),  # after the managers' pages were to be told of the first of them
        *(False,),  # of the second deed
    ]
    layer = [record for record in caplog.records if "no channel layer" in record.message and record.exc_info]
    assert ["gave no answer" in str(record.exc_info[1]) for record in layer if record.exc_info] == [
        *(False, True, True),
        *(False,),
    ]


def test_streams_end_though_redis_hangs_and_it_is_waited_for_once(
    desk: Client, both: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    streams = [stream_make(name) for name in ("one", "two", "three")]
    monkeypatch.setitem(our_redis.TIMEOUTS, "socket_timeout", 0.5)
    our_redis.close_sync_clients()
    both.pause()
    try:
        said = act(desk, STREAMS, "end_streams", streams, confirmed="yes", reason="")
    finally:
        both.resume()
    assert [text.split(",")[0] for text in said] == ["3 streams ended"]
    later = [record for record in caplog.records if "is closed later" in record.message and record.exc_info]
    assert [ASKED_NO_MORE in str(record.exc_info[1]) for record in later if record.exc_info] == [True] * 3


def test_a_lifted_ban_that_redis_never_heard_of_is_lifted_there_within_half_a_minute(
    operator: User, people: list[User], data: RedisServer
) -> None:
    mina, jun, _hana = people
    for user in (mina, jun):
        user_ban(actor=operator, user=user, until=None)
    assert told_of() == {mina.viewer_id, jun.viewer_id}
    data.stop(keep=True)
    assert user_unban(actor=operator, user=mina)
    data.start()
    assert told_of() == {mina.viewer_id, jun.viewer_id}
    assert removal_services.bans_restate() == 1
    assert told_of() == {jun.viewer_id}
