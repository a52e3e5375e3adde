"""What happens between the signal and the shutdown."""

import asyncio
import logging

import pytest

from apps.realtime import lifecycle


@pytest.fixture(autouse=True)
def no_callbacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The callbacks that the apps registered are not this test's."""
    monkeypatch.setattr(lifecycle, "_callbacks", [])
    monkeypatch.setattr(lifecycle, "_draining", False)


def test_what_begins_with_the_server_is_called_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_starts", [])
    order: list[str] = []

    def first() -> str:
        order.append("first")
        return "whatever it returns"

    lifecycle.on_start(first)
    lifecycle.on_start(lambda: order.append("second"))
    lifecycle.on_start(first)  # twice is once
    assert order == []
    lifecycle.run_start()
    assert order == ["first", "second"]


async def test_callbacks_run_at_once_and_a_failing_one_holds_up_nobody(caplog: pytest.LogCaptureFixture) -> None:
    order: list[str] = []
    both = asyncio.Barrier(2)

    async def failing(deadline: float) -> None:
        await both.wait()
        order.append("failing")
        raise ValueError("no")

    async def working(deadline: float) -> None:
        await both.wait()
        await asyncio.sleep(0)
        order.append("working")

    lifecycle.on_drain(failing)
    lifecycle.on_drain(working)
    lifecycle.on_drain(working)  # twice is once
    await lifecycle.run_drain(seconds=5)
    assert sorted(order) == ["failing", "working"]
    assert [record.message for record in caplog.records] == ["A drain callback failed"]


async def test_a_callback_that_overruns_is_cancelled_at_the_deadline(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[float] = []

    async def endless(deadline: float) -> None:
        seen.append(deadline)
        await asyncio.Event().wait()

    lifecycle.on_drain(endless)
    loop = asyncio.get_running_loop()
    started = loop.time()
    with caplog.at_level(logging.WARNING):
        await lifecycle.run_drain(seconds=0.2)
    assert started + 0.2 <= seen[0] <= loop.time() < started + 5
    assert [record.message for record in caplog.records] == ["1 drain callback(s) did not finish within 0.2 s"]


def test_draining_is_said_from_the_beginning() -> None:
    assert lifecycle.is_draining() is False
    lifecycle.begin_drain()
    assert lifecycle.is_draining() is True
