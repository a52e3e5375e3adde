"""Thousands of rows in a few statements: multi-row INSERT with a rule for rows that are there already.

The ORM's `bulk_create(update_conflicts=True)` builds an expression tree a value; this builds one string a statement and
passes the values as parameters. Table and column names come from the model, never from a caller's string.

Rows are sorted by primary key before they are sent, so that two writers lock them in the same order, and a statement
that loses a deadlock all the same is sent again: every statement here may be repeated.
"""

import datetime
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from django.db import OperationalError, connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper

# Rows in one statement: long ones hold their locks long, short ones cost a round trip each.
ROWS_PER_STATEMENT = 1_000
# MariaDB and MySQL: deadlock found, lock wait timed out.
LOST_LOCK = (1213, 1205)
ATTEMPTS = 4

Row = Mapping[str, Any]


def bulk_upsert(
    model: type[models.Model],
    rows: Sequence[Row],
    *,
    update: Sequence[str],
    greatest: Sequence[str] = (),
    newest_by: str | None = None,
    chunk: int = ROWS_PER_STATEMENT,
) -> None:
    """Insert rows; where the primary key exists, change the columns `update` and `greatest` instead.

    `update` takes the new value. `greatest` takes the greater of old and new, so figures that only grow never fall
    back. `newest_by` names a column that tells how new a row is: an older row then leaves `update` columns alone, so
    that a late writer cannot undo a newer one. Rows are mappings from field names (attnames), all with the same keys.
    Not atomic as a whole: each statement of `chunk` rows commits by itself unless the caller holds a transaction.
    """
    if newest_by is not None and newest_by in (*update, *greatest):
        raise ValueError(f"{newest_by} is kept by newest_by and must not be named again")

    def rule(connection: BaseDatabaseWrapper) -> str:
        dialect = _Dialect(connection, connection.ops.quote_name(model._meta.db_table))
        column = {name: _column(_field(model, name), connection) for name in (*update, *greatest)}
        sets = []
        if newest_by is None:
            sets += [f"{column[name]} = {dialect.new(column[name])}" for name in update]
        else:
            age = _column(_field(model, newest_by), connection)
            is_newer = f"{dialect.new(age)} >= {dialect.old(age)}"
            sets += [
                f"{column[name]} = CASE WHEN {is_newer} THEN {dialect.new(column[name])}"
                f" ELSE {dialect.old(column[name])} END"
                for name in update
            ]
        for name in (*greatest, *([newest_by] if newest_by else [])):
            # newest_by comes last: MySQL assigns from left to right, and the comparisons above need its old value.
            target = _column(_field(model, name), connection)
            sets.append(f"{target} = {dialect.max}({dialect.old(target)}, {dialect.new(target)})")
        return dialect.on_conflict(_key_columns(model, connection), ", ".join(sets))

    _write(model, rows, rule, chunk)


def bulk_insert_ignore(model: type[models.Model], rows: Sequence[Row], *, chunk: int = ROWS_PER_STATEMENT) -> None:
    """Insert rows; where the primary key exists, change nothing.

    Not INSERT IGNORE, which also swallows what is wrong with a row: it clips values, and drops rows for which there is
    no partition. Assigning a key column to itself ignores duplicates and nothing else.
    """

    def rule(connection: BaseDatabaseWrapper) -> str:
        dialect = _Dialect(connection, connection.ops.quote_name(model._meta.db_table))
        keys = _key_columns(model, connection)
        return dialect.on_conflict(keys, f"{keys[0]} = {dialect.old(keys[0])}")

    _write(model, rows, rule, chunk)


class _Dialect:
    """What MariaDB, MySQL 8 and SQLite spell differently."""

    def __init__(self, connection: BaseDatabaseWrapper, table: str) -> None:
        self.table = table
        self.is_mysql = connection.vendor == "mysql"
        # MySQL names the new row; MariaDB knows only VALUES(), which MySQL deprecates.
        self.has_row_alias = self.is_mysql and not connection.mysql_is_mariadb  # type: ignore[attr-defined]
        self.max = "GREATEST" if self.is_mysql else "MAX"

    def old(self, column: str) -> str:
        return f"{self.table}.{column}"

    def new(self, column: str) -> str:
        if self.has_row_alias:
            return f"fresh.{column}"
        return f"VALUES({column})" if self.is_mysql else f"excluded.{column}"

    def on_conflict(self, keys: Sequence[str], sets: str) -> str:
        if not self.is_mysql:
            return f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {sets}"
        return f"{'AS fresh ' if self.has_row_alias else ''}ON DUPLICATE KEY UPDATE {sets}"


