"""Statistics of a day, made from history and sessions: the same rows however often, while its sessions are kept."""

import datetime
import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

from django.conf import settings
from django.db import connections, router

from apps.audience.sessions import SEOUL
from apps.realtime import redis
from apps.realtime.bulk import bulk_upsert, execute_repeatable
from apps.realtime.clock import epoch_ms_of
from apps.realtime.slicing import slices
from apps.streams.models import Stream

from . import daily_selectors as selectors
from . import store
from .claim import PATIENCE_S, Claim, StatisticsBusy, claimed
from .daily import ONE_DAY, Day, Due, Figures, Readings, StreamOfDay, Touched, Watching, days_between, figures_make
from .models import DailyStatistics, UserSession, Visitor
from .readers import CHECK_EVERY_S, own_writes_unread

logger = logging.getLogger(__name__)

# Streams in one statement: none takes long, and others get their turn.
STREAMS_PER_QUERY = 200
VISITORS_PER_DELETE = 2_000
TOUCHED_PER_CALL = 2_000
# A run begins no further day after this long: the next comes half an hour after it, and others want the worker, too.
RUN_S = 1_200.0
# A replica in use may be behind, and clocks differ: the next run looks again at what changed so shortly before this.
MARGIN_S = 15


class DayNotKept(ValueError):
    """The day's sessions are not all there any more, or it has not begun: its statistics stay as they are."""


@dataclass(frozen=True, slots=True)
class Computed:
    """One day: how many streams were live, and what all of them together come to."""

    day: datetime.date
    streams: int
    watch_minutes: int


def statistics_compute(*, day: datetime.date, now: datetime.datetime) -> Computed:
    """Make the statistics of one day; of the one that runs, as far as it has come.

    DayNotKept; StatisticsBusy if somebody else makes some for so long. RedisError if Redis is away.
    """
    today = now.astimezone(SEOUL).date()
    oldest = selectors.oldest_day(today)
    if day > today or (oldest is not None and day < oldest):
        raise DayNotKept(f"{day} cannot be computed: sessions are there from {oldest or 'the beginning'} to {today}")
    with claimed(wait_s=PATIENCE_S) as claim:
        return _compute(day, None, now, claim)


def _compute(
    day: datetime.date, broadcasters: Collection[int] | None, now: datetime.datetime, claim: Claim
) -> Computed:
    """The day of these broadcasters, or of all."""
    whole = Day(day)
    streams = selectors.streams_of_day(whole, broadcasters)
    if now < whole.end:
        streams = selectors.peaks_add(streams, now=now)
    minutes = 0
    for part in slices(streams, STREAMS_PER_QUERY):
        readings, watched = selectors.readings_of_day(whole, part), selectors.watched_of_day(whole, part)
        # Nothing of this is read again but by `new_of_day`, on the primary: so the next part's reads stay off it.
        with own_writes_unread():
            claim.keep()
            visitors_note(day=whole, streams=part)
            watching = selectors.watching_make(watched, selectors.new_of_day(whole, part))
            rows = {
                stream: figures_make(
                    whole,
                    stream,
                    readings.get(stream.stream_id, Readings()),
                    watching.get(stream.stream_id, Watching()),
                    now=now,
                )
                for stream in part
            }
            claim.keep()
            _statistics_write(day, rows)
        minutes += sum(figures.watch_minutes for figures in rows.values())
    return Computed(day, len(streams), minutes)


def _statistics_write(day: datetime.date, rows: dict[StreamOfDay, Figures]) -> None:
    values = [
        {"day": day, "stream_id": stream.stream_id, "broadcaster_id": stream.broadcaster_id, **asdict(figures)}
        for stream, figures in rows.items()
    ]
    update = ["broadcaster_id", *Figures.__dataclass_fields__]
    bulk_upsert(DailyStatistics, values, update=update)


def visitors_note(*, day: Day, streams: Sequence[StreamOfDay]) -> None:
    """Remember who joined these streams on the day, and when first. The database does it alone; no row comes here."""
    connection = connections[router.db_for_write(Visitor)]
    visitors, sessions, all_streams = (model._meta.db_table for model in (Visitor, UserSession, Stream))
    if connection.vendor == "mysql":
        conflict = (
            "ON DUPLICATE KEY UPDATE first_at = LEAST({0}.first_at, fresh.first_at),"
            " last_day = GREATEST({0}.last_day, fresh.last_day)"
        )
    else:
        # WHERE TRUE, so that ON cannot be taken for that of a join.
        conflict = (
            "WHERE TRUE ON CONFLICT (broadcaster_id, viewer_id) DO UPDATE SET"
            " first_at = MIN({0}.first_at, excluded.first_at), last_day = MAX({0}.last_day, excluded.last_day)"
        )
    marks = ", ".join(["%s"] * len(streams))
    moments = [connection.ops.adapt_datetimefield_value(moment) for moment in (day.start, day.end)]
    execute_repeatable(
        connection,
        f"INSERT INTO {visitors} (broadcaster_id, viewer_id, first_at, last_day)"  # noqa: S608  the models' names
        " SELECT broadcaster_id, viewer_id, first_at, last_day FROM ("
        " SELECT st.broadcaster_id, us.viewer_id, MIN(us.joined_at) AS first_at, %s AS last_day"
        f" FROM {sessions} us JOIN {all_streams} st ON st.id = us.stream_id"
        f" WHERE us.stream_id IN ({marks}) AND us.joined_at >= %s AND us.joined_at < %s"
        f" GROUP BY st.broadcaster_id, us.viewer_id) fresh {conflict.format(visitors)}",
        [day.date.isoformat(), *(stream.stream_id for stream in streams), *moments],
    )


