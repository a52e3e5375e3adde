"""What the live pages read of the database, beside their loop: a slow database makes facts old, and holds up no figure.

One reading is under way at a time. It reads what is due: what people decided, when the catalogue's number is another
one or FACTS_EVERY_S have passed; who may still look, when the number of the roles is another one or ROLES_EVERY_S have
passed; the past of watched zones, once a minute, and their changes when their version is another one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError
from django.db import connections
from django.utils import timezone

from apps.realtime.outbox import Outbox

from ..board_store import Board
from ..managers import Role
from ..metrics import LOOP_FAILURES
from .access import Person, standing
from .past import WRITTEN_EVERY_S, WatchedPast
from .wall import ChangeTold, ZoneFacts
from .zone_sight import Written, changes_read, facts_read, rates_read, written_read

logger = logging.getLogger(__name__)

FACTS_EVERY_S = 5.0
ROLES_EVERY_S = 4.0
# Nobody stays for longer than this whose right to look could not be looked at again.
BLIND_AFTER_S = 30.0
PASTS_AT_ONCE = 10


class Seat(Protocol):
    """An open page: of one zone, or the wall (`zone_id` None) of these zones."""

    outbox: Outbox
    person: Person
    zone_id: str | None
    zones: frozenset[str]
    role: Role | None  # for the one zone
    is_greeted: bool  # whether it was sent everything

    def dismiss(self, code: int, reason: str) -> None:
        """Close the socket."""


class _Changes(NamedTuple):
    """What was read of a zone's changes, and the versions of zone and roles that it is of."""

    versions: tuple[int, int]
    latest: list[ChangeTold]
    rates: list[list[int]]


@dataclass(slots=True)
class _Job:
    """What one reading is to read, and what it found."""

    facts_due: bool
    seats: set[Seat] | None  # whose persons are to be looked at
    pasts: list[str]
    watched: dict[str, tuple[int, int] | None]  # zone -> versions that its changes are known of
    facts_known: Mapping[str, ZoneFacts]
    roles_version: int
    began: float  # ticks
    facts: dict[str, ZoneFacts] | None = None
    standing: dict[Person, dict[str, Role]] | None = None
    written: dict[str, Written] = field(default_factory=dict)
    changes: dict[str, _Changes] = field(default_factory=dict)

    def look(self) -> None:
        """Who may still look, and what people decided."""
        if self.seats is not None:
            self.standing = standing({seat.person for seat in self.seats})
        if self.facts_due:
            self.facts = facts_read()

    def look_back(self) -> None:
        """What was."""
        for zone_id in self.pasts:
            self.written[zone_id] = written_read(zone_id, timezone.now())
        for zone_id, known in self.watched.items():
            versions = _versions(zone_id, self.facts or self.facts_known, self.roles_version)
            if versions != known and len(self.changes) < PASTS_AT_ONCE:
                self.changes[zone_id] = _Changes(versions, changes_read(zone_id), rates_read(zone_id, timezone.now()))


def _versions(zone_id: str, facts: Mapping[str, ZoneFacts], roles_version: int) -> tuple[int, int]:
    return (facts[zone_id].version if zone_id in facts else 0), roles_version


