"""Answers in one write, and every other kind of answer as uvicorn writes it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from apps.realtime import http_cycle
from apps.realtime.http_cycle import outgoing_of
from apps.realtime.http_protocol import LeanHttpProtocol
from tests.realtime.asgi_server import serving

START = {"type": "http.response.start", "status": 200, "headers": [(b"Content-Length", b"5"), (b"x-kind", b"test")]}
BODY = {"type": "http.response.body", "body": b"hello"}
KNOWN: dict[str, list[Any]] = {
    "/whole": [START, BODY],
    "/tuple": [{**START, "headers": tuple(START["headers"])}, BODY],  # type: ignore[arg-type]
    "/parts": [START, {**BODY, "body": b"he", "more_body": True}, {**BODY, "body": b"llo"}],
    "/chunked": [{**START, "headers": []}, BODY],
    "/none": [{**START, "status": 204, "headers": []}, {"type": "http.response.body"}],
    "/last": [{**START, "headers": [*START["headers"], (b"connection", b"close")]}, BODY],  # type: ignore[misc]
    "/short": [START, {**BODY, "body": b"hell"}],
    "/long": [START, {**BODY, "body": b"hello!"}],
    "/bad-header": [{**START, "headers": [*START["headers"], (b"x-kind", b"a\r\nb: c")]}, BODY],  # type: ignore[misc]
    "/head-alone": [START],
    "/fault": [START, None],
    "/twice": [START, BODY, BODY],
    "/fault-after": [START, BODY, None],
    "/two-heads": [START, START],
    "/body-first": [BODY],
}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Sends what KNOWN says of the address; None is a fault."""
    for message in KNOWN[scope["path"]]:
        if message is None:
            raise KeyError("a fault of the application")
        await send(dict(message))


