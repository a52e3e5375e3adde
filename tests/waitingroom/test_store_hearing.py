"""Who is heard of, who is silent and goes, and what Redis keeps of a line; on both kinds of Redis."""

from typing import Any

import pytest

from apps.realtime.redis import sync_client
from apps.waitingroom import store
from apps.waitingroom.rules import Mode
from apps.waitingroom.store import GONE, WAIT, Evicted
from tests.waitingroom.line_stage import NOON, NOON_WINDOW, Line, both, run_one

pytestmark = both


@pytest.fixture
def line(redis_url: str) -> Line:
    """A line that everybody has to stand in, sixty a minute."""
    return Line().open(mode=Mode.QUEUE_ALL)


def test_who_is_silent_for_the_idle_limit_goes_and_the_rest_move_up(line: Line) -> None:
    line.change(per_minute=0)
    line.join(1_000)
    staying = range(3, 1_000, 7)
    assert line.listen(staying, until=59_000).waiting_count == 1_000
    line.at = 69_999  # the slot in which they came overlaps the last minute
    assert line.evict() == Evicted("ok", 0, 1_000)
    line.at = 70_000
    assert line.evict() == Evicted("ok", 1_000 - len(staying), len(staying))
    assert line.evict() == Evicted("ok", 0, len(staying))
    assert line.waiting() == list(staying)
    assert line.claim(0, 3) == [GONE, WAIT]
    assert line.minute(1).evicted == 1_000 - len(staying)


def test_pulses_take_out_the_silent_when_no_job_does(line: Line) -> None:
    line.change(idle_s=10, poll_ms=1_000, per_minute=0)
    line.join(9)
    assert line.listen([2], until=26_000).waiting_count == 1
    assert line.waiting() == [2]


def test_a_job_alone_takes_out_nobody(line: Line) -> None:
    """Gates are away: the silence of those who wait is not theirs."""
    line.change(per_minute=0)
    line.join(9)
    line.listen([], until=14_000)
    for at in range(30_000, 600_000, 30_000):
        line.at = at
        assert line.evict() == Evicted("ok", 0, 9)


def test_long_idle_limits_keep_few_bitmaps(line: Line) -> None:
    line.change(idle_s=3_600, per_minute=0)
    line.join(10)
    line.listen([1], until=3_590_000, every=10_000)
    assert line.evict().evicted == 0
    line.listen([1], until=3_900_000, every=10_000)
    assert line.waiting() == [1]
    assert len([name for name in line.names() if name.startswith("seen")]) <= 15


def test_another_idle_limit_begins_to_listen_anew(line: Line) -> None:
    line.change(per_minute=0, idle_s=120)
    line.join(10)
    line.listen([], until=100_000)
    line.change(idle_s=130)
    line.pulse()
    line.change(idle_s=60)
    line.listen([], until=155_000)
    assert line.pulse().waiting_count == 10
    line.listen([], until=170_000)
    assert line.waiting() == []


def test_the_bits_are_left_out_for_who_has_them(line: Line) -> None:
    line.join(3)
    first = line.pulse()
    assert first.bits == b"\xe0"
    assert line.pulse(known_rev=first.rev).bits is None
    for change in (lambda: line.join(1), lambda: line.leave(1), lambda: line.claim(0), lambda: line.clear()):
        change()
        pulse = line.pulse(known_rev=first.rev)
        assert pulse.rev > first.rev
        assert pulse.bits is not None
        assert line.pulse(known_rev=pulse.rev).bits is None
        first = pulse


