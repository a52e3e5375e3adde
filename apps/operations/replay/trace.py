"""A trace: which device watched which channel, and when. Reads the file form, and knows the true count at any moment.

Pure: no Django, no network, no clock. The rules that turn "a device pressed play" into a viewing session:

- each row opens one session of that device on that channel at that second;
- the file has no leave times, so a stay is a seeded exponential with a mean of 15 minutes;
- a session ends at once when its device plays another channel. Playing the same channel again is a second tab.

A session is present from its start, included, until its end, excluded.
"""

import csv
import gzip
import io
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

MEAN_STAY_S = 15 * 60.0
REQUIRED_COLUMNS = ("epoch_utc", "device", "channel")
GZIP_MAGIC = b"\x1f\x8b"


class TraceError(ValueError):
    """The file is not a trace. The message names the line, for a person to find it."""


@dataclass(frozen=True, slots=True)
class Play:
    """A device pressed play."""

    at: float
    device: str
    channel: str


@dataclass(frozen=True, slots=True)
class Session:
    """A device's stay on a channel; one WebSocket in a replay. A broadcast that ends sooner ends the stay too."""

    start: float
    end: float
    device: str
    channel: str


@dataclass(frozen=True, slots=True)
class Channel:
    """What is broadcast, and between which moments it is live."""

    name: str
    title: str
    category: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Trace:
    """Channels and sessions, the latter by start."""

    channels: tuple[Channel, ...]
    sessions: tuple[Session, ...]

    @property
    def start(self) -> float:
        """The moment of the first event."""
        return min(channel.start for channel in self.channels)

    @property
    def end(self) -> float:
        """The moment of the last event."""
        return max(channel.end for channel in self.channels)


def plays_parse(lines: Iterable[str]) -> Iterator[tuple[Play, str]]:
    """Each row of the audience form with its game. The header names the columns; their order is free."""
    rows = csv.reader(lines, strict=True)
    try:
        header = next(rows, [])
        missing = [name for name in REQUIRED_COLUMNS if name not in header]
        if missing:
            raise TraceError(f"line 1: the header lacks {', '.join(missing)}")
        at, device, channel = (header.index(name) for name in REQUIRED_COLUMNS)
        game = header.index("game") if "game" in header else None
        for row in rows:
            if len(row) != len(header):
                raise TraceError(f"line {rows.line_num}: {len(row)} columns where the header has {len(header)}")
            # isdecimal() alone would let digits of other scripts through.
            if not (row[at].isascii() and row[at].isdecimal()):
                raise TraceError(f"line {rows.line_num}: epoch_utc is not a whole number of seconds: {row[at]!r}")
            for name, column in (("device", device), ("channel", channel)):
                if not row[column].strip():
                    raise TraceError(f"line {rows.line_num}: {name} is empty")
            yield Play(float(row[at]), row[device], row[channel]), row[game] if game is not None else ""
    except csv.Error as error:
        raise TraceError(f"line {rows.line_num}: {error}") from None


def sessions_of(plays: Iterable[Play], *, seed: int, mean_stay_s: float = MEAN_STAY_S) -> list[Session]:
    """The viewing sessions of some plays, by start. The same plays and seed always give the same sessions."""
    chance = random.Random(seed)
    sessions: list[Session] = []
    watching: dict[str, list[int]] = defaultdict(list)  # device -> sessions that may still be open, by index
    for play in sorted(plays, key=lambda play: play.at):  # stable: rows of one second keep the file's order
        stay = chance.expovariate(1.0 / mean_stay_s)
        for index in watching[play.device]:
            earlier = sessions[index]
            if earlier.channel != play.channel and earlier.end > play.at:
                sessions[index] = replace(earlier, end=play.at)
        watching[play.device] = [index for index in watching[play.device] if sessions[index].end > play.at]
        watching[play.device].append(len(sessions))
        sessions.append(Session(play.at, play.at + stay, play.device, play.channel))
    return sessions


def true_counts(sessions: Iterable[Session], t: float) -> dict[str, int]:
    """Unique devices on each channel at moment t, straight from the definition; channels without any are left out."""
    devices: dict[str, set[str]] = defaultdict(set)
    for session in sessions:
        if session.start <= t < session.end:
            devices[session.channel].add(session.device)
    return {channel: len(present) for channel, present in devices.items()}


def text_read(path: Path) -> str:
    """The text of a CSV file, gzipped or not; TraceError if it is damaged or no UTF-8."""
    raw = path.read_bytes()
    try:
        return (gzip.decompress(raw) if raw.startswith(GZIP_MAGIC) else raw).decode("utf-8-sig")
    except (OSError, EOFError) as error:
        raise TraceError(f"the file is damaged: {error}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise TraceError(f"line {line}: not UTF-8") from None


def trace_read(path: Path, *, seed: int, mean_stay_s: float = MEAN_STAY_S) -> Trace:
    """A trace from a CSV file, gzipped or not. Every channel is live from the first event to the last."""
    text = text_read(path)
    plays: list[Play] = []
    games: dict[str, str] = {}
    for play, game in plays_parse(io.StringIO(text, newline="")):
        plays.append(play)
        games.setdefault(play.channel, game)  # a channel may change its game; its first one names it
    if not plays:
        raise TraceError("the file has no rows")
    sessions = sessions_of(plays, seed=seed, mean_stay_s=mean_stay_s)
    start, end = sessions[0].start, max(session.end for session in sessions)
    return Trace(
        channels=tuple(Channel(name, name, game, start, end) for name, game in sorted(games.items())),
        sessions=tuple(sessions),
    )


def trace_cut(trace: Trace, *, start: float, end: float) -> Trace:
    """The part of a trace between two moments. Who is there at the start opens at the start."""
    live_until = {channel.name: channel.end for channel in trace.channels}
    channels = [
        replace(channel, start=max(channel.start, start), end=min(channel.end, end))
        for channel in trace.channels
        if channel.start < end and channel.end > start
    ]
    sessions = [
        replace(session, start=max(session.start, start), end=min(session.end, end))
        for session in trace.sessions
        # Nobody stays past the end of the broadcast, however long the stay that was drawn.
        if session.start < end and min(session.end, live_until[session.channel]) > start
    ]
    if not channels:
        raise TraceError("nothing happens between these moments")
    return Trace(tuple(channels), tuple(sorted(sessions, key=lambda session: session.start)))


def sample_moments(trace: Trace, *, count: int) -> list[float]:
    """`count` moments spread evenly over the trace, the last one at its end, when everyone has left."""
    step = (trace.end - trace.start) / count
    return [trace.start + step * number for number in range(1, count)] + [trace.end]
