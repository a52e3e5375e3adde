"""A Redis that fell behind, forgot all or set its clock: what may have happened meanwhile is not given twice."""

from typing import Any

import pytest

from apps.realtime.redis import sync_client
from apps.waitingroom.rules import Mode
from apps.waitingroom.store import GONE, WAIT
from tests.waitingroom.line_stage import NOON, NOON_WINDOW, Line, both, snapshot_of

pytestmark = both

LOST_TICKETS = 1_048_576


@pytest.fixture
def line(redis_url: str) -> Line:
    """A line that everybody has to stand in, sixty a minute: six a window."""
    return Line().open(mode=Mode.QUEUE_ALL)


def entries(line: Line, *, until: int, every: int = 500) -> list[int]:
    """Let everybody in line poll and claim till then: when they entered, ms after noon."""
    moments = []
    while line.at < until:
        waiting = line.waiting()
        front = line.pulse(waiting).front
        asking = [place for place in waiting if place < front]
        moments += [result - NOON for result in line.claim(*asking) if result]
        line.at += every
    return moments


def test_a_failover_takes_lost_moments_for_used(line: Line) -> None:
    line.join(300)
    assert len(entries(line, until=13_000)) == 18
    line.fail_over()
    line.at = 26_000  # windows 2, 3 and 4 are lost
    pulse = line.pulse(range(300))
    assert pulse.used == {NOON_WINDOW + window: 6 for window in range(5)}
    assert (pulse.next, pulse.restored_at, pulse.minute_used) == (300 + LOST_TICKETS, NOON + 26_000, 30)
    assert line.claim(*range(18, 100)) == [WAIT] * 82
    # From the next window on the line moves as before; the lost windows are room again when they are a minute old.
    assert len(entries(line, until=60_000)) == 30
    assert line.pulse().used[NOON_WINDOW + 9] == 6


def test_a_failover_without_a_line_fills_the_minute(line: Line) -> None:
    line.change(mode=Mode.OPEN)
    assert line.join(10).entered == 10
    line.at = 2_000
    line.fail_over()
    assert line.join(5).entered == 0
    assert line.pulse().minute_used == 60
    line.at = 60_009
    place = 10 + LOST_TICKETS
    line.pulse([place])
    assert line.claim(place) == [WAIT]
    line.at = 60_010  # the first ten entered a minute ago
    line.pulse()
    assert line.claim(place) == [line.now_ms]


def test_a_line_that_entries_alone_could_have_ended_fills_the_minute(line: Line) -> None:
    line.change(mode=Mode.OPEN, per_minute=60)
    line.join(66)
    line.at = 1_000
    line.fail_over()
    # Six wait, the window's share is six: they may all have entered, and a burst after them.
    assert line.pulse(range(66)).minute_used == 60
    line.join(1)
    line.fail_over()
    assert line.pulse(range(66)).minute_used == 60
    assert line.pulse().used[NOON_WINDOW] == 60


def test_lost_tickets_are_not_given_again_and_find_their_place(line: Line) -> None:
    line.change(per_minute=0)
    line.join(10)
    behind = line.pulse()
    line.join(5)
    client: Any = sync_client()
    client.set(line.key("waiting"), behind.bits or b"")  # a replica that had not heard of the last five
    client.hset(line.key(""), mapping={"next": 10, "waiting": 10})
    line.fail_over()
    line.at = 1_000
    assert line.join(1).first == 10 + LOST_TICKETS
    line.pulse([10, 12])
    assert line.claim(14) == [WAIT]
    assert line.waiting() == [*range(11), 12, 14, 10 + LOST_TICKETS]
    # Who entered or left is not put back by hearsay; after a minute nobody is.
    line.at = 61_000
    line.pulse([11, 13])
    assert line.claim(11) == [GONE]
    assert line.waiting() == [*range(11), 12, 14, 10 + LOST_TICKETS]


