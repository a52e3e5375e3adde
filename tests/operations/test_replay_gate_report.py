"""What the replay of a crowd says of a zone: each rule shown broken and kept, and rows whose figures are known."""

from hypothesis import given
from hypothesis import strategies as st

from apps.operations.replay.gate_report import (
    Book,
    Guest,
    Verdict,
    entered_ms_of,
    judge,
    row_line,
    standing_windows,
    verdict_lines,
    wait_text,
)

W = 6_000
BASE = 1_800_000_000_000  # a whole minute, and so a whole window
FIRST = BASE // W


def waited(joined: int, entered: int | None, told_s: int | None = None) -> Guest:
    """Somebody in line; moments in ms after BASE."""
    return Guest(
        joined_ms=BASE + joined, queued=True, told_s=told_s, entered_ms=None if entered is None else BASE + entered
    )


def at_once(moment: int) -> Guest:
    """Somebody who never waited."""
    return Guest(joined_ms=BASE + moment, entered_ms=BASE + moment)


def verdict(guests: list[Guest], per_minute: int = 10, until: int = 60_000) -> Verdict:
    return judge(guests, per_minute=per_minute, until_ms=BASE + until)


def test_a_window_counts_only_if_somebody_stood_all_through_it() -> None:
    guests = [waited(1, 2 * W), waited(2 * W + 1, 4 * W + 3)]
    # Window 0 began empty, in window 2 nobody stood for a millisecond, window 4 ended empty.
    assert standing_windows(guests, BASE + 60_000) == [FIRST + 1, FIRST + 3]
    assert standing_windows([waited(0, None)], BASE + 3 * W) == [FIRST, FIRST + 1, FIRST + 2]
    gone = Guest(joined_ms=BASE, queued=True, left_ms=BASE + W)
    assert standing_windows([gone, at_once(3)], BASE + 60_000) == [FIRST]


def test_a_window_above_its_share_is_seen_once_a_line_stands() -> None:
    line = waited(0, None)
    assert verdict([line, waited(0, W), waited(0, 2 * W)]).windows_above_share == 0
    assert verdict([line, waited(0, W), waited(0, W + 1)]).windows_above_share == 1
    # Without a line the same burst is what the rules allow.
    assert verdict([at_once(W), at_once(W + 1)]).windows_above_share == 0


def test_a_minute_above_n_is_seen_wherever_it_begins() -> None:
    burst = [at_once(30_000 + each) for each in range(10)]
    assert verdict([*burst, at_once(90_000)]).minutes_above == 0  # the first of them was 60,000 ms ago
    found = verdict([*burst, at_once(89_999)])
    assert (found.minutes_above, found.most_in_a_minute, found.kept) == (1, 11, False)


@given(st.lists(st.integers(0, 200_000), max_size=40), st.integers(1, 12))
def test_sliding_minutes_equal_a_count_of_every_span(moments: list[int], per_minute: int) -> None:
    spans = [sum(start <= each < start + 60_000 for each in moments) for start in moments]
    found = verdict([at_once(moment) for moment in moments], per_minute=per_minute)
    assert found.most_in_a_minute == max(spans, default=0)
    assert (found.minutes_above > 0) == any(count > per_minute for count in spans)


def test_utilisation_is_of_what_earlier_windows_leave() -> None:
    line = waited(0, None)
    # Ten entered in window 0, so nothing is left to windows 1 to 9, and window 10 has its share, 1, which it used.
    burst = [at_once(each) for each in range(10)]
    assert verdict([line, *burst, waited(0, 10 * W)], until=11 * W).utilisation == 11 / (1 + 1)
    line_later = waited(W, None)
    assert verdict([line_later, *burst, waited(W, 10 * W)], until=11 * W).utilisation == 1.0
    assert verdict([line_later, *burst], until=11 * W).utilisation == 0.0
    assert verdict(burst).utilisation is None


def test_a_foretold_wait_is_off_by_windows() -> None:
    guests = [
        waited(0, 2 * W, told_s=12),
        waited(0, W + 5_999, told_s=6),
        waited(0, 3 * W, told_s=17),
        waited(0, 9, None),
    ]
    assert [guest.error_windows for guest in guests] == [0, 0, 1, None]
    found = verdict([*guests, waited(0, W, told_s=30)])
    assert (found.worst_eta_error_windows, found.foretold) == (-4, 4)


def test_rows_tell_what_is_new_and_compare_the_same_people() -> None:
    book = Book()
    people = [waited(0, None, told_s=10), waited(0, None, told_s=20), waited(0, None, told_s=60)]
    for each in people:
        book.come(each)
    walk_in = Guest(joined_ms=BASE)
    book.come(walk_in)
    book.enter(walk_in, BASE)
    book.enter(people[0], BASE + 12_000)
    first = book.row(0)
    assert (first.arrivals, first.entries, first.waiting) == (4, 2, 2)
    assert (first.foretold_s, first.told_s, first.waited_s) == (20, 10, 12)
    book.enter(people[1], BASE + 61_000)
    book.leave(people[2], BASE + 62_000)
    second = book.row(1)
    assert (second.arrivals, second.entries, second.waiting, second.foretold_s) == (0, 1, 0, None)
    assert row_line(second, "19:09") == ("   19:09          0         1          0          -       0:20       1:01")
    assert verdict(book.guests).waiting == 0


def test_a_pass_says_when_its_holder_was_let_in() -> None:
    assert entered_ms_of("fp1.zone.1800000001.17.abcdefghijk.1800000000.1800000600.mac") == BASE


def test_the_end_of_the_report() -> None:
    lines = verdict_lines(verdict([waited(0, None), *(waited(0, each * W, told_s=6 * each) for each in range(10))]), 10)
    assert lines == [
        "11 came, 10 entered, 1 still wait.",
        "Windows above their share: 0 of 10 with a line.",
        "Sliding minutes above 10: 0 (at most 10 entered within 60 s).",
        "While a line stood: 100.0% of the room was used.",
        "The wait foretold was off by +0 windows of 6 s at worst, over 10 people.",
    ]
    assert verdict_lines(verdict([]), 10)[3:] == [
        "While a line stood: no line stood.",
        "No wait that was foretold has come true.",
    ]
    assert (wait_text(None), wait_text(59.9), wait_text(60), wait_text(3_725)) == ("-", "0:59", "1:00", "62:05")
