"""``manage.py partitions``: how the tables of the past are partitioned, what is to be done, and to do it."""

import datetime
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.utils import timezone

from apps.analytics import partition_services as services
from apps.analytics import partition_sql as sql
from apps.analytics.partitions import Layout, Partition, PlanError
from apps.analytics.ranges import FIRST_DAY, RangeRefused, day_read
from apps.audience.sessions import SEOUL

# How long `apply` waits for the daily job to end.
WAIT_S = 30


def day(text: str) -> datetime.datetime:
    """YYYY-MM-DD, as that midnight in Seoul. Of years before the first day that statistics know, nothing is made."""
    try:
        found = day_read(text)
    except RangeRefused:
        raise ArgumentTypeError("a day as YYYY-MM-DD") from None
    if not FIRST_DAY <= found <= timezone.now().astimezone(SEOUL).date():
        raise ArgumentTypeError(f"a day from {FIRST_DAY} to today")
    return datetime.datetime.combine(found, datetime.time(), tzinfo=SEOUL)


class Command(BaseCommand):
    """Show the partitions, plan a change, apply it."""

    help = "Partitions of viewer_history, user_sessions and daily_statistics: show them, plan the next, apply the plan."

    def add_arguments(self, parser: CommandParser) -> None:
        """The verb, and how far back."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("show", help="list the partitions of each table")
        plan = verbs.add_parser("plan", help="print the SQL that `apply` would run")
        apply = verbs.add_parser("apply", help="make partitions ahead, and drop those older than the retention")
        apply.add_argument("--dry-run", action="store_true", help="the same as plan")
        for parser_of_verb in (plan, apply):
            parser_of_verb.add_argument(
                "--since",
                type=day,
                metavar="DAY",
                help="also give the time from this day (YYYY-MM-DD, Seoul) on partitions of its own: before an import",
            )

    def handle(
        self, *, verb: str, since: datetime.datetime | None = None, dry_run: bool = False, **options: Any
    ) -> None:
        """Do it. CommandError if a table is in the way or another job does not end."""
        now = timezone.now()
        if not services.partitions_possible():
            self.without_partitions(now, delete=verb == "apply" and not dry_run)
            return
        try:
            if verb == "show":
                self.show(now)
            elif verb == "plan" or dry_run:
                states = [services.table_state(layout, now=now, since=since) for layout in sql.layouts()]
                self.write_steps(states, now, since)
            else:
                self.write_steps(services.partitions_apply(now=now, since=since, wait_s=WAIT_S), now, since)
        except (services.PartitionsFailed, sql.PartitionsBusy, sql.PartitionsForeign, PlanError) as error:
            raise CommandError(str(error)) from error

    def without_partitions(self, now: datetime.datetime, *, delete: bool) -> None:
        """Say so; `apply` deletes old rows instead."""
        self.stdout.write(f"There is nothing to partition: {connection.display_name} has no partitions.")
        if delete:
            for table, rows in services.rows_expire(now=now).items():
                self.stdout.write(f"{table}: {rows} row(s) older than the retention deleted")

    def write_steps(
        self, states: list[services.TableState], now: datetime.datetime, since: datetime.datetime | None
    ) -> None:
        """The SQL of each table, what is out of place, and what is asked for but would be dropped at once."""
        for state in states:
            self.stdout.write(f"-- {state.layout.table}{'' if state.steps else ' is as it should be'}")
            keep_from = state.layout.keep_from(now)
            if since is not None and keep_from is not None and since < keep_from:
                self.stdout.write(
                    f"-- kept from {keep_from:%Y-%m-%d} on (retention): nothing from {since:%Y-%m-%d} up to then has a"
                    " place here, and an import of it would be dropped with the next run"
                )
            if state.unplaced:
                self.stdout.write(f"-- {state.unplaced} row(s) without a partition of their own")
            for text in state.statements():
                self.stdout.write(f"{text};")

    def show(self, now: datetime.datetime) -> None:
        """A table a paragraph, a partition a line; rows are the server's estimate."""
        for layout in sql.layouts():
            kept = f"{layout.kept} kept" if layout.kept else "kept for ever"
            self.stdout.write(f"{layout.table}: by {layout.period.name.lower()}, {layout.ahead} ahead, {kept}")
            partitions = sql.partitions_read(connection, layout)
            if partitions is None:
                self.stdout.write("  not partitioned; `apply` does it")
            for one in partitions or ():
                until = f"before {one.until.astimezone(SEOUL):%Y-%m-%d}" if one.until else "everything after"
                self.stdout.write(
                    f"  {one.name:<12}{until:<20}{one.rows:>14,} rows{one.size / 2**20:>12,.1f} MiB"
                    f"  {standing(layout, one, now)}"
                )


def standing(layout: Layout, partition: Partition, now: datetime.datetime) -> str:
    """Where a partition stands in time."""
    keep_from = layout.keep_from(now)
    if partition.until is None:
        return "catches the rest"
    if keep_from is not None and partition.until <= keep_from:
        return "to be dropped"
    if partition.until <= now:
        return "past"
    return "now" if partition.until <= layout.period.start(now, 1) else "ahead"