def test_who_entered_is_not_put_back(line: Line) -> None:
    line.change(per_minute=600)
    line.join(100)
    line.at = 6_000
    line.pulse()
    assert line.claim(*range(60)) == [NOON + 6_000] * 60
    line.fail_over()
    line.pulse(range(100))
    assert line.waiting() == list(range(60, 100))
    assert line.claim(0) == [NOON + 6_000]


def test_a_step_back_of_the_clock_is_waited_out(line: Line) -> None:
    line.join(100)
    assert len(entries(line, until=66_000)) == 66
    line.at = 6_100  # a minute less a little
    assert line.pulse().now_ms == NOON + 65_500
    assert line.claim(*range(100)).count(WAIT) == 34
    assert (line.join(1).first, line.pulse().restored_at) == (100, 0)


def test_a_large_step_back_is_believed_and_the_minute_is_full(line: Line) -> None:
    line.join(300)
    entries(line, until=120_000)
    line.at = 30_000
    pulse = line.pulse(range(300))
    assert (pulse.now_ms, pulse.minute_used) == (NOON + 30_000, 60)
    assert pulse.used == {NOON_WINDOW + window: 6 for window in range(-4, 6)}
    first = entries(line, until=96_000)
    # The window from which on a minute has passed since the first of the ten.
    assert min(first) == 42_000
    assert len(first) == 9 * 6


def test_a_line_re_forms_from_what_gates_know(line: Line) -> None:
    line.join(1_000)
    entries(line, until=12_500)
    line.leave(*range(100, 200))
    known = snapshot_of(line.pulse())
    line.at = 13_000
    line.join(50)  # nobody but their tickets knows of them
    before = line.waiting()
    line.lose()
    assert line.pulse().status == "lost"
    line.at = 20_000
    assert line.restore(known, [1_003, 1_049]) == "ok"
    pulse = line.pulse()
    assert line.waiting() == [*before[:-50], 1_003, 1_049]
    assert (pulse.front, pulse.next, pulse.restored_at) == (known.front, known.next + LOST_TICKETS, NOON + 20_000)
    # What entered, and the windows since the gate looked, whose share may have entered: all of this one, too.
    assert pulse.used == {NOON_WINDOW: 6, NOON_WINDOW + 1: 6, NOON_WINDOW + 2: 6, NOON_WINDOW + 3: 6}
    assert pulse.minute_used == 24
    # The others come as they poll, or claim.
    line.pulse(range(1_000, 1_040))
    line.claim(*range(1_040, 1_050))
    assert line.waiting() == before
    assert line.join(1).first == known.next + LOST_TICKETS
    moments = entries(line, until=60_000)
    assert len(moments) == 6 * 6
    assert line.waiting()[0] == before[36]


def test_gates_add_up_what_they_know(line: Line) -> None:
    line.change(per_minute=0)
    line.join(10)
    early = snapshot_of(line.pulse())
    line.at = 1_000
    line.join(10)
    line.leave(3)
    late = snapshot_of(line.pulse())
    line.lose()
    for known, presented in ((early, [25]), (late, []), (early, [25]), (None, [22])):
        assert line.restore(known, presented) == "ok"
    # Place 3 left after the first gate looked; it falls silent and goes.
    assert line.waiting() == [*range(20), 22, 25]
    assert line.join(1).first == 20 + LOST_TICKETS
    line.at = 62_000
    assert line.restore(None, [77]) == "ok"  # long ago: left alone
    assert 77 not in line.waiting()


def test_a_gate_that_never_read_the_line_restores_from_tickets(line: Line) -> None:
    line.join(1)
    line.lose()
    at = 10_000_000
    assert line.restore(None, [at + 7, at + 60]) == "ok"
    line.pulse([at - 100, at + 999])
    assert line.waiting() == [at - 100, at + 7, at + 60, at + 999]
    # Nobody knows what entered: nothing does for a minute.
    assert entries(line, until=60_000) == []
    line.at = 60_020
    line.pulse()
    assert line.claim(at + 7, at - 100) == [line.now_ms] * 2
    assert line.join(1).first > at + 999


