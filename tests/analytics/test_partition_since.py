"""How far back `manage.py partitions --since` may reach, and what it says of tables that keep nothing for so long."""

import datetime
import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.analytics.partitions import Period
from apps.audience.sessions import SEOUL

DAY = datetime.timedelta(days=1)

pytestmark = pytest.mark.django_db(transaction=True)


def plan(since: str) -> dict[str, list[str]]:
    """What `plan` says of each table; it changes nothing."""
    assert connection.vendor == "mysql", "these tests are about MariaDB; run them with --database=mariadb"
    out = io.StringIO()
    call_command("partitions", "plan", "--since", since, stdout=out)
    tables: dict[str, list[str]] = {}
    table = ""
    for line in out.getvalue().splitlines():
        if line.startswith(("-- viewer_history", "-- user_sessions", "-- daily_statistics")):
            table = line.split()[1]
            tables[table] = []
        else:
            tables[table].append(line)
    return tables


def test_a_table_that_keeps_nothing_for_so_long_says_from_when_on_it_does() -> None:
    today = datetime.datetime.now(SEOUL)
    found = plan("2015-01-01")
    for table, keep_from in (("viewer_history", Period.MONTH.start(today, -24)), ("user_sessions", today - 30 * DAY)):
        assert found[table][0] == (
            f"-- kept from {keep_from:%Y-%m-%d} on (retention): nothing from 2015-01-01 up to then has a place here,"
            " and an import of it would be dropped with the next run"
        )
    assert not any(line.startswith("-- kept from") for line in found["daily_statistics"])
    assert any("p2015" in line for line in found["daily_statistics"])
    recent = plan(f"{today - 5 * DAY:%Y-%m-%d}")
    assert not any(line.startswith("-- kept from") for lines in recent.values() for line in lines)


@pytest.mark.parametrize("since", ["1890-01-01", "1999-12-31", "2100-01-01"])
def test_years_that_can_have_no_record_are_refused(since: str) -> None:
    with pytest.raises(CommandError, match="a day from 2000-01-01 to today"):
        call_command("partitions", "plan", "--since", since)


@pytest.mark.parametrize("since", ["yesterday", "20240101", "2024-W01-1", "2024-02-30"])
def test_a_day_is_written_in_one_way(since: str) -> None:
    with pytest.raises(CommandError, match="a day as YYYY-MM-DD"):
        call_command("partitions", "plan", "--since", since)
