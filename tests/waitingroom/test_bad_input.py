"""Requests that nobody of ours sends: each is refused with its status and word, counted, and touches nothing."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from apps.waitingroom.consumers import TrafficConsumer
from apps.waitingroom.rules import Mode
from tests.realtime.asgi_server import Served, serving
from tests.services.web import WebServer
from tests.waitingroom.gate import Client, ask, line_of, refused, zone_open

TOKEN = "concert.1.1.1.x.1.x"


@pytest_asyncio.fixture
async def zone(house: None) -> None:
    """A zone in which everybody waits."""
    zone_open(mode=Mode.QUEUE_ALL, per_minute=0)
    assert (await ask("wait", {"zoneId": "concert"})).status == 200


BODIES: list[tuple[bytes, tuple[int, str]]] = [
    (b"", (400, "malformed")),
    (b"{", (400, "malformed")),
    (b"hello", (400, "malformed")),
    (b"\xff\xfe{}", (400, "malformed")),
    ("{}".encode("utf-16"), (400, "malformed")),
    (b'{"zoneId":"concert"} and more', (400, "malformed")),
    (b"[" * 4096, (400, "malformed")),
    (b'{"zoneId":' + b"9" * 4000 + b"}", (422, "invalid")),
    (b'{"a":' * 800, (400, "malformed")),
    (b"[]", (422, "invalid")),
    (b'"concert"', (422, "invalid")),
    (b"null", (422, "invalid")),
    (b"7", (422, "invalid")),
    (b"{}", (422, "invalid")),
    (b'{"zoneId":null,"token":"x"}', (422, "invalid")),
    (b'{"zoneId":["concert"],"token":"x"}', (422, "invalid")),
    (b'{"zoneId":{"a":1},"token":"x"}', (422, "invalid")),
    (b'{"zoneId":"concert","token":7}', (422, "invalid")),
    (b'{"zoneId":"concert","token":["x"]}', (422, "invalid")),
    (b'{"zoneId":"concert","token":true}', (422, "invalid")),
    (b'{"zoneId":"concert","token":"%b"}' % (b"x" * 513), (422, "invalid")),
    (b'{"zoneId":"nowhere","token":"x"}', (404, "unknown_zone")),
    (b'{"zoneId":"","token":"x"}', (404, "unknown_zone")),
    (b'{"zoneId":"con cert","token":"x"}', (404, "unknown_zone")),
    (b'{"zoneId":"\\ud800","token":"x"}', (404, "unknown_zone")),
    (b'{"zoneId":"concert","token":"\\ud800"}', (401, "malformed_token")),
    (b'{"zoneId":"concert","token":"\\u0000"}', (401, "malformed_token")),
    (b'{"zoneId":"concert","token":"%b"}' % (b"." * 500), (401, "malformed_token")),
]


@pytest.mark.parametrize(("body", "expected"), BODIES, ids=lambda value: repr(value)[:40])
async def test_bad_bodies(zone: None, body: bytes, expected: tuple[int, str]) -> None:
    counted, before = refused(expected[1]), await line_of()
    for path in ("entry", "wait", "leave"):
        assert (await ask(path, body)).error == expected
    assert refused(expected[1]) == counted + 3
    after = await line_of()
    assert (after.waiting, after.next) == (1, before.next)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"clientIp": 7}, (422, "invalid")),
        ({"clientIp": "1" * 65}, (422, "invalid")),
        ({"clientAgent": ["x"]}, (422, "invalid")),
        ({"clientAgent": "x" * 513}, (422, "invalid")),
        ({"clientIp": "1" * 64, "clientAgent": "\ud800" * 100}, None),
        ({"clientIp": None, "clientAgent": None, "token": None}, None),
        ({"clientAgent": "é" * 512, "screen": {"more": [1, 2.5, None]}}, None),
    ],
)
async def test_who_the_client_is(zone: None, asked: dict[str, Any], expected: tuple[int, str] | None) -> None:
    reply = await ask("wait", {"zoneId": "concert", **asked})
    if expected is None:
        assert reply.waiting["rank"] == 2
    else:
        assert reply.error == expected
        assert (await line_of()).waiting == 1


@pytest.mark.parametrize("asked", [{}, {"pass": 7}, {"pass": None}, {"pass": "x" * 513}])
async def test_passes_of_the_wrong_kind(zone: None, asked: dict[str, Any]) -> None:
    assert (await ask("redeem", {"zoneId": "concert", **asked})).error == (422, "invalid")


@pytest.mark.parametrize(
    ("method", "path", "expected", "allow"),
    [
        ("GET", "entry", (405, "method_not_allowed"), "POST, OPTIONS"),
        ("PUT", "wait", (405, "method_not_allowed"), "POST, OPTIONS"),
        ("DELETE", "leave", (405, "method_not_allowed"), "POST, OPTIONS"),
        ("POST", "zones/concert", (405, "method_not_allowed"), "GET, HEAD, OPTIONS"),
        ("POST", "openapi.json", (405, "method_not_allowed"), "GET, HEAD, OPTIONS"),
        ("POST", "", (404, "not_found"), None),
        ("POST", "Entry", (404, "not_found"), None),
        ("POST", "entry/", (404, "not_found"), None),
        ("POST", "entry/more", (404, "not_found"), None),
        ("GET", "nothing", (404, "not_found"), None),
        ("OPTIONS", "nothing", (404, "not_found"), None),
        ("GET", "zones/no/where", (404, "unknown_zone"), None),
    ],
)
async def test_wrong_methods_and_addresses(
    zone: None, method: str, path: str, expected: tuple[int, str], allow: str | None
) -> None:
    counted = refused(expected[1])
    reply = await ask(path, method=method)
    assert reply.error == expected
    assert reply.headers.get("allow") == allow
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["access-control-expose-headers"] == "retry-after"  # a page of another site heeds it
    assert refused(expected[1]) == counted + 1


@pytest.mark.parametrize(("path", "methods"), [("wait", "POST, OPTIONS"), ("zones/x", "GET, HEAD, OPTIONS")])
async def test_pages_of_other_sites_may_ask(zone: None, path: str, methods: str) -> None:
    reply = await ask(path, method="OPTIONS", headers=[(b"origin", b"https://elsewhere.example")])
    assert (reply.status, reply.json) == (204, None)
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["access-control-allow-methods"] == reply.headers["allow"] == methods
    assert reply.headers["access-control-allow-headers"] == "content-type"
    assert "access-control-allow-credentials" not in reply.headers


# --- over the server: bodies that are large, slow or cut into pieces ------------------------------------------------


@pytest_asyncio.fixture
async def served(zone: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """The real application, with less patience for slow bodies."""
    from config.asgi import application

    monkeypatch.setattr(TrafficConsumer, "body_seconds", 0.3)
    async with serving(application) as one:
        yield one


async def answer_to(served: Served, sent: bytes) -> tuple[int, Any]:
    """Status and JSON of the answer to these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        writer.write(sent)
        async with asyncio.timeout(10):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            return int(head.split()[1]), json.loads(await reader.readexactly(length))
    finally:
        writer.close()
        await writer.wait_closed()