def test_no_loss_deals_the_places_of_another(line: Line) -> None:
    """A ticket is good for a day, and of whom nobody speaks nothing is known."""
    line.join(10)
    given = set(range(10))
    # Nobody knows anything; then a gate is shown tickets, of which the same ones again and again.
    for hour, presented in enumerate([(), (), (), (3,), (3, 9), (3,), ()]):
        line.lose()
        line.at += 3_600_000
        assert line.restore(None, presented) == "ok"
        assert set(line.waiting()) == set(presented)
        for batch in range(3):
            first = line.join(1_000, server=f"{hour} {batch}").first
            places = range(first, first + 1_000)
            assert given.isdisjoint(places)
            given.update(places)


def test_a_line_of_which_nothing_is_known_begins_where_the_clock_is(line: Line) -> None:
    line.join(10)
    line.lose()
    line.restore()
    first = line.join(1).first
    assert first == (NOON - 1_735_689_600_000) // 1_000 * 1_024
    assert line.claim(3) == [GONE]  # and its ticket is from another line
    client: Any = sync_client()
    assert client.strlen(line.key("waiting")) <= 65_536 / 8
    line.at = 60_020
    line.pulse([first])
    assert line.claim(first) == [line.now_ms]


def test_more_tickets_than_a_file_knew_of_find_their_place(line: Line) -> None:
    """Redis started from a file that was written before seventy thousand came."""
    line.change(per_minute=0)
    line.join(10)
    behind = line.pulse()
    for batch in range(70):
        line.join(1_000, server=f"{batch}")
    client: Any = sync_client()
    client.set(line.key("waiting"), behind.bits or b"")
    client.hset(line.key(""), mapping={"next": 10, "waiting": 10})
    line.fail_over()
    line.at = 1_000
    assert line.join(1).first > 70_010
    line.pulse([70_009])
    assert line.claim(65_600) == [WAIT]
    assert {65_600, 70_009} < set(line.waiting())


def test_a_ticket_from_behind_the_end_tells_of_more(line: Line) -> None:
    line.join(1)
    line.lose()
    line.restore(None, [3])
    beyond = line.join(1).first + 500_000
    line.pulse([beyond])
    assert line.join(1).first == beyond + 1 + LOST_TICKETS
    assert line.claim(beyond + 1_000_000) == [WAIT]
    assert line.join(1).first == beyond + 1 + LOST_TICKETS + 1


def test_a_restored_minute_is_never_exceeded(line: Line) -> None:
    """A burst, then a line, then a loss: the burst still counts."""
    line.change(mode=Mode.OPEN, per_minute=100)
    line.at = 2_000
    line.join(400)
    line.at = 30_000
    known = snapshot_of(line.pulse(range(400)))
    line.lose()
    line.at = 32_000
    line.restore(known)
    # As late in its window as the burst may have been.
    assert line.pulse().minute_used == 110
    moments = entries(line, until=90_000)
    assert min(moments) == 66_000
    assert len(moments) == 10 * 4


def test_a_restored_line_is_in_order_though_nobody_was_heard(line: Line) -> None:
    line.change(per_minute=10)
    line.join(500)
    line.listen(range(500), until=120_000)
    known = snapshot_of(line.pulse())
    line.lose()
    line.at += 6_000
    line.restore(known)
    line.at += 6_000
    assert line.pulse().front <= known.front + 1
    line.at += 25_000
    assert (line.evict().evicted, line.pulse().waiting_count) == (0, len(line.waiting()))


def test_an_old_gate_does_not_bring_back_a_cleared_line(line: Line) -> None:
    line.join(10)
    old, known = line.rules, snapshot_of(line.pulse())
    line.clear()
    line.rules, current = old, line.rules
    assert line.restore(known) == "epoch"
    client: Any = sync_client()
    client.delete(line.key(""))
    assert line.restore(known) == "epoch"
    line.rules = current
    assert line.restore(known) == "ok"  # of another epoch: nothing of it is told
    assert line.waiting() == []
    assert line.pulse().waiting_count == 0
