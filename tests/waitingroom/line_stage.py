"""One zone's scripts, called one by one at a time that the test sets, and a look at everything they keep."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from apps.realtime import redis
from apps.realtime.redis import sync_client
from apps.waitingroom import store
from apps.waitingroom.replies import Claimed
from apps.waitingroom.rules import Mode, ZoneRules
from apps.waitingroom.snapshot import Bitmap, Snapshot
from apps.waitingroom.store import Evicted, Joined, Left, LineStatus, Pulse, Status, ZoneMinute
from tests.services.both import on_both

NOON = 1_772_334_000_000  # 2026-03-01 12:00 in Seoul; the first window of its minute
NOON_WINDOW = NOON // 6_000
_MARKED = re.compile(rb"[^\0]")

both = on_both


def run_one(command: redis.Command) -> Any:
    """One command's reply; raises if it is an error."""
    reply = redis.run_now([command])[0]
    if isinstance(reply, Exception):
        raise reply
    return reply


def bits_of(places: Iterable[int]) -> tuple[int, bytes] | None:
    """These places as a gate tells them: a first place, a multiple of 8, and a bitmap from there on."""
    places = sorted(places)
    if not places:
        return None
    first = places[0] // 8 * 8
    bits = bytearray((places[-1] - first) // 8 + 1)
    for place in places:
        bits[(place - first) // 8] |= 128 >> (place - first) % 8
    return first, bytes(bits)


def places_of(base: int, bits: bytes) -> list[int]:
    """The places whose bits are set, ascending."""
    marked = ((found.start(), found.group()[0]) for found in _MARKED.finditer(bits))  # most may be far apart
    return [base + at * 8 + bit for at, byte in marked for bit in range(8) if byte & 128 >> bit]


def snapshot_of(pulse: Pulse) -> Snapshot:
    """What a gate keeps of a pulse."""
    assert pulse.bits is not None
    return Snapshot(
        epoch=pulse.epoch,
        now_ms=pulse.now_ms,
        rev=pulse.rev,
        front=pulse.front,
        next=pulse.next,
        line=Bitmap(pulse.base, pulse.bits),
        used=pulse.used,
    )


@dataclass
class Line:
    """A zone's line. `at` is ms after noon; every call happens then. `batch` numbers the joins of server "one"."""

    zone_id: str = "z"
    at: int = 0
    rules: ZoneRules = field(init=False)
    epoch: int = 1
    batch: int = 0

    def __post_init__(self) -> None:
        self.rules = ZoneRules(zone_id=self.zone_id, name="Zone", per_minute=60, mode=Mode.OPEN, message="")

    @property
    def now_ms(self) -> int:
        return NOON + self.at

    def open(self, **rules: Any) -> "Line":
        """Publish a new zone."""
        self._rule(rules)
        assert run_one(store.publish(self.rules, fresh=True, now_ms=self.now_ms)) == 1
        return self

    def change(self, **rules: Any) -> int:
        """Publish changed rules."""
        self._rule({"version": self.rules.version + 1, **rules})
        return int(run_one(store.publish(self.rules, now_ms=self.now_ms)))

    def clear(self) -> int:
        """Raise the epoch."""
        self.epoch += 1
        return self.change(epoch=self.epoch)

    def _rule(self, rules: dict[str, Any]) -> None:
        values = {name: getattr(self.rules, name) for name in self.rules.__dataclass_fields__}
        self.rules = ZoneRules(**{**values, **rules})

    def pulse(self, seen: Iterable[int] = (), *, epoch: int | None = None, known_rev: int = -1) -> Pulse:
        command = store.pulse(
            zone_id=self.zone_id,
            epoch=epoch or self.epoch,
            seen=bits_of(seen),
            known_rev=known_rev,
            now_ms=self.now_ms,
        )
        return store.pulse_read(run_one(command))

    def join(self, count: int = 1, *, server: str = "one", batch: int | None = None) -> Joined:
        if batch is None:
            self.batch = batch = self.batch + 1
        command = store.join(
            zone_id=self.zone_id, epoch=self.epoch, server=server, batch=batch, count=count, now_ms=self.now_ms
        )
        return store.join_read(run_one(command))

    def claim(self, *places: int, waited_ms: int = 0) -> list[int]:
        """A result for each; the line must be there."""
        claimed = self.claimed(*places, waited_ms=waited_ms)
        assert claimed.status == "ok"
        return claimed.results

    def claimed(self, *places: int, waited_ms: int = 0) -> Claimed:
        """The whole answer."""
        command = store.claim(
            zone_id=self.zone_id,
            epoch=self.epoch,
            places=[(place, waited_ms) for place in places],
            now_ms=self.now_ms,
        )
        return store.claim_read(run_one(command))

    def leave(self, *places: int) -> Left:
        command = store.leave(zone_id=self.zone_id, epoch=self.epoch, places=places, now_ms=self.now_ms)
        return store.leave_read(run_one(command))

    def evict(self) -> Evicted:
        return store.evict_read(run_one(store.evict(zone_id=self.zone_id, now_ms=self.now_ms)))

    def restore(self, known: Snapshot | None = None, presented: Iterable[int] = ()) -> Status:
        command = store.restore(rules=self.rules, known=known, presented=bits_of(presented), now_ms=self.now_ms)
        return store.restore_read(run_one(command))

    def listen(self, seen: Iterable[int], *, until: int, every: int = 1_000) -> Pulse:
        """Pulse like a gate, with these places heard of each time, until `at` is `until`."""
        places = list(seen)
        pulse = self.pulse(places)
        while self.at < until:
            self.at = min(until, self.at + every)
            pulse = self.pulse(places)
        return pulse

    def status(self) -> LineStatus | None:
        return store.status_read(run_one(store.status(self.zone_id)))

    def minute(self, number: int = 0) -> ZoneMinute:
        """Statistics of the so-many-th minute after noon."""
        return store.stats_read(run_one(store.stats(self.zone_id, NOON // 60_000 + number)))

    def waiting(self) -> list[int]:
        """The places in line, as Redis keeps them."""
        client: Any = sync_client()
        base = int(client.hget(self.key(""), "base"))
        return places_of(base, client.get(self.key("waiting")) or b"")

    def key(self, name: str) -> str:
        """`waiting`, `seen:1772334000`...: the key's full name; "" for the head."""
        return f"line:{{{self.zone_id}}}" + (f":{name}" if name else "")

    def names(self) -> set[str]:
        """Every key of the zone, by its short name."""
        client: Any = sync_client()
        return {key.decode().removeprefix(self.key("")).lstrip(":") for key in client.scan_iter(self.key("") + "*")}

    def lose(self) -> None:
        """Redis forgets everything of this zone."""
        client: Any = sync_client()
        for name in self.names():
            client.delete(self.key(name))

    def fail_over(self) -> None:
        """Make the line look as after a failover: the Redis process that wrote last was another one."""
        client: Any = sync_client()
        client.hset(self.key(""), "run_id", "another")
