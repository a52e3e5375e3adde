"""What stands in an exported file: CSV that no spreadsheet calculates, JSON that is whole."""

import datetime
import json

import pytest

from apps.analytics.export_formats import CsvFormat, JsonFormat, text_cell
from apps.analytics.export_selectors import DayRow, HistoryRow
from tests.analytics.owned import seoul

TITLE = '=SUM(A1), "night"'


@pytest.mark.parametrize(
    ("title", "cell"),
    [
        ("An evening", "An evening"),
        ("밤 산책", "밤 산책"),
        ("=1+1", "'=1+1"),
        ("+82", "'+82"),
        ("-1", "'-1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("  =1+1", "'  =1+1"),
        ("\t=1+1", "' =1+1"),
        ("\r\n=1+1", "'  =1+1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("two\nlines\u2028three", "two lines three"),
        ("1=1", "1=1"),
        ("", ""),
    ],
)
def test_no_title_becomes_a_formula(title: str, cell: str):
    assert text_cell(title) == cell


def row(title: str = TITLE) -> HistoryRow:
    return HistoryRow(seoul(2, 23), 7, title, 40, 45, 60, 50)


def test_csv_is_that_of_rfc_4180():
    form = CsvFormat("history", marked=False)
    assert form.head() + form.rows([row(), row("밤, 산책")]) + form.rows([row("a")]) + form.tail() == (
        "captured_at,stream_id,title,current,peak,total,unique_today\r\n"
        '2026-03-02T23:00:00+09:00,7,"\'=SUM(A1), ""night""",40,45,60,50\r\n'
        '2026-03-02T23:00:00+09:00,7,"밤, 산책",40,45,60,50\r\n'
        "2026-03-02T23:00:00+09:00,7,a,40,45,60,50\r\n"
    )


def test_csv_for_excel_is_marked_as_utf_8():
    assert CsvFormat("days", marked=True).head().encode()[:6] == b"\xef\xbb\xbfday"


def test_json_has_every_row_in_a_line_of_its_own():
    form = JsonFormat("days", {"kind": "days", "total": 2})
    day = DayRow(datetime.date(2026, 3, 2), 7, TITLE, 80, 60.5, 9, 4, 5, 100, 60)
    text = form.head() + form.rows([day]) + form.rows([day]) + form.tail()
    assert text.count("\n") == 2 + 2
    read = json.loads(text)
    assert (read["kind"], read["total"], len(read["rows"])) == ("days", 2, 2)
    assert read["rows"][0] == {
        "day": "2026-03-02",
        "stream_id": 7,
        "title": TITLE,
        "peak": 80,
        "average": 60.5,
        "unique": 9,
        "new": 4,
        "returning": 5,
        "watch_minutes": 100,
        "live_minutes": 60,
    }


def test_json_without_rows_is_whole_too():
    form = JsonFormat("history", {"total": 0})
    assert json.loads(form.head() + form.tail()) == {"total": 0, "rows": []}
