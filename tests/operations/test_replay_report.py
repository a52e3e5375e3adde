"""What the replay prints: the report, and progress on a terminal and elsewhere."""

import io

from apps.operations.replay.progress import Progress
from apps.operations.replay.report import (
    Reading,
    Sample,
    clock_text,
    differences_total,
    summary_line,
    table_lines,
)


def sample(*readings: Reading, unsettled: int = 0) -> Sample:
    return Sample(moment=3_723.9, held_ms=120.4, settle_ms=35.6, sockets=1_234, unsettled=unsettled, readings=readings)


def test_an_exact_moment() -> None:
    samples = [sample(Reading("ann", 3, 3), Reading("bob", 1_200, 1_200))]
    assert differences_total(samples) == 0
    assert table_lines(samples) == [
        "moment    stream                           true  Fullhouse  difference",
        "01:02:03  bob                             1,200      1,200          +0",
        "01:02:03  ann                                 3          3          +0",
        "01:02:03  1,234 sockets; settled in 36 ms after 120 ms of waiting for the sockets",
    ]
    assert summary_line(samples) == (
        "1 moments, 2 answers: every answer was exact. The slowest moment settled in 36 ms."
    )


def test_differences_come_first_and_are_never_left_out() -> None:
    right = [Reading(f"right{number}", 100 - number, 100 - number) for number in range(20)]
    wrong = [Reading("low", 5, 4), Reading("high", 5, 7), Reading("silent", 0, None), Reading("mute", 9, None)]
    samples = [sample(*right, *wrong, unsettled=2)]
    assert differences_total(samples) == 1 + 2 + 1 + 9
    lines = table_lines(samples)
    assert lines[1:5] == [
        "01:02:03  mute                                9       none          -9",
        "01:02:03  high                                5          7          +2",
        "01:02:03  low                                 5          4          -1",
        "01:02:03  silent                              0       none          -1",
    ]
    assert lines[-2] == "01:02:03  and 12 more streams             1,038      1,038          +0"
    assert lines[-1].endswith("; 2 SOCKETS NEVER GOT THERE")
    assert "4 answers differed, by 13." in summary_line(samples)


def test_a_replay_without_a_moment_claims_nothing() -> None:
    assert table_lines([]) == []
    assert summary_line([]) == "No moment was compared: the replay ended before the first one."
    assert differences_total([]) == 0


def test_the_clock_is_utc_and_wraps_at_midnight() -> None:
    assert clock_text(0) == "00:00:00"
    assert clock_text(86_399.9) == "23:59:59"
    assert clock_text(1_420_070_406) == "00:00:06"


class Terminal(io.StringIO):
    """Output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_rewrites_one_line_on_a_terminal_and_leaves_it_clean() -> None:
    out = Terminal()
    progress = Progress(out)
    progress.show(0.5, "half")
    progress.show(0.6, "too soon to show")
    progress.note("a note")
    progress.show(2.0, "all")
    progress.close()
    half = "[##############..............]  50%  half"
    full = "[############################] 100%  all"
    assert out.getvalue() == f"\r{half}\r{' ' * len(half)}\ra note\n\r{full}\r{' ' * len(full)}\r"


def test_progress_writes_plain_lines_elsewhere() -> None:
    out = io.StringIO()
    progress = Progress(out)
    progress.show(0.125, "some")
    progress.show(0.2, "too soon to show")
    progress.note("a note")
    progress.close()
    assert out.getvalue() == " 12%  some\na note\n"
