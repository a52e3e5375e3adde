"""The lean WebSocket protocol, over real sockets and on the loop of production."""

import asyncio
from typing import Any

import pytest
from uvicorn.protocols.utils import ClientDisconnected
from websockets.frames import Frame, Opcode

from apps.realtime.lean_parts import Inbox
from apps.realtime.protocol import WRITE_HIGH_WATER
from tests.realtime.asgi_server import Echo, Served, serving
from tests.realtime.raw_websocket import BINARY, CLOSE, PING, PONG, TEXT, RawWebSocket, frame
from tests.services.waiting import eventually_async


def text_message(text: str) -> dict[str, str]:
    return {"type": "websocket.send", "text": text}


async def connected(server: Served, app: Echo, **options: int) -> RawWebSocket:
    """A client whose application has accepted it."""
    app.opened.clear()
    client = await server.connect(**options)
    assert client.status == 101
    await asyncio.wait_for(app.opened.wait(), 5)
    return client


# --- sending ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536])
async def test_text_of_every_length_class_reaches_every_socket_in_the_same_bytes(length: int) -> None:
    app, message = Echo(), text_message("x" * length)
    async with serving(app) as server:
        clients = [await connected(server, app) for _ in range(3)]
        for send in app.sends:
            await send(message)
        for client in clients:
            received = await client.receive()
            assert received.wire == Frame(Opcode.TEXT, b"x" * length).serialize(mask=False)


async def test_alternating_texts_are_never_mixed_up() -> None:
    app = Echo()
    async with serving(app) as server:
        clients = [await connected(server, app) for _ in range(2)]
        texts = ["하나", "둘", "하나", "셋 🎉"]
        for text in texts:
            for send in app.sends:
                await send(text_message(text))
        for client in clients:
            assert [(await client.receive()).text for _ in texts] == texts


async def test_a_message_changed_between_two_sends_goes_out_changed() -> None:
    app, message = Echo(), text_message("first")
    async with serving(app) as server:
        client = await connected(server, app)
        await app.sends[0](message)
        message["text"] = "second"
        await app.sends[0](message)
        assert [(await client.receive()).text for _ in range(2)] == ["first", "second"]


async def test_bytes_go_out_as_a_binary_frame() -> None:
    app = Echo()
    async with serving(app) as server:
        client = await connected(server, app)
        await app.sends[0]({"type": "websocket.send", "bytes": b"\x00\xff"})
        received = await client.receive()
        assert (received.opcode, received.payload) == (BINARY, b"\x00\xff")


async def test_send_after_close_is_an_error_and_sends_nothing() -> None:
    app = Echo()
    async with serving(app) as server:
        client = await connected(server, app)
        await app.sends[0]({"type": "websocket.close", "code": 4410, "reason": "over"})
        with pytest.raises(RuntimeError, match=r"after sending 'websocket\.close'"):
            await app.sends[0](text_message("late"))
        received = await client.receive()
        assert (received.opcode, received.close_code, received.payload[2:]) == (CLOSE, 4410, b"over")
        client.send(frame(CLOSE, received.payload))
        assert await client.reader.read() == b""


async def test_send_to_a_peer_that_left_says_so() -> None:
    app = Echo()
    async with serving(app) as server:
        client = await connected(server, app)
        client.abort()
        await asyncio.wait_for(app.ended.wait(), 5)
        with pytest.raises(ClientDisconnected):
            await app.sends[0](text_message("too late"))


