"""Who may not watch, and frames that nobody sends: each closed with its code, counted, and nothing else touched."""

from collections.abc import Callable
from typing import Any

import pytest
from picows import WSMsgType

from apps.audience.sessions import Session
from apps.audience.tokens import TOKEN_SECONDS, viewer_token_make
from apps.streams.models import Stream
from apps.streams.services import stream_end
from tests.analytics.house import stream_make
from tests.load.crowd import ticket_make
from tests.services.waiting import eventually_async
from tests.services.web import WebServer

from .house import Tab, Watched, metric, off_loop, open_at, open_tab

pytestmark = [pytest.mark.slow]

MINE, THEIRS = "1" * 32, "2" * 32
UNKNOWN = 4_000_000_000


def token(stream_id: int, **changes: Any) -> str:
    return viewer_token_make(
        **{"stream_id": stream_id, "viewer_id": f"a{MINE}", "session_id": "s1", "browser_id": MINE, **changes}
    )


def rejected(server: WebServer, entrance: str, reason: str) -> float:
    return metric(server, f'fullhouse_rejected_input_total{{entrance="{entrance}",reason="{reason}"}}')


async def test_a_token_that_is_not_good_here_touches_nothing(
    web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    server = web()
    viewer = await open_tab(server, ticket_make(stream.pk))
    await watched.settles(current=1, tabs=1)
    await viewer.sees_count(1)
    before = watched.dump()
    good = token(stream.pk)
    expired = token(stream.pk, now=1_700_000_000 - TOKEN_SECONDS)
    forged = good[:-1] + ("A" if good[-1] != "A" else "B")
    at = f"/ws/streams/{stream.pk}/?token="
    cases: list[tuple[str, str, int, str, str]] = [
        # address, cookie, close code, reason, entrance
        (at + forged, MINE, 4401, "token_forged", "viewer"),
        (at + good.replace(f".a{MINE}.", f".u{MINE}."), MINE, 4401, "token_forged", "viewer"),
        (at + expired, MINE, 4401, "token_expired", "viewer"),
        (at, MINE, 4401, "token_malformed", "viewer"),
        (f"/ws/streams/{stream.pk}/", MINE, 4401, "token_malformed", "viewer"),
        (at + "x" * 513, MINE, 4401, "token_malformed", "viewer"),
        (at + "%00%ff.%f0", MINE, 4401, "token_malformed", "viewer"),
        (at + good + "&a=" * 20, MINE, 4401, "token_malformed", "viewer"),
        (at + good, THEIRS, 4403, "token_foreign", "viewer"),
        (at + good, "", 4403, "token_foreign", "viewer"),
        (f"/ws/streams/{stream.pk + 1}/?token={good}", MINE, 4403, "token_other_stream", "viewer"),
        (f"/ws/streams/{'9' * 40}/?token={good}", MINE, 4403, "token_other_stream", "viewer"),
        ("/ws/streams/", MINE, 4404, "unknown_address", "unknown"),
        (f"/ws/streams/-1/?token={good}", MINE, 4404, "unknown_address", "unknown"),
        (f"/ws/streams/{'9' * 5000}/?token={good}", MINE, 4404, "unknown_address", "unknown"),
        ("/", MINE, 4404, "unknown_address", "unknown"),
    ]
    for address, cookie, code, reason, entrance in cases:
        count = rejected(server, entrance, reason)
        tab = await open_at(server, address, browser_id=cookie)
        assert await tab.is_closed() == (code, reason), address
        assert tab.frames == []
        assert rejected(server, entrance, reason) == count + 1
    # The one who may stay saw nothing of it.
    assert watched.dump() == before
    assert Watched(stream.pk + 1).dump() == {}
    assert viewer.is_open
    assert {frame["current"] for frame in viewer.frames} == {1}
    # The guard is the token alone: the same address with a good one is let in.
    await (await open_at(server, at + good, browser_id=MINE)).sees_count(2)


async def test_a_page_of_another_site_gets_no_socket(
    web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    server, before = web(), watched.dump()
    with pytest.raises(Exception, match="403"):
        await open_at(
            server,
            f"/ws/streams/{stream.pk}/?token={token(stream.pk)}",
            browser_id=MINE,
            origin="https://elsewhere.example",
        )
    assert watched.dump() == before


async def test_a_stream_that_never_was_leaves_no_trace(web: Callable[..., WebServer], stream: Stream) -> None:
    server, unknown = web(), Watched(UNKNOWN)
    # What a row that an operator deleted leaves in a browser: the token is ours, the stream is not there.
    tabs = [await open_tab(server, ticket_make(UNKNOWN)) for _ in range(3)]
    for tab in tabs:
        assert await tab.is_closed() == (4404, "unknown_stream")
    assert rejected(server, "viewer", "unknown_stream") == 3

    async def is_forgotten() -> bool:
        return unknown.dump() == {}

    await eventually_async(is_forgotten)
    assert metric(server, "fullhouse_audience_sessions") == 0


async def test_an_ended_stream_says_so_also_when_redis_forgot_it(
    web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    forgotten = await off_loop(lambda: stream_make("gone"))
    await off_loop(lambda: stream_end(stream=stream))
    await off_loop(lambda: stream_end(stream=forgotten))
    off = Watched(forgotten.pk)
    from apps.realtime.redis import sync_client

    sync_client().delete(*off.dump())
    server, before = web(), watched.dump()
    for stream_id in (stream.pk, forgotten.pk):
        tab = await open_tab(server, ticket_make(stream_id))
        assert await tab.is_closed() == (4410, "ended")
        assert tab.frames[-1] == {"type": "ended", "stream": stream_id}
    assert watched.dump() == before
    assert (await off.settles(current=0, tabs=0)) < 10
    assert metric(server, "fullhouse_audience_sessions") == 0
    row = await off_loop(lambda: Stream.objects.get(pk=stream.pk))
    assert (row.peak_viewers, row.total_viewers) == (0, 0)


def text(payload: bytes) -> Callable[[Tab], None]:
    return lambda tab: tab.transport.send(WSMsgType.TEXT, payload)


def binary(payload: bytes) -> Callable[[Tab], None]:
    return lambda tab: tab.transport.send(WSMsgType.BINARY, payload)


def pings(number: int) -> Callable[[Tab], None]:
    def send(tab: Tab) -> None:
        for n in range(number):
            tab.send({"type": "ping", "id": n})

    return send


BAD: list[tuple[Callable[[Tab], None], int, str]] = [
    (text(b"hello"), 4400, "not_json"),
    (text(b""), 4400, "not_json"),
    (text(b"1" * 5000), 4400, "not_json"),
    (text(b"[" * 10_000), 4400, "not_json"),
    (text(b"null"), 4400, "unknown_type"),
    (text(b"[]"), 4400, "unknown_type"),
    (text(b"{}"), 4400, "unknown_type"),
    (text(b'{"type":"watch","ids":[1]}'), 4400, "unknown_type"),
    (text(b'{"type":["ping"]}'), 4400, "unknown_type"),
    (text(b'{"type":{}}'), 4400, "unknown_type"),
    (text(b'{"type":null}'), 4400, "unknown_type"),
    (binary(b'{"type":"ping","id":1}'), 1003, "binary"),
    (binary(b""), 1003, "binary"),
    (pings(11), 4429, "too_many_frames"),
]


async def test_frames_that_no_page_sends_close_the_socket_and_the_count_stays_exact(
    web: Callable[..., WebServer], stream: Stream, watched: Watched
) -> None:
    server = web()
    stays = await open_tab(server, ticket_make(stream.pk))
    await stays.sees_count(1)
    counted: dict[str, int] = {}
    for send, code, reason in BAD:
        tab = await open_tab(server, ticket_make(stream.pk))
        await tab.sees(lambda one: one.of_type("count"))
        send(tab)
        assert await tab.is_closed() == (code, reason)
        counted[reason] = counted.get(reason, 0) + 1
        await watched.settles(current=1, tabs=1)
    for payload, code in (
        (b'{"type":"ping","id":"%s"}' % (b"x" * 16_384), 1009),
        (b"\xff\xfe", 1007),
    ):
        tab = await open_tab(server, ticket_make(stream.pk))
        await tab.sees(lambda one: one.of_type("count"))
        text(payload)(tab)
        await tab.is_closed()
        assert tab.close_code == code
        await watched.settles(current=1, tabs=1)
    assert watched.figures == (1, 2, 1 + len(BAD) + 2)
    assert {reason: rejected(server, "viewer", reason) for reason in counted} == counted
    # What a page does send is answered, ten at once.
    pings(10)(stays)
    await stays.sees(lambda one: len(one.of_type("pong")) == 10)
    assert [pong["id"] for pong in stays.of_type("pong")] == list(range(10))
    assert stays.is_open
    assert metric(server, "fullhouse_audience_sessions") == 1


def test_a_session_made_here_compares_by_time_then_by_number() -> None:
    """Two connections of one session in one millisecond: the later one is the greater owner, also past nine."""
    from apps.audience.edge import Edge

    edge = Edge()
    owners = [edge.session_make(session_id="s", viewer_id="v", stream_id=1).owner for _ in range(1200)]
    assert owners == sorted(owners)
    assert Session("s", "v", 1, owners[0]).owner < owners[-1]
