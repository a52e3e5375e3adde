"""A broadcaster with a past: streams, snapshots and days, written as they are, for tests of pages, API and exports."""

import datetime
from dataclasses import dataclass

from apps.accounts.models import User
from apps.accounts.services import operator_ensure, user_register
from apps.analytics.models import DailyStatistics, ViewerHistory
from apps.audience.sessions import SEOUL
from apps.streams.models import Broadcaster, Stream, StreamStatus
from apps.streams.services import broadcaster_ensure, category_ensure

PASSWORD = "a walk at night 7"
FIVE_MINUTES = datetime.timedelta(minutes=5)


def seoul(day: int, hour: int = 0, minute: int = 0) -> datetime.datetime:
    """A moment of March 2026 in Seoul. The first of March was a Sunday."""
    return datetime.datetime(2026, 3, day, hour, minute, tzinfo=SEOUL)


def stream_write(
    broadcaster: Broadcaster,
    title: str,
    *,
    started_at: datetime.datetime,
    viewers: list[int],
    ended: bool = True,
    days: dict[datetime.date, tuple[int, int, int]] | None = None,
) -> Stream:
    """A stream with a snapshot every five minutes from its start, and statistics of days.

    `days` has (unique, new, minutes watched) of each day; peak, average and minutes live are those of its snapshots.
    """
    marks = [(started_at + number * FIVE_MINUTES, count) for number, count in enumerate(viewers)]
    stream = Stream.objects.create(
        broadcaster=broadcaster,
        category=category_ensure(slug="talk", name="Talk", name_ko="토크"),
        title=title,
        started_at=started_at,
        status=StreamStatus.ENDED if ended else StreamStatus.LIVE,
        ended_at=started_at + len(viewers) * FIVE_MINUTES if ended else None,
        peak_viewers=max(viewers, default=0) if ended else 0,
    )
    ViewerHistory.objects.bulk_create(
        [
            ViewerHistory(
                stream_id=stream.pk,
                captured_at=at,
                current=count,
                peak=max(viewers[: number + 1]),
                total=sum(viewers[: number + 1]),
                unique_today=count,
            )
            for number, (at, count) in enumerate(marks)
        ]
    )
    for day, (unique, new, minutes) in (days or {}).items():
        of_day = [count for at, count in marks if at.astimezone(SEOUL).date() == day]
        DailyStatistics.objects.create(
            day=day,
            stream_id=stream.pk,
            broadcaster_id=broadcaster.pk,
            peak_viewers=max(of_day),
            average_viewers=sum(of_day) / len(of_day),
            unique_viewers=unique,
            new_viewers=new,
            returning_viewers=unique - new,
            watch_minutes=minutes,
            live_minutes=5 * len(of_day),
        )
    return stream


@dataclass(frozen=True)
class Owned:
    """Mina broadcasts, Jun does too, Olga is staff."""

    mina: User
    jun: User
    olga: User
    channel: Broadcaster
    first: Stream
    second: Stream


def owned_make() -> Owned:
    """Mina's record: an hour on Sunday the first of March, two hours over midnight on the next two days."""
    mina, jun = (user_register(username=name, password=PASSWORD, display_name=name.title()) for name in ("mina", "jun"))
    olga = operator_ensure(username="olga", password=PASSWORD)
    channel = broadcaster_ensure(user=mina, slug="mina")
    broadcaster_ensure(user=jun, slug="jun")
    first = stream_write(
        channel,
        "Morning",
        started_at=seoul(1, 9),
        viewers=[10] * 6 + [20] * 6,
        days={datetime.date(2026, 3, 1): (30, 30, 900)},
    )
    second = stream_write(
        channel,
        '=SUM(A1), "night"',
        started_at=seoul(2, 23),
        viewers=[40] * 12 + [80] * 12,
        days={datetime.date(2026, 3, 2): (60, 45, 2400), datetime.date(2026, 3, 3): (90, 40, 4800)},
    )
    return Owned(mina, jun, olga, channel, first, second)
