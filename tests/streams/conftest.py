"""Fixtures of streams: a plain audience behind the port, and short ways to make rows."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.services import user_register
from apps.streams import services
from apps.streams.models import Category, Stream
from apps.streams.ports import register_audience
from tests.streams.house import PlainAudience


@pytest.fixture
def house() -> Iterator[PlainAudience]:
    """The audience that streams asks in this test."""
    plain = PlainAudience()
    before = register_audience(plain)
    yield plain
    register_audience(before)


@pytest.fixture
def games(db: None) -> Category:
    return services.category_ensure(slug="games", name="Games", name_ko="게임", position=1)


@pytest.fixture
def music(db: None) -> Category:
    return services.category_ensure(slug="music", name="Music", name_ko="음악", position=2)


@pytest.fixture
def new_stream(games: Category, house: PlainAudience) -> Callable[..., Stream]:
    """Function that starts a stream of a broadcaster of its own, each a minute later than the one before."""
    first = timezone.now() - timedelta(hours=1)
    made: list[Stream] = []

    def start(title: str = "A stream", **changes: Any) -> Stream:
        number = len(made) + 1
        name = changes.pop("name", f"Broadcaster {number}")
        started_at: datetime = first + timedelta(minutes=number)
        broadcaster = services.broadcaster_ensure(name=name, slug=f"broadcaster-{number}")
        told = {"category": games, "title": title, "started_at": started_at, **changes}
        made.append(services.stream_start(broadcaster=broadcaster, **told))
        return made[-1]

    return start


@pytest.fixture
def mina(db: None) -> User:
    """Someone who broadcasts."""
    return user_register(username="mina", password="a long enough pass", display_name="Mina")


@pytest.fixture
def other(db: None) -> User:
    """Someone else."""
    return user_register(username="other", password="a long enough pass")
