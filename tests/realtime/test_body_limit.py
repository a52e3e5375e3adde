"""Bodies that are too large are refused before anything keeps them, over a real server."""

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from urllib.request import urlopen

import pytest

from apps.realtime.body_limit import MAX_BODY_BYTES
from tests.services.web import WebServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

PATH = "/accounts/sign-in/"
REFUSAL = {"error": "too_large", "detail": f"The body may have at most {MAX_BODY_BYTES} bytes."}


@pytest.fixture
def server(web: Callable[..., WebServer]) -> WebServer:
    return web()


def answer_of(connection: http.client.HTTPConnection) -> tuple[int, object, str | None]:
    response = connection.getresponse()
    return response.status, json.loads(response.read()), response.headers["Connection"]


def refused(server: WebServer) -> float:
    """How many bodies the server says it has refused."""
    with urlopen(f"{server.base_url}/metrics", timeout=10) as response:  # noqa: S310  our own server
        lines = response.read().decode().splitlines()
    wanted = 'fullhouse_rejected_input_total{entrance="http",reason="too_large"} '
    return sum(float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))


@pytest.mark.parametrize("path", [PATH, "/api/streams/1/token", "/no"])
def test_an_announced_size_is_refused_before_a_byte_comes(server: WebServer, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("POST", path)
    connection.putheader("Content-Length", str(MAX_BODY_BYTES + 1))
    connection.endheaders()
    assert answer_of(connection) == (413, REFUSAL, "close")
    connection.close()
    assert refused(server) == 1


def test_chunks_are_refused_at_the_byte_that_is_too_many(server: WebServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("POST", PATH)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    for _ in range(MAX_BODY_BYTES // 0x8000):
        connection.send(chunk)
    connection.send(b"1\r\nx\r\n")  # and never the end
    assert answer_of(connection) == (413, REFUSAL, "close")
    connection.close()
    assert refused(server) == 1


def test_who_sends_on_reads_the_answer_and_is_cut_off_then(server: WebServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {8 * MAX_BODY_BYTES}\r\n\r\n"
        client.sendall(head.encode() + b"x" * (8 * MAX_BODY_BYTES))
        assert client.recv(12) == b"HTTP/1.1 413"
        while client.recv(65536):
            pass


def chunks(size: int) -> Iterator[bytes]:
    yield b"x" * size


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_just_that_size_reaches_the_application(server: WebServer, chunked: bool) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    body = chunks(MAX_BODY_BYTES) if chunked else b"x" * MAX_BODY_BYTES
    connection.request(
        "POST", PATH, body, encode_chunked=chunked, headers={"Transfer-Encoding": "chunked"} if chunked else {}
    )
    response = connection.getresponse()
    assert (response.status, response.headers["Content-Type"]) == (403, "text/html; charset=utf-8")  # no CSRF token
    connection.close()
    assert refused(server) == 0
