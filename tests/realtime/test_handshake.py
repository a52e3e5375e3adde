"""The handshake that is answered without the library: only the ordinary one, and exactly as the library answers it."""

import pytest
from websockets.utils import accept_key

from apps.realtime.handshake import accept_key_of, accept_response

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
HEADERS = [
    (b"host", b"localhost"),
    (b"upgrade", b"websocket"),
    (b"connection", b"keep-alive, Upgrade"),
    (b"sec-websocket-key", KEY),
    (b"sec-websocket-version", b"13"),
]


def replaced(name: bytes, value: bytes | None) -> list[tuple[bytes, bytes]]:
    """The ordinary headers with one changed, or without it."""
    rest = [pair for pair in HEADERS if pair[0] != name]
    return rest if value is None else [*rest, (name, value)]


def test_the_key_of_the_rfc() -> None:
    """RFC 6455 gives this pair in section 1.3; the library agrees."""
    assert accept_key_of("GET", "1.1", b"/ws/", HEADERS) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert accept_key(KEY.decode()) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    ("method", "version", "url", "headers"),
    [
        ("POST", "1.1", b"/", HEADERS),
        ("GET", "1.0", b"/", HEADERS),
        ("GET", "1.1", b"http://elsewhere/", HEADERS),
        ("GET", "1.1", b"/\xff", HEADERS),
        ("GET", "1.1", b"/", replaced(b"upgrade", b"h2c")),
        ("GET", "1.1", b"/", replaced(b"upgrade", None)),
        ("GET", "1.1", b"/", replaced(b"connection", b"keep-alive")),
        ("GET", "1.1", b"/", replaced(b"sec-websocket-version", b"8")),
        ("GET", "1.1", b"/", replaced(b"sec-websocket-key", None)),
        ("GET", "1.1", b"/", replaced(b"sec-websocket-key", b"c2hvcnQ=")),
        ("GET", "1.1", b"/", replaced(b"sec-websocket-key", b"not base64!")),
        ("GET", "1.1", b"/", [*HEADERS, (b"sec-websocket-key", KEY)]),
        ("GET", "1.1", b"/", [*HEADERS, (b"sec-websocket-protocol", b"chat")]),
    ],
)
def test_anything_else_is_the_library_s(
    method: str, version: str, url: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    """Whatever is not the ordinary handshake is left to the library and its errors."""
    assert accept_key_of(method, version, url, headers) is None


def test_the_response() -> None:
    """Bytes of the 101, with further headers behind the four that it needs."""
    assert accept_response(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", [(b"date", b"today")]) == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\ndate: today\r\n\r\n"
    )
