"""One person at a gate, over HTTP as an app would: asks for a place, then asks again as often as told, until let in.

Many share a few kept connections, as behind a load balancer. A refusal or a lost connection is counted and tried again
at the next poll, with the ticket in hand: whoever holds one has a place.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from apps.realtime.clock import epoch_ms

from .gate_report import Book, Guest, entered_ms_of

TIMEOUT_S = 10.0
CONNECTIONS = 64
USUAL_POLL_S = 3.0
GONE = 410
Answer = tuple[int, dict[str, Any]]


class GateUnreachable(Exception):
    """Nothing that speaks HTTP answers at this address."""


class GateClient:
    """Kept connections to one gate, or to what stands before several. For one event loop."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._secure = address.scheme == "https"
        self._host, self._port = address.hostname or "", address.port or (443 if self._secure else 80)
        self._name = address.netloc
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._turns = asyncio.Semaphore(CONNECTIONS)

    async def get(self, path: str) -> Answer:
        """(status, JSON) of a GET; GateUnreachable if there is no such answer."""
        return await self._ask(
            f"GET {path} HTTP/1.1\r\nHost: {self._name}\r\nAccept: application/json\r\n\r\n".encode()
        )

    async def post(self, path: str, body: dict[str, str]) -> Answer:
        """(status, JSON) of a POST; GateUnreachable if there is no such answer."""
        data = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._name}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        return await self._ask(head.encode() + data)

    def close(self) -> None:
        """Close every connection."""
        while self._idle:
            self._idle.pop()[1].close()

    async def _ask(self, request: bytes) -> Answer:
        async with self._turns:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    while self._idle:
                        # One that was kept may have been closed meanwhile; every request here is safe to repeat.
                        reader, writer = self._idle.pop()
                        try:
                            return await self._exchange(reader, writer, request)
                        except (OSError, EOFError):
                            continue
                    reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._secure or None)
                    return await self._exchange(reader, writer, request)
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                raise GateUnreachable(str(error) or type(error).__name__) from None

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> Answer:
        kept = False
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            status, lines = int(head.split(" ", 2)[1]), head.split("\r\n")
            headers = dict(line.split(":", 1) for line in lines[1:] if ":" in line)
            answer = json.loads(await reader.readexactly(int(headers["content-length"])))
            if not isinstance(answer, dict):
                raise ValueError("the answer is no JSON object")
            kept = "close" not in headers.get("connection", "")
            return status, answer
        except KeyError:
            raise ValueError("the answer says no length") from None
        finally:
            if kept:
                self._idle.append((reader, writer))
            else:
                writer.close()


@dataclass(slots=True)
class Crowd:
    """Everybody who came to a zone, and what went wrong."""

    client: GateClient
    zone_id: str
    book: Book = field(default_factory=Book)
    errors: Counter[str] = field(default_factory=Counter)
    polls: int = 0

    async def visit(self, number: int) -> None:
        """Person `number` comes, and asks until they are let in."""
        guest: Guest | None = None  # once they are in line
        token = ""
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        while True:
            status, answer = await self._ask(token, address)
            now_ms = epoch_ms()
            if status != 200:
                if status == GONE and guest is not None:
                    self.book.leave(guest, now_ms)
                    return
                await asyncio.sleep(USUAL_POLL_S)
                continue
            if answer["canEnter"]:
                if guest is None:
                    guest = Guest(joined_ms=now_ms)
                    self.book.come(guest)
                self.book.enter(guest, entered_ms_of(answer["pass"]))
                return
            if guest is None and answer["token"]:  # a zone that is closed gives no places
                token = answer["token"]
                guest = Guest(joined_ms=now_ms, queued=True, told_s=answer["waiting"]["etaSeconds"])
                self.book.come(guest)
            await asyncio.sleep(answer["waiting"]["pollingPeriod"] / 1000)

    async def _ask(self, token: str, address: str) -> Answer:
        self.polls += 1
        try:
            if token:
                status, answer = await self.client.post("/traffic/entry", {"zoneId": self.zone_id, "token": token})
            else:
                body = {"zoneId": self.zone_id, "clientIp": address, "clientAgent": "replay"}
                status, answer = await self.client.post("/traffic/wait", body)
        except GateUnreachable as error:
            self.errors[f"no answer: {error}"] += 1
            return 0, {}
        if status != 200:
            self.errors[f"{status} {answer.get('error', '')}"] += 1
        return status, answer
