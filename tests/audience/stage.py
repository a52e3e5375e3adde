"""One stream's scripts, called one by one at a time that the test sets, and a look at everything they keep."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from apps.audience import past_store, store
from apps.audience.past_store import Waiting
from apps.audience.reconciliation import Audit, audit_read
from apps.audience.sessions import Session, owner_make
from apps.audience.store import Figures
from apps.realtime import redis
from apps.realtime.redis import sync_client

NOON = 1_772_334_000_000  # 2026-03-01 12:00 in Seoul
DAY = "20260301"
NOTHING = Figures("", 0, 0, 0)
PLENTY = 2_000_000  # records of sessions that may wait, as lua/leaving.lua has it

both = pytest.mark.parametrize(
    "redis_url", ["single", pytest.param("cluster", marks=pytest.mark.cluster)], indirect=True
)


def run_one(command: redis.Command) -> Any:
    """One command's reply; raises if it is an error."""
    reply = redis.run_now([command])[0]
    if isinstance(reply, Exception):
        raise reply
    return reply


def tab(name: str, viewer: str, *, connected: int = 0, stream_id: int = 7, server: str = "one") -> Session:
    """A tab of a viewer, held by the connection made so many ms after noon."""
    owner = owner_make(connected_ms=NOON + connected, server=server, serial=1)
    return Session(session_id=name, viewer_id=viewer, stream_id=stream_id, owner=owner)


@dataclass
class Stage:
    """`at` is ms after noon; every call happens then."""

    stream_id: int
    at: int = 0
    day: str = DAY
    earlier: dict[str, int] = field(default_factory=dict)  # what the last announcement was told of joins before it

    @property
    def now_ms(self) -> int:
        return NOON + self.at

    def _announce(
        self, sessions: Sequence[Session], *, arrivals: bool, server: str, held: int | None, known: Figures
    ) -> list[Any]:
        command = store.announce(
            stream_id=self.stream_id,
            day=self.day,
            now_ms=self.now_ms,
            server=server,
            held=len(sessions) if held is None else held,
            known=known,
            sessions=sessions,
            arrivals=arrivals,
        )
        reply = list(run_one(command))
        self.earlier = store.earlier_read(reply)
        return reply

    def open(self) -> None:
        run_one(store.live_mark(self.stream_id))

    def arrive(
        self, *sessions: Session, server: str = "one", held: int | None = None, known: Figures = NOTHING
    ) -> Figures:
        return store.figures_read(self._announce(sessions, arrivals=True, server=server, held=held, known=known))

    def beat(
        self, *sessions: Session, server: str = "one", held: int | None = None, known: Figures = NOTHING
    ) -> Figures:
        return store.figures_read(self._announce(sessions, arrivals=False, server=server, held=held, known=known))

    def tell_all(self, *sessions: Session, server: str = "one", held: int | None = None) -> None:
        """A heartbeat of everybody whom the server holds."""
        self.beat(*sessions, server=server, held=held)
        redis.run_now(store.announced(stream_id=self.stream_id, server=server, at_ms=self.now_ms))

    def lost(self, *sessions: Session, arrivals: bool = True) -> list[str]:
        """Announce, and which of them a newer connection holds."""
        return store.lost_read(self._announce(sessions, arrivals=arrivals, server="one", held=None, known=NOTHING))

    def depart(self, *sessions: Session, server: str = "one", held: int = 0, grace_ms: int = 0) -> Figures:
        command = store.depart(
            stream_id=self.stream_id,
            day=self.day,
            now_ms=self.now_ms,
            server=server,
            held=held,
            sessions=sessions,
            grace_ms=grace_ms,
        )
        return store.figures_read(run_one(command))

    def _sweep(self, room: int) -> list[Any]:
        return list(
            run_one(store.sweep(stream_id=self.stream_id, day=self.day, now_ms=self.now_ms, room=room)),
        )

    def sweep(self, *, room: int = PLENTY) -> tuple[Figures, int]:
        reply = self._sweep(room)
        return store.figures_read(reply), int(reply[4])

    def sweep_past(self, *, room: int = PLENTY) -> tuple[Waiting, int]:
        """A sweep, and what it says of sessions that are over: what waits, and how many were dropped."""
        return past_store.swept_read(self._sweep(room))

    def _end(self) -> list[Any]:
        return list(run_one(store.end(stream_id=self.stream_id, day=self.day, ended_ms=self.now_ms)))

    def end(self) -> list[int]:
        return [int(figure) for figure in self._end()[:2]]

    def end_past(self) -> tuple[Waiting, int]:
        """The end, and what it says of sessions that are over."""
        return past_store.ended_read(self._end())

    def audit(self) -> Audit:
        return audit_read(run_one(store.audit(self.stream_id)))

    def recount(self, announced_since: int) -> tuple[Figures, int]:
        command = store.recount(
            stream_id=self.stream_id, day=self.day, now_ms=self.now_ms, announced_since_ms=NOON + announced_since
        )
        reply = run_one(command)
        return store.figures_read(reply), int(reply[4])

    def figures(self) -> Figures:
        return store.figures_of(run_one(store.figures(self.stream_id)))

    def unique(self) -> int:
        return int(run_one(store.unique_today(stream_id=self.stream_id, day=self.day)))

    # --- everything that Redis keeps --------------------------------------------------------------------------

    def key(self, name: str) -> str:
        """`hb`, `live:tabs`, `view:current`...: the key's full name."""
        family, _, part = name.partition(":")
        if family == "view":
            return f"view:{{{self.stream_id}}}:{part}"
        return f"{name}:{{{self.stream_id}}}"

    def dump(self) -> dict[str, Any]:
        """Every key of the stream with its value, by the short names of `key`."""
        client: Any = sync_client()
        read = {
            b"zset": lambda key: {
                m.decode(): int(score) - NOON for m, score in client.zrange(key, 0, -1, withscores=True)
            },
            b"hash": lambda key: {f.decode(): v.decode() for f, v in client.hgetall(key).items()},
            b"set": lambda key: {member.decode() for member in client.smembers(key)},
            b"stream": lambda key: [fields[b"r"].decode() for _, fields in client.xrange(key)],
            b"list": lambda key: [item.decode() for item in client.lrange(key, 0, -1)],
            b"string": lambda key: client.get(key),
        }
        found = {}
        for key in client.scan_iter(f"*{{{self.stream_id}}}*"):
            found[key.decode().replace(f":{{{self.stream_id}}}", "")] = read[client.type(key)](key)
        return found

    def ttls(self) -> dict[str, int]:
        """Seconds to live of every key of the stream, -1 for ever, by the short names."""
        client: Any = sync_client()
        keys = list(client.scan_iter(f"*{{{self.stream_id}}}*"))
        return {key.decode().replace(f":{{{self.stream_id}}}", ""): client.ttl(key) for key in keys}
