"""`manage.py replay` of a flash crowd: its file, a line driven by its own clock, and a real gate over HTTP."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from apps.operations.replay.crowd import (
    Minute,
    arrivals,
    crowd_cut,
    crowd_read,
    is_crowd,
    minutes_between,
    minutes_parse,
)
from apps.operations.replay.trace import TraceError
from apps.realtime.redis import sync_client
from apps.waitingroom.models import Zone
from apps.waitingroom.services import zone_create
from tests.services.process import REPOSITORY
from tests.services.traces import CROWD, needs_traces
from tests.services.web import WebServer

Env = Callable[[], dict[str, str]]
Web = Callable[..., WebServer]

START = datetime(1998, 7, 7, 19, 8, tzinfo=UTC).timestamp()


def crowd_file(folder: Path, *requests: int) -> Path:
    """A crowd from 19:08 on."""
    path = folder / "crowd.csv"
    rows = "".join(f"1998-07-07 19:{8 + minute:02},{count}\n" for minute, count in enumerate(requests))
    path.write_text(f"minute,requests\n{rows}")
    return path


def replay(env: Env, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", "replay", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **env()},
        capture_output=True,
        text=True,
        timeout=120,
    )


def rows(output: str) -> list[tuple[str, ...]]:
    """Each minute's clock, arrivals, entries, waiting, foretold, told then and waited."""
    return [tuple(line.split()) for line in output.splitlines() if re.match(r" +\d\d:\d\d ", line)]


# --- the file -----------------------------------------------------------------------------------------------------


def test_a_crowd_is_known_by_its_columns(tmp_path: Path) -> None:
    assert is_crowd(crowd_file(tmp_path, 1))
    trace = tmp_path / "trace.csv"
    trace.write_text("epoch_utc,device,channel\n1,2,3\n")
    assert not is_crowd(trace)
    assert crowd_read(crowd_file(tmp_path, 5, 7)) == [Minute(START, 5), Minute(START + 60, 7)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the header lacks minute, requests"),
        ("minute,visits\n", "line 1: the header lacks requests"),
        ("minute,requests\n1998-07-07 19:08\n", "line 2: 1 columns where the header has 2"),
        ("minute,requests\nnoon,5\n", "line 2: minute is no date and time: 'noon'"),
        ("minute,requests\n1998-07-07 19:08,-5\n", "line 2: requests is not a whole number: '-5'"),
        (
            "minute,requests\n1998-07-07 19:08,5\n1998-07-07 19:08,5\n",
            "line 3: 1998-07-07 19:08 does not come after the minute before it",
        ),
    ],
)
def test_a_malformed_crowd_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(TraceError) as error:
        list(minutes_parse(text.splitlines()))
    assert str(error.value) == message


def test_a_cut_fills_gaps_and_ends_with_the_file() -> None:
    minutes = [Minute(0, 5), Minute(120, 7), Minute(180, 9)]
    assert crowd_cut(minutes, start=30, count=3) == [Minute(0, 5), Minute(60, 0), Minute(120, 7)]
    assert crowd_cut(minutes, start=120, count=15) == [Minute(120, 7), Minute(180, 9)]
    for start, given_minutes in ((240, minutes), (0, []), (60, [Minute(0, 5), Minute(60, 0)])):
        with pytest.raises(TraceError, match="nobody comes between these moments"):
            crowd_cut(given_minutes, start=start, count=1)


def test_minutes_are_those_that_begin_before_the_end() -> None:
    assert [minutes_between(30, end) for end in (31, 60, 61, 120, 120.5)] == [1, 1, 2, 2, 3]
    for end in (0, 29, 30):
        with pytest.raises(TraceError, match="the end does not come after the beginning"):
            minutes_between(30, end)


@given(requests=st.lists(st.integers(0, 500), min_size=1).filter(any), per_minute=st.integers(1, 200))
def test_the_busiest_minute_is_three_times_n_and_nobody_is_lost(requests: list[int], per_minute: int) -> None:
    minutes = [Minute(60.0 * place, count) for place, count in enumerate(requests)]
    moments = arrivals(minutes, per_minute=per_minute, seed=1)
    assert moments == sorted(moments)
    counts = [sum(60 * place <= moment < 60 * place + 60 for moment in moments) for place in range(len(requests))]
    scale = 3 * per_minute / max(requests)
    for count, asked in zip(counts, requests, strict=True):
        assert abs(count - asked * scale) <= 1
    assert abs(len(moments) - sum(requests) * scale) <= 0.5
    assert moments == arrivals(minutes, per_minute=per_minute, seed=1)
    assert len(moments) < 5 or moments != arrivals(minutes, per_minute=per_minute, seed=2)


@needs_traces
def test_the_steepest_ramp_of_a_real_crowd() -> None:
    minutes = crowd_read(CROWD)
    assert (len(minutes), max(minute.requests for minute in minutes)) == (125_300, 229_426)
    ramp = crowd_cut(minutes, start=START, count=15)
    assert (len(ramp), ramp[0].requests, ramp[-1].requests) == (15, 65_468, 89_367)


