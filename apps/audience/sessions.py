"""The rules of viewing sessions, without I/O: who holds one, when it falls silent, which day it belongs to."""

import datetime
import zoneinfo
from dataclasses import dataclass

# A session is a tab. Not heard of for so long, it no longer counts (the reference's 60-second heartbeat key).
SILENCE_MS = 60_000
# Every session is announced again this often: three chances before it falls silent.
BEAT_EVERY_S = 15.0
# Sessions of a server that drains are kept this long for their tabs to come back elsewhere.
DRAIN_GRACE_MS = 20_000
# A server process that has not reported for this long is not registered any more.
SERVER_SILENCE_MS = 15_000

SEOUL = zoneinfo.ZoneInfo("Asia/Seoul")


@dataclass(frozen=True, slots=True)
class Session:
    """One open tab of one viewer, as held by one connection of one server process.

    `owner` orders connections of the same session: 13 digits of connect time in epoch ms, the server, a serial number.
    Of two connections with the same session the greater owner holds it. `joined_ms`: when the tab came (epoch ms), if
    that was before this connection.
    """

    session_id: str
    viewer_id: str
    stream_id: int
    owner: str
    joined_ms: int | None = None

    @property
    def since_ms(self) -> int:
        """When the tab came, as far as is known here: epoch ms."""
        return int(self.owner[:13]) if self.joined_ms is None else self.joined_ms


def owner_make(*, connected_ms: int, server: str, serial: int) -> str:
    """The owner string of a connection; compares by time first, and by number within a millisecond."""
    return f"{connected_ms:013d}.{server}.{serial:08d}"


def seoul_day(epoch_ms: int) -> str:
    """YYYYMMDD in Asia/Seoul: the day that `unique today` speaks of."""
    return datetime.datetime.fromtimestamp(epoch_ms / 1000, SEOUL).strftime("%Y%m%d")