def visitors_expire(*, today: datetime.date) -> int:
    """Forget visitors not seen for VISITORS_KEPT_DAYS, nor within the sessions that are kept; how many."""
    kept: int = settings.VISITORS_KEPT_DAYS
    if kept == 0 or settings.SESSIONS_KEPT_DAYS == 0:
        return 0
    before = today - max(kept, settings.SESSIONS_KEPT_DAYS + 1) * ONE_DAY
    connection = connections[router.db_for_write(Visitor)]
    table = Visitor._meta.db_table
    if connection.vendor == "mysql":
        statement = f"DELETE FROM {table} WHERE last_day < %s ORDER BY last_day LIMIT %s"  # noqa: S608
    else:
        statement = f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE last_day < %s LIMIT %s)"  # noqa: S608
    gone = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(statement, [before.isoformat(), VISITORS_PER_DELETE])
            gone += cursor.rowcount
            if cursor.rowcount < VISITORS_PER_DELETE:
                return gone


def statistics_keep(*, now: datetime.datetime, seconds: float = RUN_S) -> list[Computed] | None:
    """The job: today as far as it has come, and all days that changed after they were last computed, oldest first.

    A session that came late makes its broadcaster's days anew, something else everybody's; from that day on, because
    who came to a broadcaster on it is new on none of the later ones. After so long a run begins no further day but
    today: the rest is left to the next. None if somebody else is at it; RedisError if Redis is away.
    """
    try:
        with claimed() as claim:
            made = _keep(now, claim, time.monotonic() + seconds)
    except StatisticsBusy as error:
        logger.warning("statistics are left to the next run: %s", error)
        return None
    redis.ask_now([store.made_put(epoch_ms_of(now))])
    today = now.astimezone(SEOUL).date()
    if redis.ask_now([store.visitors_looked()])[0] != today.isoformat().encode():
        visitors_expire(today=today)
        redis.ask_now([store.visitors_look(today)])
    return made


def _keep(now: datetime.datetime, claim: Claim, end: float) -> list[Computed]:
    local = now.astimezone(SEOUL)
    today = local.date()
    margin_ms = int((settings.READER_LAG_TOLERATED_S + CHECK_EVERY_S + MARGIN_S) * 1000)
    before_ms = epoch_ms_of(now) - margin_ms
    due = _due(local)
    past = [*days_between(_first(due, today), today - ONE_DAY)]
    made: list[Computed] = []
    for number, day in enumerate(past):
        if made and time.monotonic() >= end:
            logger.warning("%d day(s) from %s on are left to the next run", len(past) - number, day)
            break
        made.append(_compute(day, due.broadcasters(day), now, claim))
        if day + ONE_DAY < today:
            _touch(due.until(day + ONE_DAY))
        _settle({*due.until(day), *(one for one in due.changed if one[0] <= day)}, before_ms)
    else:
        _settle({one for one in due.changed if one[0] < today}, before_ms)  # streams that are gone
    made.append(_compute(today, None, now, claim))
    # It is due again once it is over, even if no worker runs in the hour after midnight.
    redis.ask_now([store.days_touch([today], epoch_ms_of(Day(today).end))])
    return made


def _due(local: datetime.datetime) -> Due:
    changed = set(store.touched_read(redis.ask_now([store.days_touched()])[0]))
    if local.hour == 0:
        changed.add((local.date() - ONE_DAY, None))
    return Due(frozenset(changed), selectors.owners_of({one for _, one in changed if one is not None}))


def _first(due: Due, today: datetime.date) -> datetime.date:
    first = min(due.first or today, today)  # a clock that was ahead may have left a day to come
    oldest = selectors.oldest_day(today)
    if oldest is not None and first < oldest:
        logger.warning("sessions came of %s, whose statistics cannot be computed any more", first)
        return oldest
    return first


def _touch(left: Collection[Touched]) -> None:
    """The run may end before it comes to these. Since nothing changed, they are as old as can be."""
    for part in slices(list(left), TOUCHED_PER_CALL):
        redis.ask_now([store.touch(part, 0)])


def _settle(done: Collection[Touched], before_ms: int) -> None:
    for part in slices(list(done), TOUCHED_PER_CALL):
        redis.ask_now([store.days_settle(part, before_ms)])
