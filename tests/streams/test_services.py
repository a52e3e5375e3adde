"""Writes: what they store, what they announce, and what they refuse without changing anything."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.streams import services, signals
from apps.streams.models import Broadcaster, Category, Stream, StreamStatus
from tests.streams.house import PlainAudience

pytestmark = [pytest.mark.django_db, pytest.mark.database]
NewStream = Callable[..., Stream]


@pytest.fixture
def heard() -> Iterator[list[tuple[str, int, dict[str, Any]]]]:
    """What streams announces: (signal, stream, whatever else it carries)."""
    said: list[tuple[str, int, dict[str, Any]]] = []

    def listener(name: str) -> Callable[..., None]:
        def hear(*, signal: Any, sender: Any, stream: Stream, **extra: Any) -> None:
            said.append((name, stream.pk, extra))

        return hear

    listeners = {name: listener(name) for name in ("stream_started", "stream_changed", "stream_ended")}
    for name, hear in listeners.items():
        getattr(signals, name).connect(hear)
    yield said
    for name, hear in listeners.items():
        getattr(signals, name).disconnect(hear)


def test_a_category_is_made_once_and_brought_up_to_date():
    first = services.category_ensure(slug="talk", name="Talk", position=3)
    again = services.category_ensure(slug="talk", name="Talking", name_ko="토크", position=4)
    assert again.pk == first.pk
    assert list(Category.objects.values_list("slug", "name", "name_ko", "position")) == [("talk", "Talking", "토크", 4)]


def test_a_user_has_one_broadcaster_named_after_them(mina: User):
    first = services.broadcaster_ensure(user=mina)
    again = services.broadcaster_ensure(user=mina, name="Something else")
    assert (first.name, first.slug, first.user_id) == ("Mina", "mina", mina.pk)
    assert again.pk == first.pk
    assert Broadcaster.objects.get().name == "Mina"


def test_a_taken_slug_gets_a_number(mina: User):
    services.broadcaster_ensure(name="Mina", slug="mina")
    services.broadcaster_ensure(name="Mina", slug="mina-2")
    assert services.broadcaster_ensure(user=mina).slug == "mina-3"


def test_a_broadcaster_by_slug_is_made_once():
    first = services.broadcaster_ensure(name="밤의 라디오", slug="night-radio")
    assert services.broadcaster_ensure(name="밤의 라디오", slug="night-radio").pk == first.pk
    assert services.broadcaster_ensure(name="밤의 라디오").slug == "밤의-라디오"


def test_a_broadcaster_without_user_and_name_is_refused():
    with pytest.raises(ValidationError) as refusal:
        services.broadcaster_ensure(slug="nobody")
    assert refusal.value.message_dict == {"name": ["A broadcaster without a user needs a name."]}
    assert Broadcaster.objects.count() == 0


def test_a_start_stores_what_was_told_and_is_announced(
    games: Category, heard: list[Any], django_capture_on_commit_callbacks: Any
):
    broadcaster = services.broadcaster_ensure(name="Jun", slug="jun")
    with django_capture_on_commit_callbacks(execute=True):
        stream = services.stream_start(
            broadcaster=broadcaster, category=games, title="  Speedrun ", poster_url="https://p.example/1.jpg"
        )
        assert heard == []  # not before the commit
    stored = Stream.objects.get()
    assert (stored.title, stored.status, stored.poster_url, stored.playback_url, stored.live_key) == (
        "Speedrun",
        "live",
        "https://p.example/1.jpg",
        "",
        broadcaster.pk,
    )
    assert (stored.ended_at, stored.peak_viewers, stored.total_viewers) == (None, 0, 0)
    assert heard == [("stream_started", stream.pk, {})]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": "   "}, "title"),
        ({"title": "x" * 121}, "title"),
        ({"poster_url": "javascript:alert(1)"}, "poster_url"),
        ({"poster_url": "data:image/png;base64,AAAA"}, "poster_url"),
        ({"playback_url": "ftp://files.example/a.mp4"}, "playback_url"),
        ({"playback_url": "https://x.example/" + "a" * 500}, "playback_url"),
    ],
)
def test_a_start_with_bad_input_changes_nothing(games: Category, changes: dict[str, str], field: str, heard: list[Any]):
    broadcaster = services.broadcaster_ensure(name="Jun", slug="jun")
    told: dict[str, Any] = {"title": "Fine", **changes}
    with pytest.raises(ValidationError) as refusal:
        services.stream_start(broadcaster=broadcaster, category=games, **told)
    assert list(refusal.value.message_dict) == [field]
    assert Stream.objects.count() == 0
    assert heard == []


def test_a_second_start_is_refused_and_names_the_first(new_stream: NewStream, games: Category):
    first = new_stream("First")
    with pytest.raises(services.StreamAlreadyLive) as refusal:
        services.stream_start(broadcaster=first.broadcaster, category=games, title="Second")
    assert refusal.value.stream == first
    assert list(Stream.objects.values_list("title", flat=True)) == ["First"]


def test_after_the_end_the_same_broadcaster_may_start_again(new_stream: NewStream, games: Category):
    first = new_stream("First")
    services.stream_end(stream=first)
    second = services.stream_start(broadcaster=first.broadcaster, category=games, title="Second")
    assert list(Stream.objects.order_by("pk").values_list("pk", "status", "live_key")) == [
        (first.pk, "ended", None),
        (second.pk, "live", first.broadcaster_id),
    ]


def test_an_update_changes_the_live_row_and_says_where_it_was(
    new_stream: NewStream, games: Category, music: Category, heard: list[Any], django_capture_on_commit_callbacks: Any
):
    stream = new_stream("Before")
    with django_capture_on_commit_callbacks(execute=True):
        services.stream_update(stream=stream, title="After", category=music, playback_url="http://v.example/a.m3u8")
    stored = Stream.objects.get()
    assert (stored.title, stored.category, stored.playback_url) == ("After", music, "http://v.example/a.m3u8")
    assert heard == [("stream_changed", stream.pk, {"previous_category_id": games.pk})]


def test_an_ended_stream_cannot_be_updated(new_stream: NewStream, music: Category, heard: list[Any]):
    stream = new_stream("Before")
    stale = Stream.objects.get()
    services.stream_end(stream=stream)
    with pytest.raises(services.StreamIsOver):
        services.stream_update(stream=stale, title="After", category=music)
    stored = Stream.objects.get()
    assert (stored.title, stored.category_id) == ("Before", stream.category_id)
    assert heard == []


def test_an_end_stores_the_final_figures_and_repeating_changes_nothing(
    new_stream: NewStream, house: PlainAudience, heard: list[Any], django_capture_on_commit_callbacks: Any
):
    stream = new_stream()
    house.seat(stream, 7, peak=11, total=40)
    with django_capture_on_commit_callbacks(execute=True):
        assert services.stream_end(stream=stream) is True
    ended_at = Stream.objects.get().ended_at
    house.seat(stream, 0, peak=99, total=99)
    with django_capture_on_commit_callbacks(execute=True):
        assert services.stream_end(stream=stream) is False
    stored = Stream.objects.get()
    assert (stored.status, stored.peak_viewers, stored.total_viewers) == ("ended", 11, 40)
    assert stored.ended_at == ended_at
    assert heard == [("stream_ended", stream.pk, {})]


def test_a_stream_can_end_while_the_audience_is_away_and_its_figures_come_later(
    new_stream: NewStream, house: PlainAudience
):
    stream = new_stream()
    house.away = True
    assert services.stream_end(stream=stream) is True
    stored = Stream.objects.get()
    assert (stored.status, stored.peak_viewers, stored.total_viewers) == ("ended", 0, 0)
    assert services.stream_figures_raise(stream_id=stream.pk, peak=5, total=9) is True
    assert services.stream_figures_raise(stream_id=stream.pk, peak=4, total=12) is True
    stored.refresh_from_db()
    assert (stored.peak_viewers, stored.total_viewers) == (5, 12)


def test_a_live_stream_takes_no_final_figures(new_stream: NewStream):
    stream = new_stream()
    assert services.stream_figures_raise(stream_id=stream.pk, peak=5, total=9) is False
    stored = Stream.objects.get()
    assert (stored.peak_viewers, stored.total_viewers) == (0, 0)


def test_a_listener_that_fails_does_not_undo_a_start(
    games: Category, django_capture_on_commit_callbacks: Any, caplog: pytest.LogCaptureFixture
):
    def fail(**told: Any) -> None:
        raise RuntimeError("Redis went away under a listener")

    signals.stream_started.connect(fail)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            services.stream_start(
                broadcaster=services.broadcaster_ensure(name="Jun", slug="jun"), category=games, title="On"
            )
    finally:
        signals.stream_started.disconnect(fail)
    assert Stream.objects.get().title == "On"
    assert "Redis went away under a listener" in caplog.text


@pytest.mark.parametrize(
    "row",
    [{"status": StreamStatus.ENDED, "ended_at": None}, {"status": StreamStatus.LIVE, "ended_at": timezone.now()}],
)
def test_the_database_holds_status_and_end_together(new_stream: NewStream, row: dict[str, Any]):
    stream = new_stream()
    with pytest.raises(IntegrityError), transaction.atomic():
        Stream.objects.filter(pk=stream.pk).update(**row)
    assert Stream.objects.get().status == "live"
