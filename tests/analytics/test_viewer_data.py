"""One viewer's data: all of it is given out, and none is left when it is erased, while the figures stay true."""

import datetime
import io
import json
from typing import Any

import pytest
from django.apps import apps as django_apps
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.test import Client

from apps.accounts.models import User
from apps.analytics.daily_services import statistics_compute
from apps.analytics.models import DailyStatistics, UserSession, Visitor
from apps.analytics.session_services import sessions_drain
from apps.analytics.viewer_services import Erased, viewer_erase
from apps.audience import past_store
from apps.audience.past_store import TAKEN_OVER_AFTER_MS
from apps.audience.sessions import SEOUL
from apps.realtime import redis
from apps.realtime.redis import sync_client
from apps.streams.models import Stream
from tests.analytics.house import stream_make, viewers_arrive, viewers_leave
from tests.analytics.past import put_down, record, waits
from tests.audience.stage import NOON

pytestmark = [pytest.mark.database, pytest.mark.django_db]

HOUR = 3_600_000
DAY = datetime.date(2026, 3, 1)
NOW = datetime.datetime(2026, 3, 2, 10, 0, tzinfo=SEOUL)


def stream_of_march(name: str) -> Stream:
    """A stream that was live on the first of March from 11:00 on."""
    stream = stream_make(name)
    started_at = datetime.datetime(2026, 3, 1, 11, 0, tzinfo=SEOUL)
    Stream.objects.filter(pk=stream.pk).update(started_at=started_at)
    return stream


@pytest.fixture
def mina(db: None) -> Stream:
    """u5 watched twice, u6 once, and u55 has nearly the same name."""
    stream = stream_of_march("mina")
    put_down(
        stream.pk,
        record("s1", "u5"),
        record("s2", "u5", joined=HOUR, left=2 * HOUR),
        record("s3", "u6"),
        record("s4", "u55"),
    )
    return stream


@pytest.fixture
def jun(db: None) -> Stream:
    """u5 watched here, too."""
    stream = stream_of_march("jun")
    put_down(stream.pk, record("s5", "u5", reason="ended"))
    return stream


def command(action: str, viewer: str) -> list[str]:
    out = io.StringIO()
    call_command("viewer_data", action, viewer, stdout=out)
    return out.getvalue().splitlines()


def export(viewer: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in command("export", viewer)]


def figures() -> list[tuple[int, ...]]:
    """(stream, unique, new, returning viewers, minutes watched) of the day, computed now."""
    statistics_compute(day=DAY, now=NOW)
    fields = ("stream_id", "unique_viewers", "new_viewers", "returning_viewers", "watch_minutes")
    return list(DailyStatistics.objects.order_by("stream_id").values_list(*fields))


def everywhere() -> str:
    """All rows of all tables, and all that Redis holds, as one text."""
    texts = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608  the database's own names
            texts += [str(row) for row in cursor.fetchall()]
    client: Any = sync_client()
    for key in client.scan_iter("*", count=1_000):
        texts += [key.decode(), repr(client.dump(key))]
        if client.type(key) == b"stream":
            texts.append(repr(client.xrange(key)))
        if client.type(key) == b"hash":
            texts.append(repr(client.hgetall(key)))
    return "\n".join(texts)


