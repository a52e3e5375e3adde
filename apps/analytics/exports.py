"""Exports as answers that never are in memory as a whole: how many may run at once, and how their parts leave."""

import asyncio
import logging
import threading
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from asgiref.sync import sync_to_async
from redis.exceptions import RedisError

from apps.realtime import redis
from apps.realtime.slicing import slices

from . import export_store as store
from .export_formats import Format
from .export_selectors import Plan, Row, export_slice

logger = logging.getLogger(__name__)

EXPORTS_AT_ONCE = 4  # in one process; each has a thread while it reads
# Rows in one write: some tens of KiB, after which the reader's line decides when it goes on.
ROWS_PER_PART = 500
# Who takes nothing for so long has left without saying so.
STALL_S = 45.0
RENEW_S = 15.0
WAIT_OWN_S = 10
WAIT_OTHERS_S = 5


class ExportsBusy(Exception):
    """The user has an export running, or the process as many as it may. Ask again after `wait_s`."""

    def __init__(self, reason: str, wait_s: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s


_lock = threading.Lock()
_running: set[int] = set()


class Place:
    """A user's one export. It is given back by `release`, at the latest when nobody holds it any more."""

    def __init__(self, user_id: int) -> None:
        """Take a place, or raise ExportsBusy.

        Other processes are asked through Redis. While that is away, only this one's own are known.
        """
        self.user_id = user_id
        with _lock:
            if user_id in _running:
                raise ExportsBusy("An export of yours is running. Wait for its end, or stop it.", WAIT_OWN_S)
            if len(_running) >= EXPORTS_AT_ONCE:
                raise ExportsBusy("Many exports are running. Try again in a moment.", WAIT_OTHERS_S)
            _running.add(user_id)
        self._leave = weakref.finalize(self, _leave, user_id)
        try:
            is_free = redis.ask_now([store.export_claim(user_id)])[0] is not None
        except (RedisError, OSError) as error:
            logger.warning("Exports of other processes are not known: %s", error)
            is_free = True
        if not is_free:
            self._leave()
            raise ExportsBusy("An export of yours is running. Wait for its end, or stop it.", WAIT_OWN_S)

    def renew(self) -> None:
        """Tell other processes that it still runs. Blocks."""
        self._tell(store.export_renew(self.user_id))

    def release(self) -> None:
        """Let the user, and others, begin another. Blocks. Safe to repeat."""
        if self._leave.alive:
            self._leave()
            self._tell(store.export_release(self.user_id))

    def _tell(self, command: redis.Command) -> None:
        try:
            redis.ask_now([command])
        except (RedisError, OSError) as error:
            logger.warning("Other processes are not told of an export: %s", error)


def _leave(user_id: int) -> None:
    with _lock:
        _running.discard(user_id)


class Export:
    """The bytes of one file, for a StreamingHttpResponse. The server's `close` ends it, however far it has come."""

    def __init__(self, *, plan: Plan, form: Format, place: Place) -> None:
        self._plan = plan
        self._form = form
        self._place = place
        self._renewed = time.monotonic()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Parts of the file. The next slice is read when the one before has been taken."""
        yield self._form.head().encode()
        after: Row | None = None
        while rows := await sync_to_async(export_slice)(plan=self._plan, after=after):
            for part in slices(rows, ROWS_PER_PART):
                with _not_for_ever():
                    yield self._form.rows(part).encode()
                if time.monotonic() - self._renewed > RENEW_S:
                    await sync_to_async(self._place.renew)()
                    self._renewed = time.monotonic()
            after = rows[-1]
        yield self._form.tail().encode()

    def close(self) -> None:
        """Give the place back."""
        self._place.release()


@contextmanager
def _not_for_ever() -> Iterator[None]:
    """End the answer if nobody takes what is handed out in this block. The server waits for its reader without end."""
    task = asyncio.current_task()
    timer = asyncio.get_running_loop().call_later(STALL_S, task.cancel) if task else None
    try:
        yield
    finally:
        if timer:
            timer.cancel()
