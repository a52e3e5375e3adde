"""Which server the past is read from: a replica chosen by purpose, or the primary.

The purposes are database aliases, there when they have an address (RANKING_DATABASE_URL and so on) and otherwise the
primary, `default`, at no cost. A selector says what it reads for:

    @reads("history")
    def history_points(...) -> list[Point]: ...

All queries inside go to one server, whichever models they name, and are repeated on the primary if the replica fails.
What hands out rows as they come (a long export) takes the alias instead: `Model.objects.using(reader("history"))`.

A replica is passed over while it is too far behind, stands still or is away; by the request or task that has just
written, for as long as a replica in use may lag; and inside a transaction. Code without a purpose always reads from
the primary.
"""

import contextlib
import inspect
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar

from celery.signals import task_prerun
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_only_middleware

from .metrics import READER_LAG, READER_SKIPPED, READER_USABLE

logger = logging.getLogger(__name__)

Purpose = Literal["ranking", "history", "analytics"]
Reason = Literal["", "behind", "stopped", "away", "forbidden", "unknown"]

# A process asks a replica how it stands this often at most, and goes by its answer in between.
CHECK_EVERY_S = 5.0
# A read that failed is repeated on the primary, but not one that took longer than this to fail: what is too much for a
# replica must not be the next burden of the primary.
REPEAT_WITHIN_S = 5.0
WROTE_COOKIE = "fullhouse_wrote"
# Errors of MySQL and MariaDB. Those of the client's side, from 2000 on, all mean that the server is out of reach.
SERVER_GONE = (1040, 1053, 1927)  # too many connections, shutting down, connection killed
FORBIDDEN = 1227  # more privileges are needed to see how replication stands

P = ParamSpec("P")
T = TypeVar("T")

_alias: ContextVar[str] = ContextVar("reader_alias", default=DEFAULT_DB_ALIAS)
_wrote_at: ContextVar[float | None] = ContextVar("reader_wrote_at", default=None)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Why a replica isn't used, empty if it is; good until `due` (monotonic seconds)."""

    reason: Reason
    due: float


_verdicts: dict[str, _Verdict] = {}
_lock = threading.Lock()


def reader(purpose: Purpose) -> str:
    """The database alias to read from now. Asks no server unless this purpose has a replica whose answer is old."""
    if purpose not in connections.settings:
        return DEFAULT_DB_ALIAS
    if _has_written() or connections[DEFAULT_DB_ALIAS].in_atomic_block:
        return DEFAULT_DB_ALIAS
    if reason := _standing(purpose):
        READER_SKIPPED.labels(purpose, reason).inc()
        return DEFAULT_DB_ALIAS
    return purpose


def reads(purpose: Purpose) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorator of a selector that returns finished values: all its reads go to the reader of this purpose."""

    def decorate(fn: Callable[P, T]) -> Callable[P, T]:
        if inspect.isgeneratorfunction(fn) or inspect.iscoroutinefunction(fn):
            raise TypeError(f"{fn.__name__} reads after it has returned; use reader() in it instead")

        @wraps(fn)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            alias, began = reader(purpose), time.monotonic()
            try:
                return _with_alias(alias, fn, *args, **kwargs)
            except DatabaseError as error:
                if alias == DEFAULT_DB_ALIAS or time.monotonic() - began > REPEAT_WITHIN_S:
                    raise
                logger.warning("A read for %s failed on its replica and is repeated: %s", purpose, error)
                if _is_away(error):
                    _set_aside(alias)
            return _with_alias(DEFAULT_DB_ALIAS, fn, *args, **kwargs)

        return wrapper

    return decorate


def _with_alias(alias: str, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    token = _alias.set(alias)
    try:
        result = fn(*args, **kwargs)
    finally:
        _alias.reset(token)
    if isinstance(result, QuerySet):
        raise TypeError(f"{fn.__name__} returned a queryset, which reads later; evaluate it")
    return result


# --- own writes ---------------------------------------------------------------------------------------------------


def _own_write_s() -> float:
    """After this long a write is on every replica that is in use: its lag when asked, and what it lost since."""
    return settings.READER_LAG_TOLERATED_S + CHECK_EVERY_S + 1


def _has_written() -> bool:
    at = _wrote_at.get()
    return at is not None and time.monotonic() - at < _own_write_s()


@task_prerun.connect
def own_writes_forget(**context: Any) -> None:
    """A worker's process runs one task after the other: what those before wrote is as good as somebody else's."""
    _wrote_at.set(None)


@contextlib.contextmanager
def own_writes_unread() -> Iterator[None]:
    """What is written inside is not going to be read by who writes it: that sends no later read to the primary."""
    before = _wrote_at.get()
    try:
        yield
    finally:
        _wrote_at.set(before)


class ReaderRouter:
    """Django's question which database to use. Installed only if there are replicas."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        """What `reads` chose, else the primary, also for rows that came from a replica."""
        return _alias.get()

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        """The primary; and whoever asks is about to write."""
        _wrote_at.set(time.monotonic())
        return DEFAULT_DB_ALIAS

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool:
        """Rows of all aliases are the same rows."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Replicas get their tables from the primary."""
        return db == DEFAULT_DB_ALIAS


