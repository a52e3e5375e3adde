"""The trace: its file form, the rules of a session, and the exact model of who is present."""

import csv
import gzip
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.operations.replay.trace import (
    Channel,
    Play,
    Session,
    Trace,
    TraceError,
    plays_parse,
    sample_moments,
    sessions_of,
    trace_cut,
    trace_read,
    true_counts,
)
from tests.services.traces import DAY, needs_traces

HEADER = "epoch_utc,device,channel,game,country,player\n"


def trace_file(folder: Path, text: str, *, zipped: bool = False) -> Path:
    path = folder / ("trace.csv.gz" if zipped else "trace.csv")
    path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    return path


# --- the file -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_a_file_becomes_channels_and_sessions(tmp_path: Path, zipped: bool) -> None:
    path = trace_file(tmp_path, HEADER + "100,7,ann,Chess,KR,site\n130,8,bob,,US,site\n", zipped=zipped)
    trace = trace_read(path, seed=3)
    assert [(session.start, session.device, session.channel) for session in trace.sessions] == [
        (100.0, "7", "ann"),
        (130.0, "8", "bob"),
    ]
    over = max(session.end for session in trace.sessions)
    assert trace.channels == (
        Channel("ann", "ann", "Chess", 100.0, over),
        Channel("bob", "bob", "", 100.0, over),
    )
    assert trace_read(path, seed=3) == trace
    assert trace_read(path, seed=4).sessions != trace.sessions