async def test_send_before_accept_is_an_error() -> None:
    errors: list[BaseException] = []

    async def impatient(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(text_message("early"))
        except RuntimeError as error:
            errors.append(error)
        await send({"type": "websocket.close"})

    async with serving(impatient) as server:
        client = await server.connect()
        assert client.status == 403
    assert [str(error) for error in errors] == [
        "Expected ASGI message 'websocket.accept', 'websocket.close' "
        "or 'websocket.http.response.start' but got 'websocket.send'."
    ]


# --- receiving ----------------------------------------------------------------------------------------------------


async def test_frames_in_pieces_and_pings_of_the_client_are_served_as_ever() -> None:
    app = Echo()
    async with serving(app) as server:
        client = await connected(server, app)
        client.send(frame(PING, b"you?"))
        answer = await client.receive()
        assert (answer.opcode, answer.payload) == (PONG, b"you?")
        client.send(frame(TEXT, b"one ", fin=False))
        client.send(frame(0, b"message"))
        assert (await client.receive()).text == "one message"


async def test_a_frame_that_is_too_large_closes_with_1009() -> None:
    app = Echo()
    async with serving(app) as server:
        client = await connected(server, app)
        client.send(frame(TEXT, b"x" * (16 * 1024 + 1)))
        received = await client.receive()
        assert (received.opcode, received.close_code) == (CLOSE, 1009)
    assert [message["type"] for message in app.received] == ["websocket.disconnect"]


async def test_data_that_looks_like_an_answered_ping_inside_a_frame_is_data() -> None:
    app = Echo()
    async with serving(app) as server:
        client = await connected(server, app)
        mask = b"\x00\x00\x00\x00"
        lookalike = frame(PONG, b"\x00\x00\x00\x00", mask=mask)
        whole = frame(BINARY, lookalike, mask=mask)
        assert len(lookalike) == 10
        client.send(whole[:-10])
        protocol = server.sockets[0]
        # The head of the frame is in the parser before its payload is sent.
        await eventually_async(lambda: _true(not protocol._between_frames()))
        client.send(whole[-10:])
        assert (await client.receive()).payload == lookalike


async def _true(value: bool) -> bool:
    return value


# --- keepalive ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("together", [False, True], ids=["alone", "with other data"])
async def test_answered_pings_keep_a_socket(together: bool) -> None:
    app = Echo()
    async with serving(app, ping_interval=0.5) as server:
        client = await connected(server, app)
        for number in range(3):
            received = await client.receive()
            assert (received.opcode, len(received.payload)) == (PING, 4)
            answer = frame(PONG, received.payload)
            if not together:
                client.send(answer)
                continue
            client.send(answer + frame(TEXT, str(number).encode()))
            assert (await client.receive()).text == str(number)
        assert len(server.sockets) == 1
    assert [message["text"] for message in app.received[:-1]] == ([str(n) for n in range(3)] if together else [])


async def test_an_unanswered_ping_closes_with_1011() -> None:
    app = Echo()
    async with serving(app, ping_interval=0.05) as server:
        client = await connected(server, app)
        assert (await client.receive()).opcode == PING
        client.send(frame(PONG, b"nope"))  # an answer to something that was never asked
        received = await client.receive()
        assert (received.opcode, received.close_code) == (CLOSE, 1011)
        await asyncio.wait_for(app.ended.wait(), 5)
        assert server.sockets == []


async def test_first_pings_are_spread_over_the_interval() -> None:
    app = Echo()
    async with serving(app, ping_interval=1.0) as server:
        loop = asyncio.get_running_loop()
        clients = [await connected(server, app) for _ in range(30)]
        opened = loop.time()

        async def first_ping(client: RawWebSocket) -> float:
            assert (await client.receive()).opcode == PING
            return loop.time() - opened

        moments = sorted(await asyncio.gather(*map(first_ping, clients)))
        # In step they would all come within a few milliseconds. The chance that 30 random moments stay that close
        # together is below one in a million.
        assert moments[-1] - moments[0] > 0.3


# --- a peer that never reads --------------------------------------------------------------------------------------


async def _stall(app: Echo, server: Served) -> tuple[RawWebSocket, "asyncio.Task[None]"]:
    """A client that stops reading, and a send to it that waits."""
    client = await connected(server, app, limit=1024)
    text = "x" * 60_000

    async def flood() -> None:
        while True:
            await app.sends[0](text_message(text))

    flooding = asyncio.create_task(flood())
    return client, flooding


async def test_abort_ends_a_connection_whose_peer_never_reads() -> None:
    app = Echo()
    async with serving(app) as server:
        _client, flooding = await _stall(app, server)
        transport = server.sockets[0].transport
        await eventually_async(lambda: _true(transport.get_write_buffer_size() > WRITE_HIGH_WATER))
        app.scopes[0]["extensions"]["fullhouse.abort"]["abort"]()
        with pytest.raises(ClientDisconnected):
            await asyncio.wait_for(flooding, 5)
        await asyncio.wait_for(app.ended.wait(), 5)
        assert server.sockets == []


async def test_an_unanswered_ping_ends_a_connection_whose_peer_never_reads() -> None:
    app = Echo()
    async with serving(app, ping_interval=0.2) as server:
        _client, flooding = await _stall(app, server)
        with pytest.raises(ClientDisconnected):
            await asyncio.wait_for(flooding, 5)
        await asyncio.wait_for(app.ended.wait(), 5)
        assert server.sockets == []


async def test_an_unanswered_close_ends_a_connection_whose_peer_never_reads() -> None:
    app = Echo()
    async with serving(app) as server:
        _client, flooding = await _stall(app, server)
        protocol = server.sockets[0]
        protocol.close_timeout = 0.2
        await eventually_async(lambda: _true(protocol.transport.get_write_buffer_size() > WRITE_HIGH_WATER))
        flooding.cancel()
        protocol.resume_writing()  # let the close be queued behind what is never read
        await app.sends[0]({"type": "websocket.close", "code": 4408})
        await eventually_async(lambda: _true(server.sockets == []))


# --- what an idle connection holds --------------------------------------------------------------------------------


async def test_the_handshake_is_forgotten_after_accept() -> None:
    app = Echo()
    before: list[tuple[bytes, bytes]] = []

    async def look_first(scope: Any, receive: Any, send: Any) -> None:
        before.extend(scope["headers"])
        await app(scope, receive, send)

    async with serving(look_first) as server:
        await connected(server, app)
        assert (b"x-extra", b"kept") in before
        assert app.scopes[0]["headers"] == []
        protocol = server.sockets[0]
        assert [name for name in ("request", "response", "scope") if hasattr(protocol, name)] == []
        # Every attribute of the base classes is a slot. A name here is a new attribute of a newer release: add it.
        assert (vars(protocol), vars(protocol.conn)) == ({}, {})


async def test_a_silent_connection_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.realtime.http_protocol.HEADER_SECONDS", 0.1)
    async with serving(Echo()) as server:
        client = await server.connect()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: slow")
        silent = RawWebSocket(reader, writer, b"")
        assert await asyncio.wait_for(silent.ended(), 5)
        silent.abort()
        # The one that did finish its request is still there.
        client.send(frame(TEXT, b"still here"))
        assert (await client.receive()).text == "still here"


async def test_inbox_keeps_items_when_a_reader_is_cancelled() -> None:
    inbox = Inbox()
    reader = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="already being awaited"):
        await inbox.get()
    inbox.put_nowait("first")
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    inbox.put_nowait("second")
    assert [await inbox.get(), await inbox.get(), inbox.empty()] == ["first", "second", True]