@sync_only_middleware
def own_writes(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Let a browser that wrote read from the primary for a while, whichever process it comes to: a cookie says so.

    Installed only if there are replicas.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        before = time.monotonic() if WROTE_COOKIE in request.COOKIES else None
        _wrote_at.set(before)
        response = get_response(request)
        if _wrote_at.get() != before:
            response.set_cookie(
                WROTE_COOKIE,
                "1",
                max_age=int(_own_write_s()) + 1,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response

    return middleware


# --- how a replica stands -----------------------------------------------------------------------------------------


def _standing(alias: str) -> Reason:
    """Why the replica is not to be used. One thread asks it when the last answer is old, the others go by that one."""
    with _lock:
        now = time.monotonic()
        known = _verdicts.get(alias, _Verdict("unknown", now))
        if now < known.due:
            return known.reason
        _verdicts[alias] = _Verdict(known.reason, now + CHECK_EVERY_S)
    reason = _ask(alias)
    if reason != known.reason and (reason or known.reason != "unknown"):
        logger.warning("Replica %s is %s", alias, f"passed over: {reason}" if reason else "read from again")
    READER_USABLE.labels(alias).set(0 if reason else 1)
    _verdicts[alias] = _Verdict(reason, time.monotonic() + CHECK_EVERY_S)
    return reason


def _is_away(error: DatabaseError) -> bool:
    """Whether the server is to blame and not the query."""
    code = error.args[0] if error.args else None
    return isinstance(error, InterfaceError) or (isinstance(code, int) and (2000 <= code < 3000 or code in SERVER_GONE))


def _set_aside(alias: str) -> None:
    """The replica failed while it was read from: it is asked again when the next answer is due."""
    connections[alias].close()
    READER_USABLE.labels(alias).set(0)
    READER_SKIPPED.labels(alias, "away").inc()
    _verdicts[alias] = _Verdict("away", time.monotonic() + CHECK_EVERY_S)


def _ask(alias: str) -> Reason:
    connection: Any = connections[alias]
    if connection.vendor != "mysql":
        return ""
    try:
        # MariaDB has a row for each server that it follows only in this form; MySQL always has.
        if connection.mysql_is_mariadb:
            question = "SHOW ALL SLAVES STATUS"
        else:
            question = "SHOW REPLICA STATUS" if connection.mysql_version >= (8, 0, 22) else "SHOW SLAVE STATUS"
        with connection.cursor() as cursor:
            cursor.execute(question)
            names = [column[0].lower() for column in cursor.description]
            rows: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    except DatabaseError as error:
        connection.close()
        if error.args and error.args[0] == FORBIDDEN:
            logger.warning("Replica %s must not be asked how far behind it is: %s", alias, error)
            return "forbidden"
        return "away"
    seen = [row.get("seconds_behind_source", row.get("seconds_behind_master")) for row in rows]
    lags = [float(seconds) for seconds in seen if seconds is not None]
    if len(lags) < len(seen):  # NULL: its replication does not run
        return "stopped"
    # A server that follows nobody in this way (Aurora, Galera) is up to date as far as it can be told.
    lag = max(lags, default=0.0)
    READER_LAG.labels(alias).set(lag)
    return "behind" if lag > settings.READER_LAG_TOLERATED_S else ""
