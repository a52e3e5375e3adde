"""What is pushed to the managers' pages when a push fails, and while gates lag behind a change."""

from typing import Any

import pytest

from apps.realtime.clock import epoch_ms
from apps.waitingroom import services
from apps.waitingroom.manage import feed as feed_module
from apps.waitingroom.manage import frames
from apps.waitingroom.manage.feed import Feed
from apps.waitingroom.manage.wall import row_of
from apps.waitingroom.models import Zone
from tests.services.waiting import eventually_async
from tests.waitingroom.managing import frame, frame_where, in_thread, line_tell, watching
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def feed(by_hand: Feed) -> Feed:
    """Ticks when it is told to."""
    return by_hand


async def seated(feed: Feed, count: int = 1) -> bool:
    return len(feed.seats()) == count


async def ticked(feed: Feed, times: int = 2) -> None:
    for _ in range(times):
        await feed.tick()
        await feed.reading.settle()


async def test_what_a_push_that_failed_left_unsaid_is_said_by_the_next(
    feed: Feed, hers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = await in_thread(Zone.objects.get, pk="concert")
    line_tell(zone, now_ms=epoch_ms(), waiting=3)
    async with watching("wall/", hers) as one:
        await eventually_async(lambda: seated(feed))
        await ticked(feed)
        assert (await frame(one))["rows"][0]["waiting"] == 3

        def failing(*_parts: Any, **_options: Any) -> str:
            raise KeyError("concert")

        line_tell(zone, now_ms=epoch_ms(), waiting=4)
        with monkeypatch.context() as broken:
            broken.setattr(frames, "wall", failing)
            with pytest.raises(KeyError):
                await feed.tick()
        await feed.reading.settle()
        await ticked(feed)
        told = await frame_where(one, lambda told: told["rows"])
        assert (told["whole"], told["rows"][0]["waiting"]) == (True, 4)


async def test_a_zone_that_comes_while_rows_are_made_is_shown_by_the_next_push(
    feed: Feed, hers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watching("zones/concert/", hers) as one:
        await eventually_async(lambda: seated(feed))
        await ticked(feed)
        await frame(one)
        facts = feed.reading.facts
        assert facts is not None
        other = await in_thread(zone_make, zone_id="other")
        line_tell(other, now_ms=epoch_ms())
        feed.reading.facts = {}
        await feed.push()  # the concert is not there yet, as far as this process knows

        def later(*told: Any, **options: Any) -> Any:
            feed.reading.facts = facts  # read while rows are made
            return row_of(*told, **options)

        feed.reading.facts = {"other": next(iter(facts.values()))}
        monkeypatch.setattr(feed_module, "row_of", later)
        await feed.push()
        assert feed.reading.facts is facts
        await feed.push()
        assert (await frame(one))["zone_id"] == "concert"


async def test_gates_that_go_by_older_rules_are_told_of(feed: Feed, hers: str) -> None:
    """What was saved while Redis was away, and no gate has heard of since it is back."""
    zone = await in_thread(Zone.objects.get, pk="concert")
    changed = await in_thread(
        services.zone_update, actor=None, zone_id="concert", expected_version=zone.version, mode="blocked"
    )
    async with watching("zones/concert/", hers) as one:
        await eventually_async(lambda: seated(feed))
        line_tell(zone, now_ms=epoch_ms() + 3_000, waiting=3)
        await ticked(feed)
        told = await frame_where(one, lambda told: told["waiting"] == 3)
        assert (told["mode"], told["health"]) == ("blocked", "behind")
        line_tell(changed, now_ms=epoch_ms() + 3_000, waiting=3)
        await ticked(feed)
        assert (await frame_where(one, lambda told: told["health"] != "behind"))["health"] == "ok"
