"""Rows of the past as CSV or JSON, in parts that follow one another. Pure: no I/O.

CSV is that of RFC 4180: lines end with CRLF, a field with a comma, a quote or a line end stands in quotes, the first
line names the columns. Each row is one line in both forms, so that whoever reads along may count them.
"""

import csv
import datetime
import io
import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from apps.audience.sessions import SEOUL

Kind = Literal["history", "days"]
Form = Literal["csv", "json"]

COLUMNS: Mapping[Kind, tuple[str, ...]] = {
    "history": ("captured_at", "stream_id", "title", "current", "peak", "total", "unique_today"),
    "days": (
        *("day", "stream_id", "title", "peak", "average", "unique", "new", "returning"),
        *("watch_minutes", "live_minutes"),
    ),
}
CONTENT_TYPES: Mapping[Form, str] = {"csv": "text/csv; charset=utf-8; header=present", "json": "application/json"}
# Spreadsheets calculate a cell that begins so, in Korean and Japanese ones also with the wide form of the sign.
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
BYTE_ORDER_MARK = "\ufeff"


def text_cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula, in one line.

    Control characters become spaces, and what then begins like a formula, also behind spaces, gets an apostrophe.
    """
    flat = "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in text)
    return f"'{flat}" if flat.lstrip().startswith(FORMULA) else flat


def _value(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.astimezone(SEOUL).isoformat(timespec="seconds")
    return value.isoformat() if isinstance(value, datetime.date) else value


def _values(row: Any, columns: Sequence[str]) -> list[Any]:
    return [_value(getattr(row, name)) for name in columns]


class Format(Protocol):
    """One form of file: `head`, then any number of `rows`, then `tail`, all together are the file."""

    def head(self) -> str:
        """What comes before the first row."""
        ...

    def rows(self, rows: Sequence[Any]) -> str:
        """These rows; each has the columns as attributes."""
        ...

    def tail(self) -> str:
        """What comes after the last row. A file without it is not whole."""
        ...


class CsvFormat:
    """A table for spreadsheets. `marked`: with a byte order mark, without which Excel does not see that it is UTF-8."""

    def __init__(self, kind: Kind, *, marked: bool) -> None:
        self._columns = COLUMNS[kind]
        self._mark = BYTE_ORDER_MARK if marked else ""

    def head(self) -> str:
        """The names of the columns."""
        return self._mark + ",".join(self._columns) + "\r\n"

    def rows(self, rows: Sequence[Any]) -> str:
        """A line a row."""
        out = io.StringIO(newline="")
        write = csv.writer(out, lineterminator="\r\n")
        for row in rows:
            values = _values(row, self._columns)
            write.writerow([text_cell(value) if isinstance(value, str) else value for value in values])
        return out.getvalue()

    def tail(self) -> str:
        """Nothing: a CSV file does not say where it ends."""
        return ""


class JsonFormat:
    """An object that says what it is about, with the rows as objects under `rows`."""

    def __init__(self, kind: Kind, about: Mapping[str, Any]) -> None:
        self._columns = COLUMNS[kind]
        self._about = about
        self._first = True

    def head(self) -> str:
        """What it is about, up to the first row."""
        return json.dumps(self._about, ensure_ascii=False)[:-1] + ', "rows": ['

    def rows(self, rows: Sequence[Any]) -> str:
        """A line a row."""
        lines = []
        for row in rows:
            fields = dict(zip(self._columns, _values(row, self._columns), strict=True))
            lines.append(("\n" if self._first else ",\n") + json.dumps(fields, ensure_ascii=False))
            self._first = False
        return "".join(lines)

    def tail(self) -> str:
        """The end of the object."""
        return "\n]}\n"
