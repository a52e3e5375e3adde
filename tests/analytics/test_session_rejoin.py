"""A tab that changed its connection and was then given up for a while has one row, from when it first came."""

import asyncio
from collections.abc import Callable

import pytest

from apps.analytics.session_services import sessions_drain
from apps.audience import edge as edges
from apps.audience import pulse as pulses
from apps.audience.services import past_register
from apps.realtime.redis import close_clients
from tests.analytics.house import stream_make
from tests.analytics.past import rows
from tests.audience.seats import Process
from tests.audience.stage import Stage, both

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

MINUTE = 60_000
HOUR = 60 * MINUTE

# Why Redis lets go of who was not heard of: silence, or a repair that counts anew.
GIVING_UP: dict[str, Callable[[Stage], int]] = {
    "sweep": lambda stage: stage.sweep()[1],
    "recount": lambda stage: stage.recount(stage.at)[1],
}


async def _watch(stage: Stage, give_up: Callable[[Stage], int]) -> None:
    """A tab is there from noon to four; a deploy at one; at three its server is cut off, given up, and back."""
    before, after = Process(), Process()
    before.join("u1", "tab", stream_id=stage.stream_id)
    await before.edge.flush()
    stage.at = HOUR
    seat = after.join("u1", "tab", stream_id=stage.stream_id)
    await after.edge.flush()
    stage.at = 3 * HOUR
    stream = after.edge.streams[stage.stream_id]
    await after.pulse.announce([stream])
    stage.at += 2 * MINUTE
    assert give_up(stage) == 1
    await after.pulse.announce([stream])
    stage.at = 4 * HOUR
    after.edge.leave(seat)
    await after.edge.flush()
    await close_clients()


@both
@pytest.mark.parametrize("how", GIVING_UP)
def test_a_session_that_was_given_up_after_a_deploy_is_one_row(
    redis_url: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(stream_make("ann").pk)
    for module in (edges, pulses):
        monkeypatch.setattr(module, "epoch_ms", lambda: stage.now_ms)
    asyncio.run(_watch(stage, GIVING_UP[how]))
    past_register()
    done = sessions_drain()
    assert done is not None
    assert done.written == 2
    assert rows() == [("tab", 0, 4 * HOUR, 4 * 3600, "u1", stage.stream_id, "left")]
