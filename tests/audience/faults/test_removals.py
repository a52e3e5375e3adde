"""Viewers sent away by an operator: on every server, at once, and also when the fast word is lost or Redis forgets."""

import secrets
from collections.abc import Callable

import pytest

from apps.accounts.models import User
from apps.accounts.ports import SocketsUnavailable, sockets
from apps.accounts.services import operator_ensure, user_ban, user_register, user_unban
from apps.audience import removal_services, removal_store
from apps.audience.tokens import viewer_token_make
from apps.realtime.redis import run_now, sync_client
from apps.streams.models import Stream
from tests.analytics.house import stream_make
from tests.load.crowd import Ticket, ticket_make
from tests.services.redis_server import RedisServer
from tests.services.web import WebServer

from .house import Tab, Watched, metric, off_loop, open_tab

pytestmark = [pytest.mark.slow]
PASSWORD = "a long enough pass"
REMOVED = 4423


def ticket_of(user: User, stream: Stream) -> Ticket:
    """A tab of a user who is signed in."""
    browser_id, session_id = secrets.token_hex(16), secrets.token_hex(8)
    token = viewer_token_make(
        stream_id=stream.pk, viewer_id=user.viewer_id, session_id=session_id, browser_id=browser_id
    )
    return Ticket(f"/ws/streams/{stream.pk}/?token={token}", browser_id, user.viewer_id, session_id)


@pytest.fixture
def people(transactional_db: None) -> tuple[User, User]:
    """An operator, and a user."""
    return operator_ensure(username="operator", password=PASSWORD), user_register(username="mina", password=PASSWORD)


async def counted(*tabs: Tab) -> None:
    for tab in tabs:
        await tab.sees(lambda one: one.of_type("count"))


async def test_a_ban_closes_every_socket_at_once_and_refuses_the_tokens(
    web: Callable[..., WebServer], stream: Stream, watched: Watched, people: tuple[User, User]
) -> None:
    operator, mina = people
    servers, other = [web(), web()], await off_loop(lambda: stream_make("other"))
    tickets = [ticket_of(mina, stream), ticket_of(mina, stream), ticket_of(mina, other)]
    tabs = [await open_tab(servers[n % 2], ticket) for n, ticket in enumerate(tickets)]
    guest = await open_tab(servers[0], ticket_make(stream.pk))
    await counted(*tabs, guest)
    await watched.settles(current=2, tabs=3)

    await off_loop(lambda: user_ban(actor=operator, user=mina, until=None))
    assert [await tab.is_closed(deadline=3) for tab in tabs] == [(REMOVED, "banned")] * 3
    await watched.settles(current=1, tabs=1)
    again = await open_tab(servers[1], tickets[0])
    assert await again.is_closed() == (REMOVED, "banned")
    assert metric(servers[1], 'fullhouse_rejected_input_total{entrance="viewer",reason="banned"}') == 1
    assert guest.is_open

    await off_loop(lambda: user_unban(actor=operator, user=mina))
    welcome = await open_tab(servers[1], ticket_of(mina, stream))
    await counted(welcome)


async def test_a_viewer_is_sent_away_from_one_stream_or_from_all(
    web: Callable[..., WebServer], stream: Stream, people: tuple[User, User]
) -> None:
    _, mina = people
    server, other = web(), await off_loop(lambda: stream_make("other"))
    here, there = [await open_tab(server, ticket_of(mina, one)) for one in (stream, other)]
    guest_ticket = ticket_make(stream.pk)
    guest = await open_tab(server, guest_ticket)
    await counted(here, there, guest)
    reason = "부탁드립니다 " * 20
    await off_loop(lambda: sockets().viewer_disconnect(viewer_id=mina.viewer_id, stream_id=stream.pk, reason=reason))
    assert await here.is_closed(deadline=3) == (REMOVED, "removed")
    assert reason.startswith(here.close_reason.removeprefix("removed: "))
    assert len(here.close_reason.encode()) <= 123
    assert (there.is_open, guest.is_open) == (True, True)
    # It is no ban: who opens the page again is let in, and the word of before does not reach the new socket.
    back = await open_tab(server, ticket_of(mina, stream))
    await counted(back)
    await off_loop(lambda: sockets().viewer_disconnect(viewer_id=mina.viewer_id, stream_id=None, reason=""))
    assert await there.is_closed(deadline=3) == (REMOVED, "removed")
    assert await back.is_closed(deadline=3) == (REMOVED, "removed")
    viewer_id = guest_ticket.viewer_id
    await off_loop(lambda: sockets().viewer_disconnect(viewer_id=viewer_id, stream_id=None, reason=""))
    assert await guest.is_closed(deadline=3) == (REMOVED, "removed")


async def test_a_lost_word_is_made_good_by_the_next_report(
    web: Callable[..., WebServer], stream: Stream, people: tuple[User, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    operator, mina = people
    server = web()
    tab, guest_ticket = await open_tab(server, ticket_of(mina, stream)), ticket_make(stream.pk)
    guest = await open_tab(server, guest_ticket)
    await counted(tab, guest)
    monkeypatch.setattr(removal_services, "tell_servers", lambda event: False)
    await off_loop(lambda: user_ban(actor=operator, user=mina, until=None))
    viewer_id = guest_ticket.viewer_id
    await off_loop(lambda: sockets().viewer_disconnect(viewer_id=viewer_id, stream_id=None, reason="Spam"))
    assert await tab.is_closed() == (REMOVED, "banned")
    assert await guest.is_closed() == (REMOVED, "removed")


async def test_bans_come_back_after_redis_forgot_them(
    web: Callable[..., WebServer], stream: Stream, people: tuple[User, User]
) -> None:
    operator, mina = people
    ticket = ticket_of(mina, stream)
    await off_loop(lambda: user_ban(actor=operator, user=mina, until=None))
    sync_client().delete(removal_store.BANNED)
    tab = await open_tab(web(), ticket)  # a server that has heard nothing
    await counted(tab)
    assert await off_loop(removal_services.bans_restate) == 1
    assert await tab.is_closed() == (REMOVED, "banned")
    await off_loop(lambda: user_unban(actor=operator, user=mina))
    assert await off_loop(removal_services.bans_restate) == 0
    assert removal_store.banned_read(run_now([removal_store.banned(0)])[0]) == {}


async def test_nobody_is_told_that_it_worked_when_it_did_not(
    own_redis: RedisServer, people: tuple[User, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    operator, mina = people
    own_redis.stop()
    monkeypatch.setattr(removal_services, "tell_servers", lambda event: False)
    with pytest.raises(SocketsUnavailable):
        await off_loop(lambda: sockets().viewer_disconnect(viewer_id=mina.viewer_id, stream_id=None, reason=""))
    # A ban stands in the table all the same.
    await off_loop(lambda: user_ban(actor=operator, user=mina, until=None))
    assert (await off_loop(lambda: User.objects.get(pk=mina.pk))).is_banned