class Counting:
    """A transport that counts the writes of the transport behind it."""

    def __init__(self, transport: Any, sizes: list[int]) -> None:
        self._transport = transport
        self._sizes = sizes

    def write(self, data: bytes) -> None:
        self._sizes.append(len(data))
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of all writes."""
    sizes: list[int] = []
    made = LeanHttpProtocol.connection_made

    def connection_made(self: Any, transport: Any) -> None:
        made(self, transport)
        self.transport = Counting(transport, sizes)

    monkeypatch.setattr(LeanHttpProtocol, "connection_made", connection_made)
    return sizes


@asynccontextmanager
async def line() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with serving(application) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        try:
            async with asyncio.timeout(10):
                yield reader, writer
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def request(path: str, method: str = "GET", version: str = "1.1") -> bytes:
    return f"{method} {path} HTTP/{version}\r\nHost: x\r\n\r\n".encode()


def without_date(head: bytes) -> list[bytes]:
    return [each for each in head.split(b"\r\n") if not each.startswith((b"date: ", b"server: "))]


async def test_an_ordinary_answer_is_one_write(writes: list[int]) -> None:
    async with line() as (reader, writer):
        for number, path in enumerate(("/whole", "/whole", "/tuple", "/tuple"), start=1):
            writer.write(request(path))
            head = await reader.readuntil(b"\r\n\r\n")
            assert without_date(head) == [b"HTTP/1.1 200 OK", b"content-length: 5", b"x-kind: test", b"", b""]
            assert await reader.readexactly(5) == b"hello"
            assert len(writes) == number


async def test_pipelined_requests_are_answered_in_turn(writes: list[int]) -> None:
    async with line() as (reader, writer):
        writer.write(request("/whole") * 3)
        for _ in range(3):
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(5) == b"hello"
        assert len(writes) == 3


@pytest.mark.parametrize(
    ("path", "method", "version", "tail"),
    [
        ("/parts", "GET", "1.1", [b"content-length: 5", b"x-kind: test", b"", b"hello"]),
        ("/chunked", "GET", "1.1", [b"transfer-encoding: chunked", b"", b"5", b"hello", b"0", b"", b""]),
        ("/none", "GET", "1.1", [b"", b""]),
        ("/whole", "HEAD", "1.1", [b"content-length: 5", b"x-kind: test", b"", b""]),
        ("/last", "GET", "1.1", [b"content-length: 5", b"x-kind: test", b"connection: close", b"", b"hello"]),
        ("/whole", "GET", "1.0", [b"content-length: 5", b"x-kind: test", b"connection: close", b"", b"hello"]),
    ],
)
async def test_other_answers_are_as_uvicorn_has_them(path: str, method: str, version: str, tail: list[bytes]) -> None:
    async with line() as (reader, writer):
        writer.write(request(path, method, version))
        expected = b"\r\n".join(tail)
        got = b""
        while not got.endswith(expected):
            more = await reader.read(1000)
            assert more, got
            got += more
        assert without_date(got)[1:] == tail
        if b"connection: close" in tail:
            assert await reader.read() == b""
        else:  # the connection is good for another
            writer.write(request("/whole"))
            assert (await reader.readuntil(b"hello")).endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize("path", ["/bad-header", "/head-alone", "/fault", "/body-first"])
async def test_a_fault_before_anything_was_sent_is_a_500(path: str) -> None:
    async with line() as (reader, writer):
        writer.write(request(path))
        assert (await reader.read()).startswith(b"HTTP/1.1 500 ")


@pytest.mark.parametrize("path", ["/short", "/long", "/two-heads"])
async def test_a_fault_after_the_head_ends_the_connection(path: str) -> None:
    async with line() as (reader, writer):
        writer.write(request(path))
        got = await reader.read()
        assert got.startswith(b"HTTP/1.1 200 OK")
        assert not got.endswith(b"hello!")


@pytest.mark.parametrize("path", ["/twice", "/fault-after"])
async def test_a_fault_after_the_end_leaves_the_answer_whole(path: str) -> None:
    async with line() as (reader, writer):
        writer.write(request(path))
        assert (await reader.read()).endswith(b"\r\n\r\nhello")


class Wire:
    """A transport on which nothing is sent."""

    def __init__(self, *, is_closing: bool = False) -> None:
        self.happened: list[bytes | str] = []
        self._is_closing = is_closing

    def is_closing(self) -> bool:
        return self._is_closing

    def write(self, data: bytes) -> None:
        assert not self._is_closing
        self.happened.append(data)

    def close(self) -> None:
        self.happened.append("closed")


async def test_answers_of_one_turn_are_written_together_at_its_end() -> None:
    outgoing = outgoing_of(asyncio.get_running_loop())
    assert outgoing is outgoing_of(asyncio.get_running_loop())
    stays, leaves, left = Wire(), Wire(), Wire(is_closing=True)
    answers: list[tuple[Any, bytes, bool]] = [(left, b"a", True), (stays, b"b", False), (leaves, b"c", True)]
    for answer in answers:
        outgoing.add(*answer)
    assert [wire.happened for wire in (stays, leaves, left)] == [[], [], []]
    await asyncio.sleep(0)
    assert [wire.happened for wire in (stays, leaves, left)] == [[b"b"], [b"c", "closed"], []]
    outgoing.add(stays, b"d", False)  # type: ignore[arg-type]
    outgoing.flush()
    assert stays.happened == [b"b", b"d"]
    await asyncio.sleep(0)
    assert stays.happened == [b"b", b"d"]


async def test_a_server_that_stops_writes_what_was_answered() -> None:
    async def stopping(scope: Any, receive: Any, send: Any) -> None:
        for message in (START, BODY):
            await send(message)
        for connection in list(served.state.connections):
            connection.shutdown()

    async with serving(stopping) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        try:
            writer.write(request("/"))
            async with asyncio.timeout(10):
                assert (await reader.read()).endswith(b"\r\n\r\nhello")
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def test_only_what_is_given_as_a_tuple_is_kept() -> None:
    http_cycle._kept_head.cache_clear()
    assert http_cycle._kept_head(((b"A", b"b"), (b"Content-Length", b"7"))) == (b"a: b\r\ncontent-length: 7\r\n", b"7")
    assert http_cycle._kept_head.cache_info().currsize == 1
    assert http_cycle._head([(b"Connection", b"close")]) is None
    for name, value in ((b"a b", b"c"), (b"a", b"b\r\nc: d"), (b"a", b"b\0")):
        with pytest.raises(RuntimeError):
            http_cycle._kept_head(((name, value),))
    assert http_cycle._kept_head.cache_info().currsize == 1