# --- its own clock ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("redis_url", ["single", "cluster"], indirect=True)
def test_a_simulated_crowd_keeps_every_rule_and_leaves_nothing(process_env: Env, tmp_path: Path) -> None:
    done = replay(process_env, str(crowd_file(tmp_path, 40, 80, 60, 0, 0)), "--simulate", "--per-minute", "100")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "675 people in 5 minutes, 100 may enter a minute; the busiest minute of the file had 80 requests" in done.stdout
    )
    table = rows(done.stdout)
    assert [row[0] for row in table[:3]] == ["19:08", "19:09", "19:10"]
    assert [row[1] for row in table[:3]] == ["150", "300", "225"]
    assert table[0][2] == "100"
    assert table[-1][3] == "0"
    assert "675 came, 675 entered, 0 still wait." in done.stdout
    assert "Windows above their share: 0 of " in done.stdout
    assert "Sliding minutes above 100: 0 (at most 100 entered within 60 s)." in done.stdout
    left = [key for key in sync_client().scan_iter(match="line:*") if sync_client().ttl(key) < 0]
    assert left == []


def test_a_crowd_ends_where_it_is_told_to(process_env: Env, tmp_path: Path) -> None:
    file = str(crowd_file(tmp_path, 40, 80, 60, 40))
    done = replay(process_env, file, "--simulate", "--per-minute", "100", "--from", "19:09", "--until", "19:11")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "525 people in 2 minutes, 100 may enter a minute" in done.stdout
    assert [row[0] for row in rows(done.stdout)[:2]] == ["19:09", "19:10"]


def test_those_who_stop_asking_are_told_of_and_do_not_stop_the_line(process_env: Env, tmp_path: Path) -> None:
    file = str(crowd_file(tmp_path, 40, 80, 60, 0, 0))
    done = replay(process_env, file, "--simulate", "--per-minute", "100", "--leaving", "0.7")
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"675 came, (\d+) entered, (\d+) left, 0 still wait\.", done.stdout)
    assert found
    entered, left = (int(figure) for figure in found.groups())
    assert (entered + left, left > 50) == (675, True)
    assert "Windows above their share: 0 of " in done.stdout


# --- a real gate --------------------------------------------------------------------------------------------------


def test_a_crowd_at_a_running_gate_enters_by_windows(web: Web, process_env: Env, tmp_path: Path) -> None:
    zone_create(actor=None, zone_id="concert", name="Concert", per_minute=100, mode="queue-all")
    server = web()
    file = str(crowd_file(tmp_path, 100))
    done = replay(process_env, file, "--zone", "concert", "--duration", "14", "--url", server.base_url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "300 people in 1 minutes, 100 may enter a minute" in done.stdout
    (row,) = rows(done.stdout)
    arrivals_seen, entries, waiting = (int(figure) for figure in row[1:4])
    assert 60 < arrivals_seen < 100
    assert arrivals_seen == entries + waiting
    assert 10 <= entries <= 40  # one to four windows of ten
    assert re.search(r"Windows above their share: 0 of [12] with a line", done.stdout)
    assert " x " not in done.stdout
    assert Zone.objects.filter(pk="concert").exists()


def test_a_zone_made_for_the_replay_goes_with_it(web: Web, process_env: Env, tmp_path: Path) -> None:
    server = web()
    file = str(crowd_file(tmp_path, 100))
    done = replay(process_env, file, "--per-minute", "50", "--duration", "3", "--url", server.base_url)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = rows(done.stdout)
    assert row[1] == row[2] != "0"  # no line stood yet: everybody entered at once
    assert Zone.objects.count() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--zone", "z", "--per-minute", "5"], "--zone says how many enter a minute"),
        (["--zone", "z", "--simulate"], "--zone says how many enter a minute"),
        (["--leaving", "0.5"], "--leaving goes with --simulate"),
        (["--speed", "60"], "A crowd is played at speed 1"),
        (["--from", "1999-01-01T00:00"], "nobody comes between these moments"),
        (["--until", "19:08"], "the end does not come after the beginning"),
        (["--until", "19:10", "--minutes", "2"], "--until and --minutes both say where to end"),
        (["--url", "http://127.0.0.1:1"], "No gate at http://127.0.0.1:1: "),
    ],
)
def test_what_cannot_be_played_is_refused_in_words(
    transactional_db: None, tmp_path: Path, arguments: list[str], message: str
) -> None:
    with pytest.raises(CommandError) as refusal:
        call_command("replay", str(crowd_file(tmp_path, 5)), *arguments)
    assert message in str(refusal.value)
    assert Zone.objects.count() == 0


def test_options_of_a_crowd_need_a_crowd(transactional_db: None, tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("epoch_utc,device,channel\n1,2,3\n")
    with pytest.raises(CommandError, match="its header lacks minute, requests"):
        call_command("replay", str(trace), "--minutes", "5")
    with pytest.raises(CommandError, match="go with a crowd"):
        call_command("replay", "--evening", "--simulate")


def test_a_zone_that_the_gate_does_not_know(web: Web, process_env: Env, tmp_path: Path) -> None:
    server = web()
    with pytest.raises(CommandError, match="knows no zone 'nowhere'"):
        call_command("replay", str(crowd_file(tmp_path, 5)), "--zone", "nowhere", "--url", server.base_url)
