"""Visitors of a zone, who ask any of its gates over HTTP until they are let in, and an eye on when each of them was."""

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from apps.waitingroom.windows import share
from tests.services.web import WebServer

# Under six polls in three seconds.
PERIOD_S = 0.8


class Door:
    """A gate's address, and a few kept connections to it."""

    def __init__(self, server: WebServer, connections: int = 8) -> None:
        self.server = server
        self._free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter] | None] = asyncio.Queue()
        self._opened: list[asyncio.StreamWriter] = []
        for _ in range(connections):
            self._free.put_nowait(None)

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and JSON of an answer; OSError if the gate is gone."""
        streams = await self._free.get()
        try:
            reader, writer = streams or await self._open()
            text = json.dumps(body)
            writer.write(
                f"POST /traffic/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(text)}\r\n\r\n{text}".encode()
            )
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length:")[2].partition("\r\n")[0])
            answer = json.loads(await reader.readexactly(length))
            streams = None if "connection: close" in head else (reader, writer)
            return int(head[9:12]), answer
        except BaseException as error:
            streams = None  # half an answer may still come
            if isinstance(error, asyncio.IncompleteReadError):
                raise ConnectionResetError("the gate hung up") from error
            raise
        finally:
            self._free.put_nowait(streams)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        streams = await asyncio.open_connection("127.0.0.1", self.server.port)
        self._opened.append(streams[1])
        return streams

    async def close(self) -> None:
        """Hang up."""
        for writer in self._opened:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._opened), return_exceptions=True)


@dataclass
class Visitor:
    """One person. `ranks` are those told while waiting, and when (loop time)."""

    zone_id: str
    token: str = ""
    granted: str = ""
    state: str = ""
    ranks: list[tuple[float, int]] = field(default_factory=list)

    @property
    def place(self) -> int:
        """The number in the ticket."""
        return int(self.token.split(".")[2])

    @property
    def entered_s(self) -> int:
        """The epoch second of the entry, from the pass."""
        return int(self.granted.split(".")[5])

    @property
    def rank(self) -> int:
        """As told last."""
        return self.ranks[-1][1]

    async def ask(self, door: Door) -> dict[str, Any]:
        """Come, or ask again."""
        path = "entry" if self.token else "wait"
        body = {"zoneId": self.zone_id, "token": self.token, "clientIp": "10.0.0.1", "clientAgent": "WEB"}
        status, answer = await door.post(path, body)
        assert status == 200, (status, answer)
        self.token, self.state = answer["token"] or self.token, answer["state"]
        if answer["canEnter"]:
            assert self.granted in ("", answer["pass"]), "a second pass for one place"
            self.granted = answer["pass"]
        else:
            self.ranks.append((asyncio.get_running_loop().time(), answer["waiting"]["rank"]))
        return dict(answer)


class Crowd:
    """Visitors of one zone at several doors."""

    def __init__(self, zone_id: str, doors: list[Door]) -> None:
        self.zone_id = zone_id
        self.doors = doors
        self.visitors: list[Visitor] = []
        self._living: list[asyncio.Task[None]] = []

    async def come(self, count: int) -> list[Visitor]:
        """So many newcomers, each with a place (or inside)."""
        newcomers = [Visitor(self.zone_id) for _ in range(count)]
        await asyncio.gather(*(each.ask(self.doors[number % len(self.doors)]) for number, each in enumerate(newcomers)))
        assert all(each.token for each in newcomers)
        self.visitors += newcomers
        return newcomers

    def live(self, visitors: Iterable[Visitor]) -> None:
        """They ask every PERIOD_S from now on, at any door, until they are let in."""
        self._living += [asyncio.get_running_loop().create_task(self._live(visitor)) for visitor in visitors]

    async def _live(self, visitor: Visitor) -> None:
        await asyncio.sleep(random.random() * PERIOD_S)
        while not visitor.granted:
            with contextlib.suppress(OSError):  # that gate is gone: another one, next time
                await visitor.ask(random.choice(self.doors))
            await asyncio.sleep(PERIOD_S)

    async def end(self) -> None:
        """Stop asking. Raises what went wrong with anybody."""
        for task in self._living:
            task.cancel()
        ended = await asyncio.gather(*self._living, return_exceptions=True)
        for error in ended:
            if error is not None and not isinstance(error, asyncio.CancelledError):
                raise error

    async def close(self) -> None:
        """The test is over, well or not."""
        for task in self._living:
            task.cancel()
        await asyncio.gather(*self._living, return_exceptions=True)
        for door in self.doors:
            await door.close()

    @property
    def inside(self) -> list[Visitor]:
        """Who was let in, in order of places."""
        return sorted((each for each in self.visitors if each.granted), key=lambda each: each.place)

    def check(self, per_minute: int) -> Counter[int]:
        """No window above its share, no minute above N, nobody two windows before somebody in front of them.

        Windows in which nobody could enter do not count there. Entries by window are returned; windows begin at whole
        seconds, so a pass tells its window exactly.
        """
        entered = [each.entered_s for each in self.inside]
        windows = Counter(second // 6 for second in entered)
        for window, entries in windows.items():
            assert entries <= share(per_minute, window), f"{entries} entered in window {window}"
        for second in set(entered):
            assert sum(second <= other < second + 60 for other in entered) <= per_minute
        order = {window: number for number, window in enumerate(sorted(windows))}
        latest = 0
        for each in self.inside:
            number = order[each.entered_s // 6]
            assert number >= latest - 1, f"place {each.place} overtook somebody"
            latest = max(latest, number)
        return windows