def test_an_export_says_all_of_one_viewer_and_nothing_of_another(mina: Stream, jun: Stream) -> None:
    put_down(jun.pk, "spoilt|u5", "spoilt|u6")
    at_first = export("u5")
    statistics_compute(day=DAY, now=NOW)
    viewers_arrive(jun, "u5")
    noon = datetime.datetime.fromtimestamp(NOON / 1000, datetime.UTC)
    sessions = [
        {
            "kind": "session",
            "session": name,
            "stream": stream.pk,
            "joined_at": (noon + datetime.timedelta(milliseconds=joined)).isoformat(),
            "left_at": (noon + datetime.timedelta(milliseconds=left)).isoformat(),
            "seconds": (left - joined) // 1000,
            "reason": reason,
        }
        for name, stream, joined, left, reason in (
            ("s1", mina, 0, 60_000, "left"),
            ("s5", jun, 0, 60_000, "ended"),
            ("s2", mina, HOUR, 2 * HOUR, "left"),
        )
    ]
    spoilt = {
        "kind": "rejected",
        "stream": str(jun.pk),
        "record": "spoilt|u5",
        "reason": "malformed: it is not session|left_ms|reason|joined_ms|viewer",
    }

    def in_order(things: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(things, key=lambda thing: (thing["kind"], thing.get("session", ""), thing.get("broadcaster", 0)))

    assert in_order(at_first) == in_order([*sessions, spoilt])
    visits = [
        {"kind": "visitor", "broadcaster": owner, "first_at": noon.isoformat(), "last_day": "2026-03-01"}
        for owner in (mina.broadcaster_id, jun.broadcaster_id)
    ]
    watching = {"kind": "watching", "stream": jun.pk, "tabs": 1}
    assert in_order(export("u5")) == in_order([*sessions, *visits, spoilt, watching])
    assert export("u99") == []


def test_an_erased_viewer_is_nowhere_and_the_figures_stay(mina: Stream, jun: Stream) -> None:
    put_down(jun.pk, "spoilt|u5")
    sessions_drain()
    assert figures() == [(mina.pk, 3, 3, 0, 63), (jun.pk, 1, 1, 0, 1)]
    put_down(mina.pk, record("s6", "u5", joined=3 * HOUR, left=4 * HOUR))  # still in Redis
    assert viewer_erase("u5") == Erased(sessions=4, broadcasters=2, rejected=1, watching=[])
    assert figures() == [(mina.pk, 3, 3, 0, 123), (jun.pk, 1, 1, 0, 1)]
    marks = dict(UserSession.objects.exclude(viewer_id__in=["u6", "u55"]).values_list("session_id", "viewer_id"))
    assert set(marks) == {"s1", "s2", "s5", "s6"}
    assert marks["s1"] == marks["s2"] == marks["s6"] != marks["s5"]  # nothing links one broadcaster's to another's
    assert {len(mark) for mark in marks.values()} == {33}
    assert "'u5'" not in everywhere()
    assert "|u5" not in everywhere()
    assert (export("u5"), len(export("u6")), len(export("u55"))) == ([], 2, 2)
    assert Visitor.objects.count() == 4
    assert viewer_erase("u5") == Erased(0, 0, 0, [])


def test_marks_are_made_anew_and_cannot_be_made_again(mina: Stream) -> None:
    viewer_erase("u5")
    first = UserSession.objects.get(session_id="s1").viewer_id
    UserSession.objects.filter(session_id="s1").update(viewer_id="u5")
    viewer_erase("u5")
    assert UserSession.objects.get(session_id="s1").viewer_id != first


def test_a_record_that_another_worker_still_has_brings_nobody_back(mina: Stream) -> None:
    taken = redis.run_now([past_store.take(stream_id=mina.pk, consumer="slow", count=500, taken_over_after_ms=None)])[0]
    assert len(past_store.taken_read(taken)) == 4
    assert viewer_erase("u5").sessions == 2
    # The slow one wakes up and writes what it has; and what was acknowledged comes once more, as after a failover.
    put_down(mina.pk, *[text for _, text in past_store.taken_read(taken)])
    assert sessions_drain(taken_over_after_ms=TAKEN_OVER_AFTER_MS) is not None
    assert not UserSession.objects.filter(viewer_id="u5").exists()
    assert UserSession.objects.count() == 4
    assert waits() == []


def test_who_is_watching_is_told_of_and_erased_when_he_left(mina: Stream) -> None:
    viewers_arrive(mina, "u5")
    with pytest.raises(CommandError, match=rf"u5 is watching stream {mina.pk} now"):
        command("erase", "u5")
    assert not UserSession.objects.filter(viewer_id="u5").exists()
    viewers_leave(mina, "u5")
    assert command("erase", "u5") == [
        "u5 is erased from 1 session(s), 0 broadcaster(s) and 0 record(s) that were set aside."
    ]
    assert not UserSession.objects.filter(viewer_id="u5").exists()


@pytest.mark.parametrize("name", ["", "5", "x5", "u", "u5 OR 1=1", "u" + "5" * 40])
def test_what_is_no_viewer_is_refused(name: str) -> None:
    for action in ("export", "erase"):
        with pytest.raises(CommandError, match="is no viewer"):
            command(action, name)


def test_no_table_has_a_column_for_addresses() -> None:
    addresses = [
        f"{model._meta.db_table}.{field.name}"
        for model in django_apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.GenericIPAddressField)
        or any(part in {"ip", "addr", "address", "host", "remote"} for part in field.name.split("_"))
    ]
    assert addresses == []


def test_an_address_that_visits_everything_is_stored_nowhere(mina: Stream) -> None:
    User.objects.create_user(username="kim", password="a fine day for it")
    redis_client: Any = sync_client()
    with redis_client.monitor() as monitor:
        for address in ("203.0.113.77", "2001:db8::77"):
            client = Client(REMOTE_ADDR=address, HTTP_X_FORWARDED_FOR=address)
            statuses = [
                client.get("/").status_code,
                client.get(mina.get_absolute_url()).status_code,
                client.get(f"/api/streams/{mina.pk}/viewers").status_code,
                client.post(f"/api/streams/{mina.pk}/token", {}, "application/json").status_code,
                client.get("/api/broadcasters/mina/days").status_code,
                client.post("/accounts/sign-in/", {"username": "kim", "password": "wrong"}).status_code,
                client.post("/accounts/sign-in/", {"username": "kim", "password": "a fine day for it"}).status_code,
            ]
            assert statuses == [200, 200, 200, 200, 404, 200, 302]
        viewers_arrive(mina, "u5")
        viewers_leave(mina, "u5")
        sessions_drain()
        redis_client.echo("that is all")
        # Also what lives for a second only: whoever reads along, or a copy on disk, would have it.
        said = "\n".join(iter(lambda: monitor.next_command()["command"], "ECHO that is all"))
    # They were counted, so that guessing and asking are limited.
    counted = ("throttle:sign-in:", "throttle_anon_", "throttle_statistics_")
    assert [name for name in counted if name not in said] == []
    found = everywhere() + said
    assert [address for address in ("203.0.113", "2001:db8") if address in found] == []
