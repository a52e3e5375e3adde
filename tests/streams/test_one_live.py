"""One live stream a broadcaster: the race happens when the guard is off, and the guard stops it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from apps.streams import services
from apps.streams.models import Broadcaster, Category, Stream

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
RACERS = 4


@contextmanager
def guard_off() -> Iterator[None]:
    """The table without its unique constraint."""
    constraints = Stream._meta.constraints
    guard = next(one for one in constraints if one.name == "streams_one_live_each")
    # SQLite makes the table anew from what the model says, so the model must say it, too.
    Stream._meta.constraints = [one for one in constraints if one is not guard]
    with connection.schema_editor() as editor:
        editor.remove_constraint(Stream, guard)
    try:
        yield
    finally:
        Stream.objects.all().delete()
        Stream._meta.constraints = constraints
        with connection.schema_editor() as editor:
            editor.add_constraint(Stream, guard)


def checked_together(barrier: threading.Barrier) -> Callable[..., Any]:
    """A wrapper of a thread's queries that lets it go on from its first look at streams only when all have looked."""
    looked = False

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal looked
        result = execute(sql, params, many, context)
        if not looked and sql.startswith("SELECT") and "live_key" in sql:
            looked = True
            barrier.wait(timeout=20)
        return result

    return wrapper


def race(broadcaster: Broadcaster, category: Category) -> list[str]:
    """Start RACERS streams of one broadcaster at the same moment; what became of each, sorted."""
    barrier = threading.Barrier(RACERS)
    outcomes: list[str] = []

    def start(number: int) -> None:
        try:
            with connection.execute_wrapper(checked_together(barrier)):
                services.stream_start(broadcaster=broadcaster, category=category, title=f"Stream {number}")
            outcomes.append("started")
        except services.StreamAlreadyLive:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=start, args=(number,)) for number in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return sorted(outcomes)


@pytest.fixture
def broadcaster() -> Broadcaster:
    return services.broadcaster_ensure(name="Jun", slug="jun")


@pytest.fixture
def category() -> Category:
    return services.category_ensure(slug="games", name="Games")


def test_without_the_guard_the_race_happens(broadcaster: Broadcaster, category: Category):
    with guard_off():
        assert race(broadcaster, category) == ["started"] * RACERS
        assert Stream.objects.filter(status="live").count() == RACERS


def test_the_guard_lets_one_of_them_start(broadcaster: Broadcaster, category: Category):
    assert race(broadcaster, category) == ["refused"] * (RACERS - 1) + ["started"]
    assert Stream.objects.filter(status="live").count() == 1


def test_ends_that_race_close_the_stream_once(broadcaster: Broadcaster, category: Category):
    stream = services.stream_start(broadcaster=broadcaster, category=category, title="On")
    barrier = threading.Barrier(RACERS)
    outcomes: list[bool] = []

    def end() -> None:
        try:
            mine = Stream.objects.get(pk=stream.pk)
            barrier.wait(timeout=20)
            outcomes.append(services.stream_end(stream=mine))
        finally:
            connection.close()

    threads = [threading.Thread(target=end) for _ in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(outcomes) == [False] * (RACERS - 1) + [True]
    assert Stream.objects.get().status == "ended"
