"""The WebSocket handshake from a request that is parsed already.

uvicorn turns the parsed request back into bytes for the websockets library, which parses it once more: a third of what
a connection costs. An ordinary handshake (RFC 6455, section 4.2.1) is answered here; for anything else `accept_key_of`
gives None and the library answers it as before, with its exact errors.
"""

import binascii
import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence

Header = tuple[bytes, bytes]

# RFC 6455, section 1.3: what the key is joined with before it is hashed.
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_ONCE = frozenset({b"upgrade", b"connection", b"sec-websocket-key", b"sec-websocket-version", b"origin", b"host"})


def accept_key_of(method: str, http_version: str, url: bytes, headers: Sequence[Header]) -> bytes | None:
    """The Sec-WebSocket-Accept of an ordinary handshake, or None if the library must look at it."""
    if method != "GET" or http_version != "1.1" or not url.startswith(b"/") or not url.isascii():
        return None
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _ONCE:
            if name in found:
                return None
            found[name] = value
        elif name == b"sec-websocket-protocol":
            return None
    connection = [option.strip() for option in found.get(b"connection", b"").lower().split(b",")]
    if (
        found.get(b"upgrade", b"").lower() != b"websocket"
        or b"upgrade" not in connection
        or found.get(b"sec-websocket-version") != b"13"
    ):
        return None
    key = found.get(b"sec-websocket-key", b"")
    try:
        if len(b64decode(key, validate=True)) != 16:
            return None
    except binascii.Error:
        return None
    return b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def accept_response(accept_key: bytes, headers: Iterable[Header]) -> bytes:
    """The 101 response with these further headers."""
    parts = [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
        accept_key,
        b"\r\n",
    ]
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")
    parts.append(b"\r\n")
    return b"".join(parts)
