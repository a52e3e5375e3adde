"""The longest line of each minute, as those who read it saw it; on both kinds of Redis."""

from apps.waitingroom.rules import Mode
from tests.waitingroom.line_stage import Line, both

pytestmark = both


def test_a_line_that_comes_and_goes_within_a_minute_has_been_long(redis_url: str) -> None:
    line = Line().open(mode=Mode.QUEUE_ALL, per_minute=0)
    line.join(40)
    line.listen(range(40), until=10_000)
    line.leave(*range(30))
    line.listen(range(30, 40), until=20_000)
    line.leave(*range(30, 40))
    line.listen([], until=59_000)
    assert (line.minute().waiting, line.minute().peak) == (0, 40)
    line.listen([], until=119_000)
    assert line.minute(1).peak is None  # nobody was there, nor when it began


def test_who_was_silent_stood_in_line_until_then(redis_url: str) -> None:
    line = Line().open(mode=Mode.QUEUE_ALL, per_minute=0, idle_s=30, poll_ms=1_000)
    line.join(9)
    line.listen([2], until=58_000)
    line.at = 60_000
    assert (line.minute().waiting, line.minute().peak) == (1, 9)


def test_of_a_line_that_nobody_looked_at_nothing_is_said(redis_url: str) -> None:
    line = Line().open(mode=Mode.OPEN, per_minute=60)
    line.join(5)  # they enter at once
    assert (line.minute().joins, line.minute().peak) == (5, None)
