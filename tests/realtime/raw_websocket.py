"""A WebSocket client that shows the bytes: it reads only when told to, and answers no ping by itself."""

import asyncio
import base64
import os
from dataclasses import dataclass

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


@dataclass(frozen=True, slots=True)
class Received:
    """One frame from the server, and its bytes as they came."""

    opcode: int
    payload: bytes
    wire: bytes

    @property
    def text(self) -> str:
        return self.payload.decode()

    @property
    def close_code(self) -> int:
        return int.from_bytes(self.payload[:2], "big")


def frame(opcode: int, payload: bytes, *, fin: bool = True, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    """A masked frame, as a client sends it."""
    head = bytes([(0x80 if fin else 0) | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    else:
        head += bytes([0x80 | 126]) + len(payload).to_bytes(2, "big")
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


class RawWebSocket:
    """One connection, after its handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, response: bytes) -> None:
        self.reader = reader
        self.writer = writer
        self.response = response

    @classmethod
    async def connect(cls, port: int, path: str = "/", *, limit: int = 2**20) -> "RawWebSocket":
        """Open, ask for the upgrade, and read the answer's headers. `limit`: how much is read ahead of the caller."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=limit)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nX-Extra: kept\r\n\r\n".encode()
        )
        return cls(reader, writer, await reader.readuntil(b"\r\n\r\n"))

    @property
    def status(self) -> int:
        """HTTP status of the handshake."""
        return int(self.response.split()[1])

    def send(self, data: bytes) -> None:
        """Send bytes, whole frames or not."""
        self.writer.write(data)

    async def receive(self) -> Received:
        """The next frame; IncompleteReadError when the server closed."""
        wire = await self.reader.readexactly(2)
        length = wire[1] & 0x7F
        if length >= 126:
            more = await self.reader.readexactly(2 if length == 126 else 8)
            wire, length = wire + more, int.from_bytes(more, "big")
        payload = await self.reader.readexactly(length)
        return Received(wire[0] & 0x0F, payload, wire + payload)

    async def ended(self) -> bool:
        """Read on until the server has ended the connection, politely or not."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            return True
        return True

    def abort(self) -> None:
        """Leave without a word."""
        self.writer.transport.abort()
        self.writer.close()
