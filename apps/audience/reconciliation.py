"""Reconciliation in three steps: servers report their sockets, the sums are compared with Redis, Redis is repaired.

Every call that a server makes carries how many sessions of the stream it holds. A pass compares the sum over registered
servers with what Redis has, and Redis with itself. Where they differ by more than joins and leaves under way explain,
servers are asked to announce the stream again; a later pass, when all of them have, rebuilds who is present from what
was announced. State lives in Redis, so passes may run twice, late, or on two machines. The report of a process that is
not registered counts for nothing: a dead server leaves no ghosts.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from apps.realtime import redis
from apps.realtime.clock import epoch_ms
from apps.realtime.slicing import slices

from . import house_store, store
from .control import tell_servers
from .metrics import DRIFT, REPAIRS
from .selectors import PIPELINE, listings_live, read
from .sessions import DRAIN_GRACE_MS, SERVER_SILENCE_MS, SILENCE_MS, seoul_day

# A repair that some server never answered is asked for anew.
REPAIR_PATIENCE_MS = 120_000


@dataclass(frozen=True, slots=True)
class Audit:
    """One stream: what Redis holds, what servers said they hold (server -> sessions, epoch ms), and when each last told
    of every session that it holds (server -> epoch ms)."""

    heard: int
    recorded: int
    users: int
    viewers: int
    tabs: int
    current: int
    reports: dict[str, tuple[int, int]]
    announced: dict[str, int]

    @property
    def agrees_with_itself(self) -> bool:
        """Whether the keys of the stream say the same; tabs are not counted one by one in a very large stream."""
        return (
            self.heard == self.recorded
            and self.users == self.viewers == self.current
            and self.tabs in (-1, self.recorded)
        )

    def drift(self, registered: set[str]) -> int:
        """Sessions that Redis has more than registered servers hold; negative if it has fewer."""
        return self.heard - sum(held for server, (held, _) in self.reports.items() if server in registered)

    def has_drifted(self, registered: set[str]) -> bool:
        """Whether the drift is more than joins and leaves under way explain."""
        drift = abs(self.drift(registered))
        return drift > max(settings.AUDIENCE_DRIFT_TOLERATED, int(self.heard * settings.AUDIENCE_DRIFT_TOLERATED_SHARE))


@dataclass(frozen=True, slots=True)
class Reconciled:
    """One pass: streams looked at, absolute drift over all of them, repairs asked for, repairs made."""

    streams: int
    drift: int
    asked: int
    repaired: int


def audit_read(reply: list[Any]) -> Audit:
    """What store.audit answered."""
    heard, recorded, users, viewers, tabs, current, flat, whole = reply
    reports = {}
    for server, said in zip(flat[::2], flat[1::2], strict=True):
        held, at_ms = said.split(b"|")
        reports[server.decode()] = (int(held), int(at_ms))
    announced = {server.decode(): int(at_ms) for server, at_ms in zip(whole[::2], whole[1::2], strict=True)}
    return Audit(heard, recorded, users, viewers, tabs, current, reports, announced)


def audience_reconcile(*, now_ms: int | None = None) -> Reconciled:
    """One pass over all live streams."""
    at_ms = epoch_ms() if now_ms is None else now_ms
    registered = {server.decode() for server in read([house_store.servers_since(at_ms - SERVER_SILENCE_MS)])[0]}
    drift = asked = repaired = 0
    listings = listings_live()
    for part in slices(listings, PIPELINE):
        ids = [listing.stream_id for listing in part]
        replies = read([command for i in ids for command in (store.audit(i), store.repair_asked(i))])
        for stream_id, reply, since in zip(ids, replies[::2], replies[1::2], strict=True):
            audit = audit_read(reply)
            drift += abs(audit.drift(registered))
            _forget_dead_servers(stream_id, audit, registered, at_ms)
            if since is not None:
                repaired += _repair_if_ready(stream_id, audit, registered, int(since), at_ms)
            elif not audit.agrees_with_itself or audit.has_drifted(registered):
                asked += _ask(stream_id, audit, at_ms)
    _forget_silent_servers(at_ms)
    DRIFT.set(drift)
    found = Reconciled(len(listings), drift, asked, repaired)
    redis.ask_now([house_store.reconciled_put(at_ms=at_ms, **dataclasses.asdict(found))])
    return found


def _ask(stream_id: int, audit: Audit, at_ms: int) -> bool:
    """Ask all servers to announce the stream; False if another pass did."""
    if redis.run_now([store.repair_ask(stream_id=stream_id, now_ms=at_ms)])[0] is None:
        return False
    REPAIRS.labels("drift" if audit.agrees_with_itself else "disagreement").inc()
    tell_servers({"type": "stream.announce", "stream": stream_id})
    return True


def _repair_if_ready(stream_id: int, audit: Audit, registered: set[str], since_ms: int, at_ms: int) -> bool:
    """Rebuild the stream once every registered server has announced since it was asked.

    Not before the grace of a draining server is over: its sessions belong to nobody until their tabs come back.
    """
    if at_ms - since_ms < DRAIN_GRACE_MS:
        return False
    # Not the time of the report: any join renews that one, and says nothing of those who were here before.
    answered = all(audit.announced.get(server, 0) >= since_ms for server in audit.reports if server in registered)
    if answered:
        recount = store.recount(stream_id=stream_id, day=seoul_day(at_ms), now_ms=at_ms, announced_since_ms=since_ms)
        if error := redis.first_error(redis.run_now([recount])):
            raise error
    if answered or at_ms - since_ms > REPAIR_PATIENCE_MS:
        redis.run_now([store.repair_done(stream_id)])
    return answered


def _forget_dead_servers(stream_id: int, audit: Audit, registered: set[str], at_ms: int) -> None:
    dead = [server for server, (_, at) in audit.reports.items() if server not in registered and at_ms - at > SILENCE_MS]
    redis.run_now([store.forget_server(stream_id=stream_id, server=server) for server in dead])


def _forget_silent_servers(at_ms: int) -> None:
    silent = read([house_store.servers_silent(at_ms - store.PROCESS_KEPT_S * 1000)])[0]
    redis.run_now([command for server in silent for command in house_store.server_gone(server.decode())])