def _field(model: type[models.Model], name: str) -> models.Field:
    """The concrete field of this name; FieldDoesNotExist for anything else, so no other text reaches a statement."""
    field = model._meta.get_field(name)
    if not isinstance(field, models.Field) or not field.concrete:
        raise ValueError(f"{name} has no column")
    return field


def _column(field: models.Field, connection: BaseDatabaseWrapper) -> str:
    return connection.ops.quote_name(str(field.column))


def _key_fields(model: type[models.Model]) -> Sequence[models.Field]:
    """The primary key's field, or those of a composite key."""
    return model._meta.pk_fields


def _key_columns(model: type[models.Model], connection: BaseDatabaseWrapper) -> list[str]:
    return [_column(field, connection) for field in _key_fields(model)]


def _preparer(field: models.Field, connection: BaseDatabaseWrapper) -> Callable[[Any], Any]:
    """Function from a Python value to the driver's. A moment that many rows share is converted once."""
    if isinstance(field, models.IntegerField):
        return lambda value: value
    done: dict[Any, Any] = {}
    is_moment = isinstance(field, models.DateField)

    def prepare(value: Any) -> Any:
        if not is_moment or not isinstance(value, datetime.date):
            return field.get_db_prep_save(value, connection)
        if value not in done:
            done[value] = field.get_db_prep_save(value, connection)
        return done[value]

    return prepare


def _write(
    model: type[models.Model], rows: Sequence[Row], rule: Callable[[BaseDatabaseWrapper], str], chunk: int
) -> None:
    if not rows:
        return
    connection = connections[router.db_for_write(model)]
    connection.ensure_connection()
    names = list(rows[0])
    fields = [_field(model, name) for name in names]
    table = connection.ops.quote_name(model._meta.db_table)
    columns = ", ".join(_column(field, connection) for field in fields)
    start = f"INSERT INTO {table} ({columns}) VALUES "  # noqa: S608  names are the model's own, quoted
    end = " " + rule(connection)
    group = f"({', '.join(['%s'] * len(fields))})"
    per_statement = min(chunk, _most_rows(connection, len(fields)))
    values = _sorted_values(model, rows, names, fields, connection)
    for first in range(0, len(values), per_statement):
        part = values[first : first + per_statement]
        statement = f"{start}{', '.join([group] * len(part))}{end}"
        execute_repeatable(connection, statement, list(chain.from_iterable(part)))


def _sorted_values(
    model: type[models.Model],
    rows: Sequence[Row],
    names: Sequence[str],
    fields: Sequence[models.Field],
    connection: BaseDatabaseWrapper,
) -> list[tuple[Any, ...]]:
    key = [field.attname for field in _key_fields(model)]
    ordered = sorted(rows, key=lambda row: [row[name] for name in key])

    def column(name: str, field: models.Field) -> Iterator[Any]:
        prepare = _preparer(field, connection)
        return (prepare(row[name]) for row in ordered)

    return list(zip(*(column(name, field) for name, field in zip(names, fields, strict=True)), strict=True))


def _most_rows(connection: BaseDatabaseWrapper, columns: int) -> int:
    """SQLite limits the parameters of a statement; mysqlclient writes them into its text."""
    if connection.vendor != "sqlite":
        return ROWS_PER_STATEMENT * 10
    return connection.connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // columns


def execute_repeatable(connection: BaseDatabaseWrapper, statement: str, parameters: Sequence[Any]) -> None:
    """Execute a statement that may be repeated, again if it loses a deadlock; OperationalError after ATTEMPTS."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)
            return
        except OperationalError as error:
            # Inside a caller's transaction the deadlock undid more than this statement: only the caller can repeat it.
            if connection.in_atomic_block or attempt == ATTEMPTS or error.args[0] not in LOST_LOCK:
                raise
