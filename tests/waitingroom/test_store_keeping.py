"""Who is called, and who enters, call by call; on both kinds of Redis."""

import pytest

from apps.waitingroom.rules import Mode
from apps.waitingroom.store import WAIT
from tests.waitingroom.line_stage import NOON, NOON_WINDOW, Line, both

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