def test_memory_follows_the_living_and_not_history(line: Line) -> None:
    line.change(per_minute=10_000_000, pass_s=86_400)
    for _ in range(140):
        line.join(1_000)
    line.at = 6_000
    line.pulse()
    for start in range(0, 131_500, 500):
        line.claim(*range(start, start + 500))
    staying = range(131_500, 140_000)
    line.listen(staying, until=12_000)
    before = line.pulse(staying)
    # A step of the job: the first two blocks of 65,536 places are history.
    assert line.evict().waiting == 8_500
    after = line.pulse(staying, known_rev=before.rev)
    assert (before.base, after.base) == (131_072, 131_072)
    assert after.bits is None
    assert line.waiting() == list(staying)
    client: Any = sync_client()
    assert client.strlen(line.key("waiting")) == client.strlen(line.key("entered")) + 1062 == (140_000 - 131_072) / 8
    assert all(client.strlen(line.key(name)) <= 17_500 for name in line.names() if name.startswith(("seen", "came")))
    assert client.ttl(line.key(f"came:{NOON_WINDOW + 2}")) in range(10, 21)
    assert client.ttl(line.key(f"seen:{NOON // 1000 + 10}")) in range(60, 101)
    # Entries are remembered where the bitmaps are gone; tickets from there that did not enter are gone.
    assert line.claim(5, 131_499, 131_500) == [NOON + 6_000, NOON + 6_000, line.now_ms]
    line.listen(staying, until=80_000)
    assert line.join(1).first == 140_000
    assert 140_000 in line.waiting()


def test_a_place_far_beyond_the_line_costs_no_memory(line: Line) -> None:
    line.join(8)
    line.pulse([0, 10**9])
    client: Any = sync_client()
    assert sum(client.memory_usage(line.key(name)) for name in line.names()) < 200_000


def test_rules_are_written_once_and_by_the_newest(line: Line) -> None:
    assert line.change(per_minute=100) == 1
    newest = line.rules
    line.rules = line.rules.__class__(**{**_fields(line), "version": 1, "per_minute": 7})
    assert run_one(store.publish(line.rules)) == 0
    assert run_one(store.publish(newest)) == 1
    line.join(100)
    assert line.pulse().rules_version == 2
    assert line.pulse().front == 10


def _fields(line: Line) -> dict[str, Any]:
    return {name: getattr(line.rules, name) for name in line.rules.__dataclass_fields__}


def test_publishing_opens_a_line_only_if_it_is_new(redis_url: str) -> None:
    line = Line()
    assert run_one(store.publish(line.rules)) == 1
    assert (line.names(), line.pulse().status) == ({"rules"}, "lost")
    assert run_one(store.publish(line.rules, fresh=True)) == 1
    assert line.join(3).first == 0
    assert run_one(store.publish(line.rules, fresh=True)) == 1  # sent again
    assert line.join(3).first == 3


def test_a_raised_epoch_clears_the_line_and_keeps_the_minute(line: Line) -> None:
    line.change(mode=Mode.OPEN)
    line.join(50)
    line.at = 1_000
    line.join(30)
    line.pulse(range(80))
    assert line.clear() == 1
    assert line.waiting() == []
    assert {name.partition(":")[0] for name in line.names()} == {
        "",
        "rules",
        "log",
        "windows",
        "passes",
        "stats",
        "batch",
    }
    assert line.join(5).entered == 0  # sixty entered within the minute
    pulse = line.pulse()
    assert (pulse.epoch, pulse.base, pulse.next, pulse.waiting_count, pulse.minute_used) == (2, 0, 5, 5, 60)
    assert line.pulse(epoch=1).status == "epoch"
    # The same places entered before the clear: others stand there now.
    assert line.claim(*range(5)) == [WAIT] * 5
    line.leave(4)
    assert line.claim(4) == [GONE]
    line.at = 61_020
    line.pulse(range(4))
    assert line.claim(*range(4)) == [line.now_ms] * 4


def test_the_catalogue(redis_url: str) -> None:
    a, b = Line("a").rules, Line("b").rules
    for command in [*store.catalog_put(a), *store.catalog_put(b), *store.catalog_drop("a")]:
        run_one(command)
    assert store.catalog_read(run_one(store.catalog())) == {"b": b.to_json().encode()}
    assert run_one(("GET", store.VERSION)) == b"3"
