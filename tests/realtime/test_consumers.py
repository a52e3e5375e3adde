"""Sockets of every kind: what is refused, with which code and words, and that it is counted."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from prometheus_client import REGISTRY

from apps.realtime import lifecycle
from apps.realtime.consumers import FRAME_BURST, LeanWebsocketConsumer, UnknownAddressConsumer, open_sockets


class EchoConsumer(LeanWebsocketConsumer):
    """Knows one type of its own, and remembers how often it was closed."""

    kind = "echo"
    frame_types = frozenset({"ping", "say"})
    ends = 0

    async def received(self, frame: dict[str, Any]) -> None:
        """Say it back."""
        await self.send_json({"said": frame.get("word")})

    def closed(self) -> None:
        """Count."""
        type(self).ends += 1


def rejected(entrance: str, reason: str) -> float:
    labels = {"entrance": entrance, "reason": reason}
    return REGISTRY.get_sample_value("fullhouse_rejected_input_total", labels) or 0.0


@asynccontextmanager
async def connected(consumer: Any = EchoConsumer) -> AsyncIterator[WebsocketCommunicator]:
    """An accepted socket; afterwards the peer goes, and nothing of it is left."""
    before = open_sockets()
    socket = WebsocketCommunicator(consumer.as_asgi(), "/ws/anything/")
    assert await socket.connect() == (True, None)
    assert open_sockets() == before + 1
    yield socket
    ends = EchoConsumer.ends
    await socket.disconnect()
    assert open_sockets() == before
    assert EchoConsumer.ends == ends + (consumer is EchoConsumer)


async def closing(socket: WebsocketCommunicator) -> tuple[int, str]:
    """Code and reason of the close that comes next."""
    message = await socket.receive_output()
    assert message["type"] == "websocket.close", message
    return message["code"], message["reason"]


async def send(socket: WebsocketCommunicator, *, text: str | None = None, data: bytes | None = None) -> None:
    """A frame as servers hand it over."""
    await socket.send_input({"type": "websocket.receive", "text": text, "bytes": data})


NOT_JSON = (4400, "not_json: the frame is not JSON")
UNKNOWN_TYPE = (4400, "unknown_type: the frame has no known type")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", NOT_JSON),
        ("{", NOT_JSON),
        ("hello", NOT_JSON),
        ("\x00", NOT_JSON),
        ('{"type":"ping"} and more', NOT_JSON),
        ("[" * 100_000, NOT_JSON),
        ('{"a":' * 100_000, NOT_JSON),
        ('{"type":"ping","id":' + "9" * 5000 + "}", NOT_JSON),
        ("[]", UNKNOWN_TYPE),
        ('["ping"]', UNKNOWN_TYPE),
        ('"ping"', UNKNOWN_TYPE),
        ("7", UNKNOWN_TYPE),
        ("null", UNKNOWN_TYPE),
        ("{}", UNKNOWN_TYPE),
        ('{"type":"Ping"}', UNKNOWN_TYPE),
        ('{"type":"subscribe"}', UNKNOWN_TYPE),
        ('{"type":null}', UNKNOWN_TYPE),
        ('{"type":["ping"]}', UNKNOWN_TYPE),
        ('{"type":{"ping":1}}', UNKNOWN_TYPE),
        ('{"type":1e999}', UNKNOWN_TYPE),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else value[1].partition(":")[0],
)
async def test_a_bad_frame_closes_with_its_reason(text: str, expected: tuple[int, str]) -> None:
    reason = expected[1].partition(":")[0]
    before = rejected("echo", reason)
    async with connected() as socket:
        await send(socket, text=text)
        assert await closing(socket) == expected
        assert rejected("echo", reason) == before + 1


async def test_a_binary_frame_closes() -> None:
    before = rejected("echo", "binary")
    async with connected() as socket:
        await send(socket, data=b'{"type":"ping"}')
        assert await closing(socket) == (1003, "binary: frames are JSON text")
        assert rejected("echo", "binary") == before + 1


async def test_after_a_close_nothing_is_answered_and_nothing_counted() -> None:
    async with connected() as socket:
        await send(socket, text="no")
        assert await closing(socket) == NOT_JSON
        before = rejected("echo", "not_json")
        await send(socket, text="no")
        await send(socket, text='{"type":"ping","id":1}')
        assert await socket.receive_nothing(timeout=0.05)
        assert rejected("echo", "not_json") == before


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [
        *[(known, known) for known in (7, -1, "a" * 32, "\ud800", None)],
        *[(other, None) for other in ("a" * 33, 10**32, 1.5, [1], {"a": 1})],
    ],
)
async def test_a_ping_is_answered_with_its_id_and_our_time(sent: object, echoed: object) -> None:
    async with connected() as socket:
        before = int(time.time() * 1000)
        await send(socket, text=json.dumps({"type": "ping", "id": sent}))
        answer = json.loads(await socket.receive_from())
        assert (answer["type"], answer["id"]) == ("pong", echoed)
        assert before <= answer["at"] <= int(time.time() * 1000)
        assert set(answer) == {"type", "id", "at"}


async def test_a_ping_without_an_id_is_answered_too() -> None:
    async with connected() as socket:
        await send(socket, text='{"type":"ping"}')
        assert json.loads(await socket.receive_from())["id"] is None


async def test_a_frame_of_a_known_type_is_received() -> None:
    async with connected() as socket:
        await send(socket, text='{"type":"say","word":"안녕"}')
        assert json.loads(await socket.receive_from()) == {"said": "안녕"}


async def test_more_frames_than_a_person_makes_close_the_socket() -> None:
    before = rejected("echo", "too_many_frames")
    async with connected() as socket:
        for number in range(int(FRAME_BURST) + 1):
            await send(socket, text=json.dumps({"type": "ping", "id": number}))
        answers = [json.loads(await socket.receive_from())["id"] for _ in range(int(FRAME_BURST))]
        assert answers == list(range(10))
        assert await closing(socket) == (4429, "too_many_frames: send at most one a second")
        assert rejected("echo", "too_many_frames") == before + 1


async def test_an_unknown_address_is_said_in_a_close() -> None:
    before = rejected("unknown", "unknown_address")
    async with connected(UnknownAddressConsumer) as socket:
        assert await closing(socket) == (4404, "unknown_address: no socket is served at this address")
        assert rejected("unknown", "unknown_address") == before + 1


async def test_a_full_house_turns_the_next_one_away_and_keeps_the_others(settings: Any) -> None:
    settings.REALTIME_MAX_SOCKETS = open_sockets() + 1
    before = rejected("echo", "full")
    async with connected() as inside:
        async with connected() as outside:
            assert await closing(outside) == (1013, "full: this server holds all the sockets it may")
            assert rejected("echo", "full") == before + 1
            await send(inside, text='{"type":"ping","id":1}')
            assert json.loads(await inside.receive_from())["id"] == 1
        async with connected() as another:
            assert await closing(another) == (1013, "full: this server holds all the sockets it may")
    async with connected() as welcome:
        await send(welcome, text='{"type":"ping","id":2}')
        assert json.loads(await welcome.receive_from())["id"] == 2


async def test_a_server_that_leaves_takes_nobody_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_draining", True)
    async with connected() as socket:
        assert await closing(socket) == (1012, "draining: come back in a moment")


async def test_open_sockets_are_served_as_a_metric() -> None:
    def served() -> float:
        return REGISTRY.get_sample_value("fullhouse_sockets", {"kind": "echo"}) or 0.0

    before = served()
    async with connected():
        assert served() == before + 1
    assert served() == before
