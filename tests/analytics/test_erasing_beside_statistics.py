"""A viewer is erased while statistics are made, which write down who visited whom."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction

from apps.analytics import store, viewer_services
from apps.analytics.claim import Claim, StatisticsBusy, claimed
from apps.analytics.daily_services import statistics_compute, statistics_keep
from apps.analytics.models import UserSession, Visitor
from apps.analytics.session_services import sessions_drain
from apps.analytics.viewer_services import Erased, viewer_erase
from apps.realtime import redis
from apps.streams.models import Stream
from tests.analytics.past import put_down, record
from tests.analytics.test_viewer_data import DAY, NOW, stream_of_march
from tests.services.waiting import eventually


@pytest.fixture
def visited(db: None) -> tuple[Stream, Stream]:
    """u5 watched mina, and later jun; statistics know it."""
    mina, jun = stream_of_march("mina"), stream_of_march("jun")
    put_down(mina.pk, record("s1", "u5"))
    put_down(jun.pk, record("s2", "u5"))
    assert sessions_drain() is not None
    statistics_compute(day=DAY, now=NOW)
    return mina, jun


def names() -> list[str]:
    """Viewers in both tables that are no marks."""
    found = [
        *UserSession.objects.values_list("viewer_id", flat=True),
        *Visitor.objects.values_list("viewer_id", flat=True),
    ]
    return [name for name in found if not name.startswith("x")]


@pytest.mark.database
@pytest.mark.django_db
def test_while_statistics_are_made_nobody_is_erased(visited: tuple[Stream, Stream], monkeypatch: Any) -> None:
    monkeypatch.setattr(viewer_services, "PATIENCE_S", 0.3)
    with claimed(), pytest.raises(CommandError, match="try again later"):
        call_command("viewer_data", "erase", "u5")
    assert names() == ["u5"] * 4
    assert viewer_erase("u5") == Erased(2, 2, 0, [])
    assert names() == []


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_while_somebody_is_erased_no_statistics_are_made(visited: tuple[Stream, Stream], monkeypatch: Any) -> None:
    runs: list[object] = []
    replace = viewer_services._replace

    def replacing(viewer_id: str) -> tuple[int, int]:
        runs.append(statistics_keep(now=NOW))
        return replace(viewer_id)

    monkeypatch.setattr(viewer_services, "_replace", replacing)
    assert viewer_erase("u5") == Erased(2, 2, 0, [])
    assert runs == [None]
    assert statistics_keep(now=NOW) is not None


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_who_took_too_long_to_erase_has_changed_nothing(visited: tuple[Stream, Stream], monkeypatch: Any) -> None:
    replace = viewer_services._replace

    def replacing(viewer_id: str) -> tuple[int, int]:
        redis.ask_now([("DEL", store.CLAIM)])
        return replace(viewer_id)

    monkeypatch.setattr(viewer_services, "_replace", replacing)
    with pytest.raises(StatisticsBusy, match="took so long"):
        viewer_erase("u5")
    assert names() == ["u5"] * 4


# --- the race itself, which needs two that write at once: MariaDB ---------------------------------------------------


def lock_waits() -> int:
    """Transactions of the server that wait for a row; it looks anew if nobody has asked for a tenth of a second."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'")
        return int(cursor.fetchone()[0])


@contextlib.contextmanager
def in_a_thread(work: Callable[[], object]) -> Iterator[threading.Thread]:
    """Joined at the end; its error is raised there."""
    errors: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    yield thread
    thread.join()
    if errors:
        raise errors[0]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_claimed", [True, False], ids=["one at a time", "both at once"])
def test_a_statement_that_read_the_name_before_it_was_erased_does_not_bring_it_back(
    visited: tuple[Stream, Stream], monkeypatch: Any, is_claimed: bool
) -> None:
    if not is_claimed:

        @contextlib.contextmanager
        def unclaimed(*, wait_s: float = 0.0) -> Iterator[Claim]:
            yield Claim("nobody")

        monkeypatch.setattr(Claim, "keep", lambda self: None)
        monkeypatch.setattr(viewer_services, "claimed", unclaimed)
        monkeypatch.setattr("apps.analytics.daily_services.claimed", unclaimed)
    _, jun = visited
    with contextlib.ExitStack() as threads, transaction.atomic():
        # Holds the erasing up half way: mina's rows are done and not committed.
        list(Visitor.objects.select_for_update().filter(broadcaster_id=jun.broadcaster_id))
        threads.enter_context(in_a_thread(lambda: viewer_erase("u5")))
        eventually(lambda: lock_waits() == 1, every=0.3)
        if is_claimed:
            assert statistics_keep(now=NOW) is None
        else:
            threads.enter_context(in_a_thread(lambda: statistics_compute(day=DAY, now=NOW)))
            eventually(lambda: lock_waits() == 2, every=0.3)
    statistics_compute(day=DAY, now=NOW)
    assert names() == ([] if is_claimed else ["u5", "u5"])  # mina and jun would know u5 again
