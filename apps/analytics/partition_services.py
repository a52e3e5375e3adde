"""Keep the tables of the past in partitions, and forget what is older than the retention. Repeating changes nothing."""

import datetime
import logging
from dataclasses import dataclass

from django.db import DatabaseError, connection

from . import partition_sql as sql
from .metrics import PARTITION_UNPLACED, PARTITIONS_READY_UNTIL
from .partitions import Layout, Partition, PlanError, Step, plan_make

logger = logging.getLogger(__name__)


class PartitionsFailed(Exception):
    """At least one table could not be put right; the others were. Says which, and why."""


@dataclass(frozen=True, slots=True)
class TableState:
    """One table: its partitions (None: not partitioned), rows without one of their own, and what is to be done."""

    layout: Layout
    partitions: list[Partition] | None
    unplaced: int
    steps: list[Step]

    def statements(self) -> list[str]:
        """The SQL of the steps."""
        return [sql.statement(connection, self.layout, step) for step in self.steps]


def partitions_possible() -> bool:
    """Whether the database knows partitions."""
    return sql.has_partitions(connection)


def table_state(layout: Layout, *, now: datetime.datetime, since: datetime.datetime | None = None) -> TableState:
    """How a table stands. PartitionsForeign, PlanError."""
    existing = sql.partitions_read(connection, layout)
    if existing is None and (first := sql.oldest(connection, layout)) is not None:
        since = first if since is None else min(since, first)
    unplaced = sql.rows_unplaced(connection, layout, existing)
    return TableState(layout, existing, unplaced, plan_make(layout, existing, now=now, since=since))


def partitions_apply(
    *, now: datetime.datetime, since: datetime.datetime | None = None, wait_s: int = 0
) -> list[TableState]:
    """Make partitions ahead, empty the catch-alls, drop what is too old; each table as it was found, and what was done.

    `since`: periods from then on get partitions of their own, too. PartitionsBusy if somebody else is at it and does
    not end within `wait_s`; PartitionsFailed if a table could not be put right, after the others were.
    """
    done: list[TableState] = []
    failures: list[str] = []
    with sql.locked(connection, wait_s=wait_s):
        for layout in sql.layouts():
            try:
                done.append(_table_apply(layout, now=now, since=since))
            except (DatabaseError, sql.PartitionsForeign, sql.PartitionTooYoung, PlanError) as error:
                logger.exception("The partitions of %s could not be put right", layout.table)
                failures.append(f"{layout.table}: {error}")
    if failures:
        raise PartitionsFailed("; ".join(failures))
    return done


def _table_apply(layout: Layout, *, now: datetime.datetime, since: datetime.datetime | None) -> TableState:
    state = table_state(layout, now=now, since=since)
    PARTITION_UNPLACED.labels(layout.table).set(state.unplaced)
    if state.unplaced:
        logger.error(
            "%d row(s) of %s came when there was no partition for them; they lie in the last one and are moved now"
            " unless they are of a time to come",
            state.unplaced,
            layout.table,
        )
    for step, text in zip(state.steps, state.statements(), strict=True):
        logger.info("%s", text)
        sql.step_execute(connection, layout, step)
    ends = [one.until for one in sql.partitions_read(connection, layout) or () if one.until is not None]
    PARTITIONS_READY_UNTIL.labels(layout.table).set(max(ends).timestamp())
    return state


def rows_expire(*, now: datetime.datetime) -> dict[str, int]:
    """A database without partitions: delete what is older than the retention; how many rows of each table went."""
    limits = [(layout, layout.keep_from(now)) for layout in sql.layouts()]
    return {
        layout.table: sql.rows_expire(connection, layout, before) for layout, before in limits if before is not None
    }


def past_keep(*, now: datetime.datetime) -> None:
    """The daily job: partitions ahead and retention, in the way of this database. Another one's job is left to it."""
    if not partitions_possible():
        rows_expire(now=now)
        return
    try:
        partitions_apply(now=now)
    except sql.PartitionsBusy:
        logger.info("Another job is at the partitions")