HEAD = b"POST /traffic/wait HTTP/1.1\r\nHost: x\r\n"
GOOD = b'{"zoneId":"concert"}'


@pytest.mark.parametrize(
    ("sent", "status", "word"),
    [
        (b"Content-Length: 4097\r\n\r\n", 413, "too_large"),
        (b"Content-Length: 99999999999\r\n\r\n", 413, "too_large"),
        (b"Transfer-Encoding: chunked\r\n\r\n1001\r\n" + b" " * 4097, 413, "too_large"),
        (b"Content-Length: 21\r\n\r\n" + GOOD, 408, "slow_body"),
        (b"Transfer-Encoding: chunked\r\n\r\n14\r\n" + GOOD + b"\r\n", 408, "slow_body"),
        (b"Content-Length: 20\r\n\r\n" + GOOD, 200, None),
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n13\r\n" + GOOD[1:] + b"\r\n0\r\n\r\n", 200, None),
        (b"Content-Length: 4096\r\n\r\n" + b" " * 76 + GOOD + b" " * 4000, 200, None),
    ],
    ids=["announced", "huge", "chunked", "slow", "slow chunks", "good", "good chunks", "largest"],
)
async def test_bodies_over_the_wire(served: Served, sent: bytes, status: int, word: str | None) -> None:
    counted = refused(word or "")
    answer = await answer_to(served, HEAD + sent)
    assert (answer[0], answer[1].get("error")) == (status, word)
    assert (await line_of()).waiting == (2 if status == 200 else 1)
    if word:
        assert refused(word) == counted + 1


def test_a_gate_process_refuses_alike_and_says_so_in_its_metrics(gate: Callable[..., WebServer]) -> None:
    server = gate()
    client = Client(server.port)
    assert client.ask("entry", {"zoneId": "nowhere", "token": "x"}).error == (404, "unknown_zone")
    client.close()
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as slow:
        slow.sendall(HEAD + b"Content-Length: 20\r\n\r\n{")
        began = time.monotonic()
        assert slow.recv(12) == b"HTTP/1.1 408"
        assert time.monotonic() - began > 4.9
    connection = Client(server.port).connection
    connection.request("GET", "/metrics")
    metrics = connection.getresponse().read().decode()
    connection.close()
    for reason in ("unknown_zone", "slow_body"):
        assert f'fullhouse_rejected_input_total{{entrance="gate",reason="{reason}"}} 1.0' in metrics
