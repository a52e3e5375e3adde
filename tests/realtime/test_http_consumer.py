"""HTTP of the lean kind, over the real server: what is answered, what is refused, and what a request costs."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from channels.testing import HttpCommunicator
from prometheus_client import REGISTRY

from apps.realtime import http_consumer
from apps.realtime.http_consumer import Answer, LeanHttpConsumer, Refusal
from tests.realtime.asgi_server import Served, serving


class EchoConsumer(LeanHttpConsumer):
    """Answers with the body, in capitals."""

    kind = "http-echo"
    body_seconds = 5.0
    max_body_bytes = 100

    async def respond(self) -> bytes | Answer:
        if self.scope["path"] == "/none":
            return Answer(204, ((b"x-kind", b"none"),))
        if self.scope["path"] == "/broken":
            raise KeyError("a fault of ours")
        if self.scope["path"] == "/refused":
            raise Refusal(409, "refused", "Not twice.", headers=((b"x-kind", b"refused"),))
        return (await self.body()).upper()


class NothingConsumer(LeanHttpConsumer):
    """Has no addresses."""

    kind = "http-nothing"


def rejected(reason: str) -> float:
    labels = {"entrance": "http-echo", "reason": reason}
    return REGISTRY.get_sample_value("fullhouse_rejected_input_total", labels) or 0.0


class Line:
    """A connection that speaks HTTP by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, text: bytes) -> None:
        self.writer.write(text)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer that comes next."""
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.rstrip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return int(first.split()[1]), headers, await self.reader.readexactly(int(headers["content-length"]))

    async def refusal(self) -> tuple[int, str]:
        """Status and machine word."""
        status, headers, body = await self.answer()
        assert headers["content-type"] == "application/json"
        told = json.loads(body)
        assert set(told) == {"error", "detail"}
        return status, told["error"]

    async def ended(self) -> bool:
        return await asyncio.wait_for(self.reader.read(), 10) == b""


@asynccontextmanager
async def line_to(served: Served) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def post(length: int, path: str = "/") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_body_is_read_however_it_comes() -> None:
    async with serving(EchoConsumer.as_asgi()) as served, line_to(served) as line:
        line.send(post(5) + b"hello")
        status, headers, body = await line.answer()
        assert (status, body, headers["cache-control"]) == (200, b"HELLO", "no-store")
        line.send(post(5) + b"he")
        await asyncio.sleep(0.02)
        line.send(b"llo")
        assert (await line.answer())[2] == b"HELLO"
        line.send(CHUNKED + b"2\r\nhe\r\n")
        await asyncio.sleep(0.02)
        line.send(b"3\r\nllo\r\n0\r\n\r\n")
        assert (await line.answer())[2] == b"HELLO"
        line.send(post(100) + b"x" * 100)
        assert (await line.answer())[2] == b"X" * 100
        line.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await line.answer())[2] == b""


async def test_an_answer_costs_no_task_of_its_own() -> None:
    tasks: list[int] = []

    class CountingConsumer(EchoConsumer):
        async def respond(self) -> bytes | Answer:
            body = await self.body()
            tasks.append(len(asyncio.all_tasks()))
            return body

    async with serving(CountingConsumer.as_asgi()) as served, line_to(served) as line:
        line.send(post(5) + b"hello")
        await line.answer()
        assert tasks == [2]  # this test and uvicorn's own for the request


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (post(101), (413, "too_large")),
        (CHUNKED + b"65\r\n" + b"x" * 101, (413, "too_large")),
        (CHUNKED + b"64\r\n" + b"x" * 100 + b"\r\n1\r\nx", (413, "too_large")),
        (post(5), (408, "slow_body")),
        (post(5) + b"hell", (408, "slow_body")),
        (CHUNKED + b"1\r\nx\r\n", (408, "slow_body")),
    ],
)
async def test_a_body_too_large_or_too_slow_ends_the_connection(
    sent: bytes, expected: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_consumer, "LINGER_SECONDS", 0.1)
    monkeypatch.setattr(EchoConsumer, "body_seconds", 0.3)
    before = rejected(expected[1])
    async with serving(EchoConsumer.as_asgi()) as served, line_to(served) as line:
        line.send(sent)
        assert await line.refusal() == expected
        assert await line.ended()
    assert rejected(expected[1]) == before + 1


async def test_who_sends_on_reads_the_refusal() -> None:
    async with serving(EchoConsumer.as_asgi()) as served, line_to(served) as line:
        line.send(post(2**20) + b"x" * 2**20)
        assert await line.refusal() == (413, "too_large")


async def test_a_client_that_leaves_in_its_body_is_answered_nothing() -> None:
    before = {reason: rejected(reason) for reason in ("slow_body", "internal_server_error")}
    async with serving(EchoConsumer.as_asgi()) as served, line_to(served) as line:
        line.send(post(5) + b"he")
        await asyncio.sleep(0.02)
        line.writer.close()
        await asyncio.wait_for(asyncio.gather(*served.state.tasks), 5)
    assert {reason: rejected(reason) for reason in before} == before


async def test_refusals_and_other_answers_keep_the_connection() -> None:
    before = rejected("refused")
    async with serving(EchoConsumer.as_asgi()) as served, line_to(served) as line:
        line.send(post(0, "/refused"))
        status, headers, body = await line.answer()
        assert (status, headers["x-kind"]) == (409, "refused")
        assert json.loads(body) == {"error": "refused", "detail": "Not twice."}
        line.send(post(0, "/none"))
        head = (await line.reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("http/1.1 204")
        assert "x-kind: none" in head
        line.send(post(5) + b"hello")
        assert (await line.answer())[2] == b"HELLO"
    assert rejected("refused") == before + 1


async def test_a_fault_of_ours_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(EchoConsumer.as_asgi()) as served, line_to(served) as line:
        line.send(post(0, "/broken"))
        assert await line.refusal() == (500, "internal_server_error")
    assert "POST /broken failed" in caplog.text
    assert "a fault of ours" in caplog.text


@pytest.mark.parametrize("consumer", [EchoConsumer, NothingConsumer])
async def test_it_answers_channels_communicator(consumer: Callable[..., Any]) -> None:
    answer = await HttpCommunicator(consumer.as_asgi(), "POST", "/x", body=b"hello").get_response()  # type: ignore[attr-defined]
    if consumer is EchoConsumer:
        assert (answer["status"], answer["body"]) == (200, b"HELLO")
    else:
        assert (answer["status"], json.loads(answer["body"])["error"]) == (404, "not_found")
