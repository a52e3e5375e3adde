"""One viewer in many tabs, and one tab in two places."""

from collections.abc import Callable

import pytest

from apps.streams.models import Stream
from tests.load.crowd import Crowd, ticket_make
from tests.services.web import WebServer

from .house import Watched, open_tab

pytestmark = [pytest.mark.slow]

TABS = 1_000


async def test_a_thousand_tabs_are_one_viewer_until_the_last_closes(
    web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    server = web()
    crowd = Crowd(server.base_url.removeprefix("http://"))
    browser = ticket_make(stream.pk).browser_id
    tickets = [ticket_make(stream.pk, browser_id=browser) for _ in range(TABS)]
    tabs = [visitor for visitor, _ in await crowd.join_all(tickets, at_once=200)]
    assert (len(tabs), dict(crowd.failures)) == (TABS, {})
    await watched.settles(current=1, tabs=TABS)
    assert watched.figures == (1, 1, 1)
    other = await open_tab(server, ticket_make(stream.pk))
    await other.sees_count(2)
    await crowd.leave_all(tabs[1:])
    await watched.settles(current=2, tabs=2)
    assert tabs[0].transport is not None
    tabs[0].transport.disconnect(graceful=False)  # the last one without a word, as a phone in a tunnel
    await watched.settles(current=1, tabs=1)
    await other.sees_count(1)
    await other.leave()
    await watched.settles(current=0, tabs=0)
    assert watched.figures == (0, 2, 2)


async def test_a_session_opened_twice_on_one_server_is_the_newer_socket(
    web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    server, ticket = web(), ticket_make(stream.pk)
    tabs = [await open_tab(server, ticket)]
    await tabs[0].sees_count(1)
    for _ in range(12):
        tabs.append(await open_tab(server, ticket))
        assert await tabs[-2].is_closed() == (4409, "replaced")
        assert (await tabs[-1].sees_count(1))["total"] == 1
    assert tabs[-1].is_open
    await watched.settles(current=1, tabs=1)
    assert watched.figures == (1, 1, 1)
    await tabs[-1].leave()
    await watched.settles(current=0, tabs=0)


async def test_a_session_opened_on_a_second_server_is_the_newer_socket(
    web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    one, two, ticket = web(), web(), ticket_make(stream.pk)
    older = await open_tab(one, ticket)
    await older.sees_count(1)
    newer = await open_tab(two, ticket)
    await newer.sees_count(1)
    # The first server hears of it with its next heartbeat, in 15 s if it keeps up.
    assert await older.is_closed(deadline=30) == (4409, "replaced")
    assert newer.is_open
    await watched.settles(current=1, tabs=1)
    assert watched.figures == (1, 1, 1)
    await newer.leave()
    await watched.settles(current=0, tabs=0)
