"""``manage.py daily_statistics``: make statistics of days now."""

import argparse
import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.analytics.claim import StatisticsBusy
from apps.analytics.daily_services import Computed, DayNotKept, statistics_compute, statistics_keep


def _day(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day, such as 2026-03-01") from error


class Command(BaseCommand):
    """The same as the job, now; or certain days."""

    help = "Make the statistics of days of Seoul from history and sessions. Repeating gives the same."

    def add_arguments(self, parser: CommandParser) -> None:
        """The days."""
        parser.add_argument(
            "days",
            nargs="*",
            type=_day,
            metavar="DAY",
            help="such as 2026-03-01; without any: today, and what came late, as the job does",
        )

    def handle(self, *, days: list[datetime.date], **options: Any) -> None:
        """A line a day."""
        now = timezone.now()
        if not days:
            made = statistics_keep(now=now)
            if made is None:
                raise CommandError("Statistics are being made already, or a viewer erased; try again later.")
            for computed in made:
                self._say(computed)
        # Oldest first: who came to a broadcaster on one of them is new on none of the later ones.
        for day in sorted(set(days)):
            try:
                self._say(statistics_compute(day=day, now=now))
            except (DayNotKept, StatisticsBusy) as error:
                raise CommandError(str(error)) from error

    def _say(self, computed: Computed) -> None:
        self.stdout.write(f"{computed.day}: {computed.streams} stream(s), {computed.watch_minutes} minute(s) watched")
