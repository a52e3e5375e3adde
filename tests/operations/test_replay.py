"""`manage.py replay` against a real server: real sockets, the public API, and what is left behind afterwards."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.audience import store
from apps.audience.sessions import Session, owner_make, seoul_day
from apps.operations.replay.trace import Play, sessions_of
from apps.realtime.redis import run_now
from apps.streams.models import Broadcaster, Stream, StreamStatus
from tests.services.process import REPOSITORY, Process
from tests.services.waiting import eventually
from tests.services.web import WebServer

Env = Callable[[], dict[str, str]]
Web = Callable[..., WebServer]

HEADER = "epoch_utc,device,channel,game,country,player\n"
# Part of an evening that holds the star's start, other starts and ends, switches and second tabs.
EVENING = ("--evening", "--audience", "150", "--streams", "30", "--from", "19:42", "--until", "20:02")


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


def replay_start(env: Env, log: Path, *arguments: str) -> Process:
    """Start the command beside the test."""
    return Process("replay", [sys.executable, "manage.py", "replay", *arguments], log=log, env={**os.environ, **env()})


def moments(output: str) -> list[tuple[str, int]]:
    """(verdict, sockets) of each sampled moment, from the lines that are printed as they pass."""
    found = re.findall(r"^\d\d:\d\d:\d\d  [\d,]+ streams, ([\d,]+) sockets: (.+), settled", output, re.MULTILINE)
    return [(verdict, int(sockets.replace(",", ""))) for sockets, verdict in found]


def assert_nothing_is_left() -> None:
    """Every stream ended, and Redis counts nobody on any of them."""
    streams = list(Stream.objects.all())
    assert {stream.status for stream in streams} == {StreamStatus.ENDED}
    figures = [store.figures_of(reply) for reply in run_now([store.figures(stream.pk) for stream in streams])]
    assert {(each.state, each.current) for each in figures} == {("ended", 0)}


@pytest.mark.parametrize("redis_url", ["single", "cluster"], indirect=True)
def test_a_generated_evening_is_counted_exactly(web: Web, process_env: Env) -> None:
    server = web()
    done = replay(process_env, *EVENING, "--speed", "150", "--samples", "6", "--url", server.base_url)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = moments(done.stdout)
    assert [verdict for verdict, _ in seen] == ["exact"] * 6
    assert max(sockets for _, sockets in seen) > 80
    assert "every answer was exact" in done.stdout
    assert " x " not in done.stdout  # no errors at the sockets
    assert_nothing_is_left()
    # The star ended with the others, its peak kept.
    assert Stream.objects.get(broadcaster__slug="replay-nova-live").peak_viewers > 30


def test_a_file_with_tabs_switches_and_a_name_that_needs_a_slug(web: Web, process_env: Env, tmp_path: Path) -> None:
    # d1 has two tabs on ann and then goes to bob; d2 and d3 stay; d4 leaves in the second in which it came.
    rows = ["0,d1,ann", "1,d1,ann", "2,d2,ann", "3,d3,밥 & co", "4,d1,밥 & co", "5,d4,ann", "5,d4,밥 & co"]
    trace = tmp_path / "trace.csv"
    trace.write_text(HEADER + "".join(f"{row},Chess: Blitz,KR,site\n" for row in rows))
    server = web()
    done = replay(
        process_env, str(trace), "--speed", "10", "--samples", "4", "--until", "00:00:24", "--url", server.base_url
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = [line for line in done.stdout.splitlines() if re.match(r"00:00:(06|24)  (ann|밥)", line)]
    assert [line.split()[-3:] for line in table] == [
        ["3", "3", "+0"],
        ["1", "1", "+0"],
        ["0", "0", "+0"],
        ["0", "0", "+0"],
    ]
    assert "7 sockets opened, 0 reconnects" in done.stdout
    assert set(Broadcaster.objects.values_list("name", "slug")) == {("ann", "replay-ann"), ("밥 & co", "replay-밥-co")}
    assert set(Stream.objects.values_list("category__slug", "category__name")) == {("chess-blitz", "Chess: Blitz")}
    assert_nothing_is_left()


def test_a_wrong_count_is_printed_and_fails_the_command(web: Web, process_env: Env, tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text(HEADER + "0,d1,ann,Chess,KR,site\n")
    server = web()
    log = tmp_path / "replay.log"
    process = replay_start(
        process_env, log, str(trace), "--speed", "1", "--samples", "1", "--until", "00:00:02", "--url", server.base_url
    )
    try:
        # A viewer in Redis whom the trace does not know: the truth is 0 at the end, Fullhouse will say 1.
        stream = eventually(
            lambda: Stream.objects.get(status=StreamStatus.LIVE), deadline=30, not_yet=(Stream.DoesNotExist,)
        )
        now_ms = int(time.time() * 1000)
        owner = owner_make(connected_ms=now_ms, server="elsewhere", serial=1)
        ghost = Session(session_id="0" * 16, viewer_id="a" + "0" * 32, stream_id=stream.pk, owner=owner)
        run_now(
            [
                store.announce(
                    stream_id=stream.pk,
                    day=seoul_day(now_ms),
                    now_ms=now_ms,
                    server="elsewhere",
                    held=1,
                    known=store.Figures("", 0, 0, 0),
                    sessions=[ghost],
                    arrivals=True,
                )
            ]
        )
        assert process.wait(30) == 1
    finally:
        process.kill()
    output = log.read_text()
    assert re.search(r"00:00:02  ann +0 +1 +\+1$", output, re.MULTILINE)
    assert "1 answers differed, by 1." in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_closes_sockets_ends_streams_and_reports(
    web: Web, process_env: Env, tmp_path: Path, number: signal.Signals
) -> None:
    server = web()
    log = tmp_path / "replay.log"
    process = replay_start(
        process_env, log, *EVENING, "--speed", "60", "--samples", "10", "--loop", "--url", server.base_url
    )
    try:
        eventually(lambda: len(moments(log.read_text())) >= 1, deadline=30)
        process.send(number)
        assert process.wait(20) == 0
    finally:
        process.kill()
    output = log.read_text()
    assert {verdict for verdict, _ in moments(output)} == {"exact"}
    assert "every answer was exact" in output
    assert_nothing_is_left()


def test_viewers_come_back_to_a_server_that_was_replaced(web: Web, process_env: Env, tmp_path: Path) -> None:
    # Thirty people of whom nobody leaves while there is no server: whoever does counts until the drain's grace is over.
    plays = [Play(float(second), f"d{second}", "ann") for second in range(30)]
    seed = next(seed for seed in count() if min(each.end - each.start for each in sessions_of(plays, seed=seed)) > 120)
    trace = tmp_path / "trace.csv"
    trace.write_text(HEADER + "".join(f"{play.at:.0f},{play.device},{play.channel},Chess,KR,site\n" for play in plays))
    log = tmp_path / "replay.log"
    first = web()
    options = ("--seed", str(seed), "--speed", "10", "--samples", "3", "--until", "00:02:00")
    process = replay_start(process_env, log, str(trace), *options, "--url", first.base_url)
    try:
        eventually(lambda: len(moments(log.read_text())) >= 1, deadline=30)  # at 00:00:40 everybody is there
        assert first.terminate(deadline=20) == 0
        web(port=first.port)
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
    output = log.read_text()
    assert moments(output) == [("exact", 30), ("exact", 30), ("exact", 0)]
    assert "60 sockets opened" in output
    assert_nothing_is_left()


def test_a_second_replay_ends_what_a_killed_one_left_live(web: Web, process_env: Env, tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text(HEADER + "0,d1,ann,Chess,KR,site\n")
    server = web()
    killed = replay_start(process_env, tmp_path / "replay.log", str(trace), "--speed", "1", "--url", server.base_url)
    eventually(lambda: Stream.objects.filter(status=StreamStatus.LIVE).exists(), deadline=30)
    killed.kill()
    done = replay(process_env, str(trace), "--speed", "10000", "--samples", "2", "--url", server.base_url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert Stream.objects.count() == 2
    assert Broadcaster.objects.count() == 1
    assert_nothing_is_left()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.csv"], "No such file"),
        ([str(REPOSITORY / "manage.py")], "line 1: the header lacks epoch_utc, device, channel"),
        (["--evening", "--from", "05:00", "--until", "06:00"], "nothing happens between these moments"),
        (["--evening", "--samples", "0"], "--samples and --streams must be at least 1"),
        (["trace.csv", "--loop"], "--loop goes with --evening"),
        (["trace.csv", "--evening"], "not allowed with"),
        (["--evening", "--speed", "0"], "a number above 0"),
        (["--evening", "--from", "noon"], "HH:MM, HH:MM:SS or an ISO date and time"),
    ],
)
def test_what_cannot_be_played_is_refused_in_words(transactional_db: None, arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError) as refusal:
        call_command("replay", *arguments)
    assert message in str(refusal.value)
    assert Stream.objects.count() == 0


def test_without_a_server_nothing_is_made(transactional_db: None) -> None:
    with pytest.raises(CommandError, match=r"No server at http://127\.0\.0\.1:1: "):
        call_command("replay", "--evening", "--url", "http://127.0.0.1:1")
    assert Stream.objects.count() == 0
