"""/ws/zones/{zone}/: who is told what, who is let in, and which code ends a socket."""

import asyncio
import dataclasses
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator

from apps.realtime.consumers import open_sockets
from apps.waitingroom import http
from apps.waitingroom.gatehouse import Gatehouse
from apps.waitingroom.limits import JoinLimit
from apps.waitingroom.passes import pass_verify
from apps.waitingroom.rules import Mode
from apps.waitingroom.tickets import TicketClaims, ticket_sign, ticket_verify
from tests.services.waiting import eventually_async
from tests.waitingroom.gate import ask, line_of, refused, zone_change, zone_open

pytestmark = pytest.mark.usefixtures("house")
DRAIN_S = 2.0


@asynccontextmanager
async def socket(
    zone_id: str = "concert", token: str = "", headers: tuple[tuple[bytes, bytes], ...] = ()
) -> AsyncIterator[WebsocketCommunicator]:
    """An accepted socket, gone when the block ends."""
    from config.asgi import application

    before = open_sockets()
    one = WebsocketCommunicator(application, f"/ws/zones/{zone_id}/?token={token}", headers=list(headers))
    assert await one.connect(timeout=5) == (True, None)
    yield one
    await one.disconnect()
    assert open_sockets() == before


async def line_frame(one: WebsocketCommunicator, *, within: float = 5.0) -> dict[str, Any]:
    """The next frame, which says where the place is."""
    frame: dict[str, Any] = json.loads(await one.receive_from(timeout=within))
    assert frame.pop("type") == "line"
    return frame


async def closing(one: WebsocketCommunicator, *, within: float = 5.0) -> tuple[int, str]:
    """Code and first word of the close that comes next."""
    message = await one.receive_output(timeout=within)
    assert message["type"] == "websocket.close", message
    return message["code"], message["reason"].partition(":")[0]


async def waiting_ticket(**changes: Any) -> str:
    """A ticket of a zone in which everybody waits."""
    zone_open(**{"mode": Mode.QUEUE_ALL, "per_minute": 0, **changes})
    return str((await ask("wait", {"zoneId": "concert"})).json["token"])


async def test_who_finds_room_is_let_in_and_the_socket_ends() -> None:
    zone_open()
    async with socket() as one:
        frame = await line_frame(one)
        assert (frame["canEnter"], frame["state"]) == (True, "admitted")
        pass_verify(frame["pass"], zone_id="concert")
        assert await closing(one) == (1000, "entered")


async def test_who_waits_is_told_at_once_and_again_every_three_seconds() -> None:
    zone_open(mode=Mode.QUEUE_ALL, per_minute=0)
    async with socket() as one:
        first = await line_frame(one)
        assert (first["canEnter"], first["state"], first["waiting"]["rank"]) == (False, "waiting", 1)
        assert ticket_verify(first["token"]).zone_id == "concert"
        began = time.monotonic()
        assert await line_frame(one) == first
        assert await line_frame(one) == first
        assert time.monotonic() - began > 2.5
    assert (await line_of()).waiting == 1


async def test_a_socket_says_what_a_poll_says_and_has_the_same_place() -> None:
    token = await waiting_ticket()
    async with socket(token=token) as one, socket(token=token) as tab:
        frame = await line_frame(one)
        assert frame == await line_frame(tab)
        assert frame == (await ask("entry", {"zoneId": "concert", "token": token})).json
        assert frame["token"] == token
        assert (await line_of()).waiting == 1


async def test_all_tabs_of_a_place_are_let_in_with_one_pass() -> None:
    rules = zone_open(mode=Mode.PAUSED)
    token = str((await ask("wait", {"zoneId": "concert"})).json["token"])
    async with socket(token=token) as one, socket(token=token) as tab:
        assert (await line_frame(one))["state"] == (await line_frame(tab))["state"] == "paused"
        zone_change(rules, mode=Mode.OPEN)
        passes = []
        for each in (one, tab):
            while not (frame := await line_frame(each))["canEnter"]:
                pass
            passes.append(frame["pass"])
            assert await closing(each) == (1000, "entered")
        assert passes[0] == passes[1]


async def test_who_leaves_gives_the_place_up() -> None:
    token = await waiting_ticket()
    async with socket(token=token) as one:
        await line_frame(one)
        await one.send_to('{"type":"leave"}')
        assert await closing(one) == (1000, "left")
    assert (await line_of()).waiting == 0


async def test_who_closes_the_page_keeps_the_place() -> None:
    token = await waiting_ticket()
    async with socket(token=token) as one:
        await line_frame(one)
    assert (await line_of()).waiting == 1


