"""Calling, hearing, taking out and trimming, call by call, on both kinds of Redis."""

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


def test_the_share_of_every_window_and_of_every_minute_is_used(line: Line) -> None:
    """Whoever is called claims: N enter a minute, whatever N is, and each window exactly its share."""
    line.change(per_minute=67)
    line.join(500)
    entered: list[int] = []
    while line.at < 240_000:
        front = line.pulse(range(500)).front
        entered += [result for result in line.claim(*range(front)) if result == line.now_ms]
        line.at += 1_000
    by_window = [sum(moment // 6_000 == NOON_WINDOW + w for moment in entered) for w in range(40)]
    assert by_window == [6, 7, 7, 6, 7, 7, 6, 7, 7, 7] * 4
    assert line.waiting() == list(range(268, 500))


def test_n_raised_and_lowered_within_a_minute(line: Line) -> None:
    line.join(500)
    line.at = 6_000
    line.pulse(range(500))
    assert line.claim(*range(500)).count(line.now_ms) == 6
    line.change(per_minute=600)
    assert line.pulse().front == 60  # six are inside, the window has room for 54 more
    assert line.claim(*range(500)).count(line.now_ms) == 60
    line.at = 12_000
    line.change(per_minute=100)
    assert line.claim(*range(500)).count(line.now_ms) == 10
    line.at = 18_000
    line.change(per_minute=70)  # as many are inside already
    for at in range(18_000, 66_000, 1_000):
        line.at = at
        line.pulse(range(500))
        assert line.claim(*range(70, 500)) == [WAIT] * 430
    line.at = 66_010  # sixty of them entered a minute ago
    line.pulse(range(500))
    assert line.claim(*range(70, 500)).count(line.now_ms) == 7


def in_order(line: Line, *, windows: int) -> list[int]:
    """Who enters in so many windows from the next on if all poll and only the last twenty of those called are quick."""
    entered = []
    for _ in range(windows):
        line.at = (line.at // 6_000 + 1) * 6_000
        front = line.pulse(line.waiting()).front
        asking = [place for place in line.waiting() if place < front][-20:]
        entered += [place for place, result in zip(asking, line.claim(*asking), strict=True) if result == line.now_ms]
    return entered


@pytest.mark.parametrize("mode", [Mode.BYPASS, Mode.OBSERVE])
def test_when_a_free_mode_ends_the_line_goes_on_in_its_order(line: Line, mode: Mode) -> None:
    line.join(300)
    line.at = 60_100
    line.change(mode=mode)
    line.pulse(range(300))
    assert line.claim(299) == [line.now_ms]
    assert line.join(50).entered == 50
    line.at += 1_000
    line.change(mode=Mode.QUEUE_ALL, per_minute=200)
    assert line.join(1).first == 350
    assert line.pulse().front == 0  # those who entered used up this window
    assert in_order(line, windows=2) == list(range(40))


def test_after_a_wrong_large_n_the_line_goes_on_in_its_order(line: Line) -> None:
    line.join(500)
    line.at = 6_000
    line.change(per_minute=10_000_000)
    assert line.pulse(range(500)).front == 500
    assert line.claim(400) == [line.now_ms]
    line.at = 8_000
    line.change(per_minute=60)
    assert line.claim(*range(100, 140)) == [WAIT] * 40  # nobody enters by luck
    pulse = line.pulse(range(500))
    assert (pulse.front, pulse.called_living) == (5, 5)
    assert in_order(line, windows=5) == list(range(30))


def test_missed_windows_call_nobody(line: Line) -> None:
    line.join(100)
    assert line.pulse().front == 6
    assert line.claim(*range(6)) == [NOON] * 6
    line.at = 30_500
    assert line.pulse(range(100)).front == 12


def test_the_silent_are_passed_over_and_may_enter_when_they_speak(line: Line) -> None:
    line.join(100)
    living = [place for place in range(100) if place >= 20 or place % 5 == 0]
    line.at = 7_000
    line.change(mode=Mode.PAUSED)
    line.listen(living, until=41_000)
    line.change(mode=Mode.OPEN)
    line.at = 42_000
    pulse = line.pulse()
    # Six who speak: 0, 5, 10, 15, 20 and 21. Those between them are called along.
    assert (pulse.front, pulse.called_living, pulse.waiting_count) == (22, 6, 100)
    assert line.claim(3, 22) == [NOON + 42_000, WAIT]
    assert line.pulse().called_living == 6


def test_when_all_are_silent_everybody_is_called(line: Line) -> None:
    line.join(100)
    line.change(mode=Mode.PAUSED)
    line.listen([], until=31_000)
    line.change(mode=Mode.OPEN)
    line.at = 36_000
    pulse = line.pulse()
    assert (pulse.front, pulse.called_living, pulse.waiting_count) == (100, 0, 100)


def everybody_called_from(line: Line, people: int, *, at: int) -> None:
    """So many stand in line, all heard of up to a second before `at`, when the first of them may be called."""
    for start in range(0, people, 1_000):
        line.join(min(1_000, people - start))
    line.change(mode=Mode.PAUSED)
    line.listen(range(people), until=at - 1_000)
    line.change(mode=Mode.OPEN)
    line.at = at


def test_who_vanishes_once_called_holds_a_turn_for_two_windows_at_most(line: Line) -> None:
    everybody_called_from(line, 100, at=42_000)
    assert (line.pulse().front, line.claim(2, 3, 4, 5)) == (6, [line.now_ms] * 4)
    line.at = 43_000
    line.pulse([1])  # and never again; 0 was gone before being called
    line.at = 47_000
    pulse = line.pulse()
    assert (pulse.front, pulse.called_living) == (6, 2)
    line.at = 48_000
    pulse = line.pulse(range(16, 100))
    assert (pulse.front, pulse.called_living) == (11, 6)
    assert line.claim(*range(6, 11)) == [line.now_ms] * 5
    line.at = 53_000
    assert line.pulse(range(16, 100)).called_living == 1
    line.at = 54_000
    pulse = line.pulse(range(16, 100))
    assert (pulse.front, pulse.called_living) == (17, 6)


def test_who_is_late_but_there_still_enters_and_counts(line: Line) -> None:
    everybody_called_from(line, 100, at=42_000)
    line.pulse()
    line.at = 48_000
    assert line.pulse(range(16, 100)).front == 12  # the first six said nothing
    line.at = 49_000
    assert line.pulse([0, *range(16, 100)]).called_living == 7  # one of them is there after all
    assert line.claim(0) == [line.now_ms]
    line.at = 54_000
    assert line.claim(1, 2) == [line.now_ms] * 2  # two have a gate that told nothing of them


def test_who_was_refused_counts_as_still_there(line: Line) -> None:
    everybody_called_from(line, 100, at=42_000)
    line.pulse()
    line.at = 48_000
    assert line.pulse().front == 12
    assert line.claim(*range(12)) == [line.now_ms] * 6 + [WAIT] * 6
    line.at = 54_000
    assert line.pulse().front == 12  # the six who were refused have this window
    assert line.claim(*range(6, 12)) == [line.now_ms] * 6


def test_when_some_of_those_called_do_not_come_more_are_called(line: Line) -> None:
    line.change(per_minute=600)
    everybody_called_from(line, 4_000, at=42_000)

    def window(*, comes: int) -> tuple[int, int]:
        """One window, in which `comes` of three who are called ask to enter: how many are called, and enter."""
        called = range(front, line.pulse().front)
        asking = outside + [place for place in called if place % 3 < comes]
        results = line.claim(*asking)
        entered = results.count(line.now_ms)
        outside[:] = [place for place, result in zip(asking, results, strict=True) if result == WAIT]
        line.at += 3_000
        line.pulse(range(called.stop + 8, 4_000))
        line.at += 3_000
        return len(called), entered

    front, seen, outside = 0, [], list[int]()
    for _ in range(6):
        seen.append(window(comes=2))
        front += seen[-1][0]
    # Sixty turns a window. From the second on one and a half are called for each.
    assert seen == [(60, 40)] + [(90, 60)] * 5
    for _ in range(45):
        called, entered = window(comes=3)
        front += called
        assert entered <= 60
    assert (called, entered) == (60, 60)


@pytest.mark.parametrize("away_ms", [15_001, 55_000, 3_000_000])
def test_after_a_silence_that_nobody_could_break_the_line_stands_in_order(line: Line, away_ms: int) -> None:
    line.change(per_minute=10)
    line.join(100)
    at = line.listen(range(100), until=120_000).now_ms - NOON
    front = line.pulse().front
    line.at = at + away_ms // 6_000 * 6_000 + 6_000
    pulse = line.pulse()  # gates are back before anybody could poll
    assert pulse.front <= front + 1
    assert line.evict().evicted == 0
    # Those who do not come back leave, when the line was listened to for the idle limit again.
    back = line.at
    line.listen(range(50, 100), until=back + 59_000)
    assert line.pulse().waiting_count == 100
    line.listen(range(50, 100), until=back + 80_000)
    assert line.waiting() == list(range(50, 100))


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