class Reading:
    """What is known of the database. `ticks` is a clock in seconds."""

    def __init__(
        self, ticks: Callable[[], float], looked: Callable[[], None], learned: Callable[[], Awaitable[None]]
    ) -> None:
        """`looked` is called when it was read who may still look, `learned` is awaited when all was read."""
        # Who comes is let in by another thread: a database that hangs here holds up nobody at the door.
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="manage-reading")
        self.facts: dict[str, ZoneFacts] | None = None
        self.pasts: dict[str, WatchedPast] = {}  # of watched zones
        self._ticks = ticks
        self._looked = looked
        self._learned = learned
        self._standing: dict[Person, dict[str, Role]] = {}
        self._looked_at: set[Seat] = set()  # that were there before `_standing` was read
        self._facts_at = self._roles_at = self._versions_at = float("-inf")
        self._seen_at: float | None = None  # when roles were last known to be right, from the first page on
        self._zones_version = self._roles_version = -1
        self._task: asyncio.Task[None] | None = None

    def forget(self) -> None:
        """Nobody watches any more."""
        self.facts, self._standing, self._looked_at = None, {}, set()
        self._facts_at = self._roles_at = float("-inf")
        self._seen_at = None
        self._zones_version = self._roles_version = -1

    @property
    def is_blind(self) -> bool:
        """Whether it has been unknown for too long who may look."""
        return self._seen_at is not None and self._ticks() - self._seen_at > BLIND_AFTER_S

    def verdicts(self, seats: Iterable[Seat]) -> Iterator[tuple[Seat, Mapping[str, Role] | None]]:
        """The zones of each page's person, None if they are signed out; of those who came since, nothing."""
        for seat in list(seats):
            if seat in self._looked_at:
                yield seat, self._standing.get(seat.person)

    def look(self, seats: Iterable[Seat], board: Board | None) -> None:
        """Begin to read what is due, unless a reading is under way."""
        if self._seen_at is None:
            self._seen_at = self._ticks()
        if self._task is not None and not self._task.done():
            return
        job = self._job(list(seats), board)
        if job is not None:
            self._task = asyncio.get_running_loop().create_task(self._run(job, board))

    def _job(self, seats: list[Seat], board: Board | None) -> _Job | None:
        ticks = self._ticks()
        zones_moved = board is not None and board.zones_version != self._zones_version
        roles_moved = board is not None and board.roles_version != self._roles_version
        facts_due = zones_moved or ticks - self._facts_at >= FACTS_EVERY_S
        roles_due = roles_moved or zones_moved or ticks - self._roles_at >= ROLES_EVERY_S
        pasts = [each for each, past in self.pasts.items() if ticks - past.written_at >= WRITTEN_EVERY_S]
        facts, roles_version = self.facts or {}, self._roles_version if board is None else board.roles_version
        watched = {zone_id: past.changes_of for zone_id, past in self.pasts.items()}
        is_behind = any(_versions(each, facts, roles_version) != known for each, known in watched.items())
        job = _Job(
            facts_due=facts_due,
            seats=set(seats) if roles_due else None,
            pasts=pasts[:PASTS_AT_ONCE],
            watched=watched,
            facts_known=facts,
            roles_version=roles_version,
            began=ticks,
        )
        return job if facts_due or roles_due or pasts or is_behind else None

    async def _run(self, job: _Job, board: Board | None) -> None:
        try:
            try:
                await self._in_thread(job.look)
            finally:  # roles that were read hold, whatever failed behind them
                self._take(job, board)
                self._looked()
            try:
                await self._in_thread(job.look_back)
            finally:
                self._take_pasts(job)
            await self._learned()
        except DatabaseError:
            logger.warning("the manager pages' facts grow old: the database is away", exc_info=True)
            LOOP_FAILURES.labels("manage_reading").inc()
        except Exception:  # such as a row that a newer release wrote
            logger.exception("the manager pages' facts grow old: what was read makes no sense")
            LOOP_FAILURES.labels("manage_reading").inc()

    async def _in_thread(self, read: Callable[[], None]) -> None:
        await database_sync_to_async(read, thread_sensitive=False, executor=self._executor)()

    def _take(self, job: _Job, board: Board | None) -> None:
        ticks = self._ticks()
        if job.standing is not None and job.seats is not None:
            self._standing, self._looked_at = job.standing, job.seats
            self._roles_at = ticks
            if self._seen_at is not None:  # somebody still watches; roles are as old as the reading
                self._seen_at = max(self._seen_at, job.began)
            if board is not None:
                self._roles_version = board.roles_version
        if job.facts is not None:
            self.facts, self._facts_at = job.facts, ticks
            if board is not None:
                self._zones_version = board.zones_version

    def _take_pasts(self, job: _Job) -> None:
        ticks = self._ticks()
        for zone_id, written in job.written.items():
            if (past := self.pasts.get(zone_id)) is not None:
                past.written, past.written_at = written, ticks
        for zone_id, read in job.changes.items():
            if (past := self.pasts.get(zone_id)) is not None:
                past.changes_of, past.changes, past.rates = read

    async def settle(self) -> None:
        """Wait for the reading that is under way."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def stop(self) -> None:
        """Let go of the reading that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._executor.submit(connections.close_all)
        self._executor.shutdown(wait=False)