def test_columns_are_found_by_name_and_only_three_are_needed() -> None:
    rows = list(plays_parse(["channel,epoch_utc,device", '"a, b",5,d']))
    assert rows == [(Play(5.0, "d", "a, b"), "")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the header lacks epoch_utc, device, channel"),
        ("epoch_utc,channel\n1,2\n", "line 1: the header lacks device"),
        (HEADER, "the file has no rows"),
        (HEADER + "1,2,3,4,5,6\n1,2,3\n", "line 3: 3 columns where the header has 6"),
        (HEADER + "noon,2,3,4,5,6\n", "line 2: epoch_utc is not a whole number of seconds: 'noon'"),
        (HEADER + "-5,2,3,4,5,6\n", "line 2: epoch_utc is not a whole number of seconds: '-5'"),
        (HEADER + "1e400,2,3,4,5,6\n", "line 2: epoch_utc is not a whole number of seconds: '1e400'"),
        (HEADER + "١,2,3,4,5,6\n", "line 2: epoch_utc is not a whole number of seconds: '١'"),  # noqa: RUF001
        (HEADER + "1, ,3,4,5,6\n", "line 2: device is empty"),
        (HEADER + "1,2,,4,5,6\n", "line 2: channel is empty"),
        (HEADER + '1,2,3,4,5,"6\n', "line 2: unexpected end of data"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TraceError) as error:
        trace_read(trace_file(tmp_path, text), seed=1)
    assert str(error.value) == message


def test_a_damaged_archive_and_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.csv.gz"
    damaged.write_bytes(gzip.compress((HEADER * 100).encode())[:-20])
    with pytest.raises(TraceError, match="the file is damaged"):
        trace_read(damaged, seed=1)
    latin = tmp_path / "latin.csv"
    latin.write_bytes(HEADER.encode() + b"1,2,caf\xe9,4,5,6\n")
    with pytest.raises(TraceError, match="line 2: not UTF-8"):
        trace_read(latin, seed=1)


# --- the rules of a session ---------------------------------------------------------------------------------------


def test_playing_another_channel_ends_the_stay_at_once_and_the_same_channel_is_a_second_tab() -> None:
    plays = [Play(0, "d", "a"), Play(10, "d", "a"), Play(20, "d", "b"), Play(20, "e", "a")]
    sessions = sessions_of(plays, seed=1, mean_stay_s=1e9)
    assert [(session.start, session.end) for session in sessions[:2]] == [(0, 20), (10, 20)]
    assert true_counts(sessions, 9) == {"a": 1}
    assert true_counts(sessions, 15) == {"a": 1}  # two tabs, one device
    assert true_counts(sessions, 20) == {"a": 1, "b": 1}


def test_stays_have_a_mean_of_fifteen_minutes() -> None:
    plays = [Play(0, str(number), "a") for number in range(20_000)]
    mean = sum(session.end for session in sessions_of(plays, seed=1)) / 20_000
    assert mean == pytest.approx(900, rel=0.02)


PLAYS = st.lists(
    st.builds(Play, at=st.integers(0, 60).map(float), device=st.sampled_from("xyz"), channel=st.sampled_from("ab")),
    max_size=25,
)


@given(plays=PLAYS, seed=st.integers(0, 5), at=st.integers(0, 120))
def test_the_model_equals_one_that_walks_through_every_event(plays: list[Play], seed: int, at: int) -> None:
    sessions = sessions_of(plays, seed=seed, mean_stay_s=20.0)
    assert len(sessions) == len(plays)
    # Tabs that are open, kept up to date play by play; the stays that were drawn are found again by drawing alone.
    drawn = sessions_of(
        [Play(play.at, str(n), "-") for n, play in enumerate(sorted(plays, key=_at))], seed=seed, mean_stay_s=20.0
    )
    tabs: dict[int, tuple[Play, float]] = {}
    for number, play in enumerate(sorted(plays, key=_at)):
        if play.at > at:
            break
        tabs = {
            n: (other, end)
            for n, (other, end) in tabs.items()
            if not (other.device == play.device and other.channel != play.channel)
        }
        tabs[number] = (play, drawn[number].end)
    present = {(play.channel, play.device) for play, end in tabs.values() if end > at}
    assert true_counts(sessions, at) == dict(Counter(channel for channel, _ in present))


def _at(play: Play) -> float:
    return play.at


@given(plays=PLAYS, seed=st.integers(0, 5))
def test_a_device_is_on_one_channel_at_a_time(plays: list[Play], seed: int) -> None:
    sessions = sessions_of(plays, seed=seed, mean_stay_s=20.0)
    for t in range(0, 100, 3):
        there = {(session.device, session.channel) for session in sessions if session.start <= t < session.end}
        assert len(there) == len({device for device, _ in there})


# --- cutting and sampling -----------------------------------------------------------------------------------------


def test_a_cut_keeps_who_is_there_and_nobody_past_the_end_of_a_broadcast() -> None:
    trace = Trace(
        channels=(Channel("a", "a", "", 0, 100), Channel("b", "b", "", 0, 30), Channel("c", "c", "", 90, 100)),
        sessions=(
            Session(0, 60, "d", "a"),
            Session(5, 500, "e", "b"),  # drawn past the end of b
            Session(10, 35, "f", "a"),
            Session(50, 70, "g", "a"),
        ),
    )
    cut = trace_cut(trace, start=40, end=80)
    assert cut.channels == (Channel("a", "a", "", 40, 80),)
    assert cut.sessions == (Session(40, 60, "d", "a"), Session(50, 70, "g", "a"))
    assert (cut.start, cut.end) == (40, 80)
    with pytest.raises(TraceError, match="nothing happens"):
        trace_cut(trace, start=200, end=300)


def test_samples_are_spread_evenly_up_to_the_end() -> None:
    trace = Trace((Channel("a", "a", "", 10, 50),), ())
    assert sample_moments(trace, count=4) == [20, 30, 40, 50]
    assert sample_moments(trace, count=1) == [50]


# --- a real day ---------------------------------------------------------------------------------------------------


@needs_traces
def test_the_first_two_hours_of_a_real_day() -> None:
    trace = trace_read(DAY, seed=1)
    assert (len(trace.sessions), len(trace.channels)) == (14_537, 10)
    assert len({session.device for session in trace.sessions}) == 13_593
    with gzip.open(DAY, "rt") as file:
        rows = [(float(row["epoch_utc"]), row["device"], row["channel"]) for row in csv.DictReader(file)]
    assert [(session.start, session.device, session.channel) for session in trace.sessions] == rows

    hours = trace_cut(trace, start=trace.start, end=trace.start + 7200)
    walked: dict[str, Counter[str]] = {}
    events = [(session.start, 1, session) for session in hours.sessions]
    events += [(session.end, 0, session) for session in hours.sessions]
    events.sort(key=lambda event: event[:2])
    moments = sample_moments(hours, count=8)
    for moment in moments:
        while events and events[0][0] <= moment:
            _, opens, session = events.pop(0)
            walked.setdefault(session.channel, Counter())[session.device] += 1 if opens else -1
        present = {channel: sum(tabs > 0 for tabs in devices.values()) for channel, devices in walked.items()}
        assert true_counts(hours.sessions, moment) == {channel: n for channel, n in present.items() if n}
    assert true_counts(hours.sessions, moments[-1]) == {}