async def test_a_ping_is_answered() -> None:
    await waiting_ticket()
    async with socket() as one:
        await line_frame(one)
        await one.send_to('{"type":"ping","id":7}')
        assert json.loads(await one.receive_from())["id"] == 7
        await one.send_to('{"type":"watch"}')
        assert await closing(one) == (4400, "unknown_type")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda claims: ticket_sign(claims)[:-1] + "_", (4401, "token_forged")),
        (lambda claims: "nonsense", (4401, "token_malformed")),
        (lambda claims: "&".join("abcdefghij"), (4401, "token_malformed")),
        (lambda claims: ticket_sign(claims._replace(joined_ms=1)), (4401, "token_expired")),
        (lambda claims: ticket_sign(claims._replace(zone_id="other")), (4403, "token_other_zone")),
    ],
    ids=["forged", "malformed", "fields", "expired", "other zone"],
)
async def test_a_bad_ticket_ends_the_socket_and_touches_nothing(change: Any, expected: tuple[int, str]) -> None:
    claims: TicketClaims = ticket_verify(await waiting_ticket())
    counted = refused(expected[1], "zone")
    async with socket(token=change(claims)) as one:
        assert await closing(one) == expected
    assert refused(expected[1], "zone") == counted + 1
    assert (await line_of()).waiting == 1


async def test_a_cleared_line_ends_its_sockets_and_new_ones_with_old_tickets() -> None:
    rules = zone_open(mode=Mode.QUEUE_ALL, per_minute=0)
    async with socket() as one:
        token = (await line_frame(one))["token"]
        zone_change(rules, epoch=2)
        while (message := await one.receive_output(timeout=6))["type"] == "websocket.send":
            pass
        assert (message["code"], message["reason"].partition(":")[0]) == (4410, "cleared")
    counted = refused("cleared", "zone")
    async with socket(token=token) as one:
        assert await closing(one) == (4410, "cleared")
    assert refused("cleared", "zone") == counted + 1


async def test_a_zone_that_does_not_exist() -> None:
    zone_open()
    for path in ("nowhere", "con%20cert"):
        async with socket(path) as one:
            assert await closing(one) == (4404, "unknown_zone")
    async with socket("concert/more") as one:
        assert await closing(one) == (4404, "unknown_address")


async def test_a_zone_that_is_closed_gives_a_place_when_it_opens() -> None:
    rules = zone_open(mode=Mode.BLOCKED, message="Closed")
    async with socket() as one:
        frame = await line_frame(one)
        assert (frame["state"], frame["token"], frame["message"]) == ("blocked", "", "Closed")
        zone_change(rules, mode=Mode.QUEUE_ALL, per_minute=0, message="")
        while (frame := await line_frame(one))["state"] == "blocked":
            pass
        assert (frame["state"], frame["waiting"]["rank"]) == ("waiting", 1)
        assert ticket_verify(frame["token"]).place == (await line_of()).next - 1


async def test_one_address_opens_so_many_places_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    await waiting_ticket()
    limit = JoinLimit(0.1)
    monkeypatch.setattr(http, "_join_limit", lambda: limit)
    async with socket() as one:
        await line_frame(one)
        async with socket() as another:
            assert await closing(another) == (4429, "too_fast")
    assert (await line_of()).waiting == 2


async def test_sockets_that_wait_for_a_zone_to_open_are_given_no_more_places_than_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules = zone_open(mode=Mode.BLOCKED)
    limit = JoinLimit(0.1)  # one place, and the next in ten seconds
    monkeypatch.setattr(http, "_join_limit", lambda: limit)
    counted = refused("too_fast", "zone")

    async def is_counted() -> bool:
        return refused("too_fast", "zone") > counted

    async with socket() as one:
        assert (await line_frame(one))["state"] == "blocked"
        async with socket() as another:
            assert (await line_frame(another))["state"] == "blocked"
            zone_change(rules, mode=Mode.QUEUE_ALL, per_minute=0)
            await eventually_async(is_counted, deadline=15, every=0.05)
            assert (await line_of()).next == 1


@pytest.mark.parametrize("origin", [b"https://elsewhere.example", b"null", b""])
async def test_any_site_may_open_it_and_no_other_socket(origin: bytes) -> None:
    from config.asgi import application

    await waiting_ticket()
    async with socket(headers=((b"origin", origin),)) as one:
        assert (await line_frame(one))["waiting"]["rank"] == 2
    for path in ("/ws/directory/", "/ws/zonesx/concert/"):
        other = WebsocketCommunicator(application, path, headers=[(b"origin", b"https://elsewhere.example")])
        assert (await other.connect())[0] is False


async def test_a_leaving_server_sends_its_sockets_elsewhere_with_their_places(house: Gatehouse) -> None:
    token = await waiting_ticket()
    async with socket(token=token) as one:
        await line_frame(one)
        now = asyncio.get_running_loop().time()
        await house.turnstile.dismiss_all(now + DRAIN_S)
        assert json.loads(await one.receive_from()) == {"type": "reconnect", "within_ms": 5000}
        assert await closing(one) == (1012, "draining")
    assert (await line_of()).waiting == 1


async def test_a_changed_message_reaches_who_waits() -> None:
    rules = zone_open(mode=Mode.QUEUE_ALL, per_minute=0)
    async with socket() as one:
        assert (await line_frame(one))["message"] == ""
        zone_change(dataclasses.replace(rules), message="Ten minutes more", message_ko="10분 더")
        while not (frame := await line_frame(one))["message"]:
            pass
        assert (frame["message"], frame["messageKo"]) == ("Ten minutes more", "10분 더")
