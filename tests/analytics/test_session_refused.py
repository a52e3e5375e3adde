"""Records that cannot be rows, and a table that takes none: what is set aside, and what waits."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from apps.analytics.session_services import Drained
from apps.analytics.sessions import RecordRefused, session_row
from apps.audience.selectors import past_waiting
from apps.realtime.redis import sync_client
from tests.analytics.past import drain, metric, put_down, put_down_many, record, rejected, session_ids, waits

pytestmark = [pytest.mark.database, pytest.mark.django_db]

BAD = {
    b"": "malformed",
    b"s1|1772334000000|left|1772334000000": "malformed",
    b"s1|1772334000000|left|1772334000000|u5|more": "malformed",
    b"s1|1772334000000|left|soon|u5": "malformed",
    b"s1|1772334000000|bored|1772334000000|u5": "malformed",
    b"s1|1772334000000|left|1772334000000|\xff\xfe": "malformed",
    b"|1772334000000|left|1772334000000|u5": "names",
    b"s1|1772334000000|left|1772334000000|": "names",
    b"s" * 41 + b"|1772334000000|left|1772334000000|u5": "names",
    b"s1|1772334000000|left|-5|u5": "times",
    b"s1|1772334000000|left|1772334000|u5": "times",
    b"s1|17723340000000|left|1772334000000|u5": "times",
    b"s1|9772334000000|left|1772334000000|u5": "times",
}


@pytest.mark.parametrize(("text", "reason"), BAD.items(), ids=range(len(BAD)))
def test_what_is_no_record_is_refused_with_its_reason(text: bytes, reason: str) -> None:
    with pytest.raises(RecordRefused) as refused:
        session_row(7, text)
    assert refused.value.reason == reason


def test_poisoned_records_are_set_aside_with_their_reason_and_the_rest_goes_on() -> None:
    before = {reason: metric("sessions_rejected_total", reason=reason) for reason in ("malformed", "names", "times")}
    put_down(7, record("s1", "u1"), *BAD, record("s2", "u2"))
    client: Any = sync_client()
    client.xadd("live:past:{7}", {"other": "1", "fields": "2"})
    assert drain() == Drained(2, len(BAD) + 1, True)
    assert session_ids() == ["s1", "s2"]
    assert [(stream, reason.partition(":")[0]) for stream, _, reason in rejected()] == [
        *(("7", reason) for reason in BAD.values()),
        ("7", "malformed"),
    ]
    assert rejected()[-1] == ("7", "other|1|fields|2", "malformed: it is not session|left_ms|reason|joined_ms|viewer")
    after = {reason: metric("sessions_rejected_total", reason=reason) for reason in before}
    assert {reason: after[reason] - before[reason] for reason in before} == {"malformed": 7, "names": 3, "times": 4}
    assert waits() == []


@contextlib.contextmanager
def refusing(condition: str) -> Iterator[None]:
    """The table takes only rows for which the condition holds."""
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute(f"ALTER TABLE user_sessions ADD CONSTRAINT picky CHECK ({condition})")
        else:
            cursor.execute(
                "CREATE TRIGGER picky BEFORE INSERT ON user_sessions WHEN NOT"
                f" ({condition.replace('viewer_id', 'NEW.viewer_id')}) BEGIN SELECT RAISE(ABORT, 'picky'); END"
            )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            is_mysql = connection.vendor == "mysql"
            cursor.execute("ALTER TABLE user_sessions DROP CONSTRAINT picky" if is_mysql else "DROP TRIGGER picky")


@pytest.mark.django_db(transaction=True)
def test_a_row_that_the_database_refuses_is_found_and_set_aside() -> None:
    with refusing("viewer_id <> 'u13'"):
        put_down_many(200)
        assert drain() == Drained(199, 1, True)
    assert sorted(session_ids()) == sorted(f"s{n}" for n in range(200) if n != 13)
    ((stream, text, reason),) = rejected()
    assert (stream, text, "picky" in reason) == ("1", record("s13", "u13"), True)


@pytest.mark.django_db(transaction=True)
def test_when_most_are_refused_the_table_is_to_blame_and_all_wait() -> None:
    with refusing("viewer_id LIKE 'a%'"):
        put_down_many(60)
        assert drain() == Drained(0, 0, False)
        assert (rejected(), past_waiting().records) == ([], 60)
    assert drain(taken_over_after_ms=0) == Drained(60, 0, True)
    assert len(session_ids()) == 60


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [1, 2, 20])
def test_when_all_of_a_few_are_refused_and_any_other_would_be_the_table_is_to_blame(number: int) -> None:
    with refusing("viewer_id = 'nobody'"):
        put_down_many(number)
        assert drain() == Drained(0, 0, False)
        assert (rejected(), past_waiting().records) == ([], number)
    assert drain(taken_over_after_ms=0) == Drained(number, 0, True)
    assert len(session_ids()) == number


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [1, 2])
def test_when_all_of_a_few_are_refused_and_others_would_not_be_they_are_set_aside(number: int) -> None:
    with refusing("viewer_id NOT IN ('u0', 'u1')"):
        put_down_many(number)
        assert drain() == Drained(0, number, True)
    assert [text for _, text, _ in rejected()] == [record(f"s{n}", f"u{n}") for n in range(number)]
    assert (session_ids(), waits()) == ([], [])  # nor is there what was tried instead
