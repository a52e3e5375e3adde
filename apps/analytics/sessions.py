"""A session's record, as Redis keeps it till it is in the database, made into a row. Pure."""

import datetime
from typing import Any

from .models import LeaveReason

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
# 2001 to 2286: 13 digits, as whoever joins is given. Anything else is no time at which somebody watched.
EARLIEST_MS, LATEST_MS = 10**12, 10**13 - 1
LONGEST_S = 2**31 - 1  # what the column holds on every database
LONGEST_NAME = 40
REASONS = frozenset(LeaveReason.values)


class RecordRefused(ValueError):
    """No row can be made of this record; `reason`: malformed, names, times."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


def session_row(stream_id: int, record: bytes) -> dict[str, Any]:
    """The row of user_sessions that a record (session|left_ms|reason|joined_ms|viewer) stands for; RecordRefused.

    Clocks of two servers differ by a little: who left before he joined watched for no time.
    """
    try:
        session_id, left, reason, joined, viewer_id = record.decode("ascii").split("|")
        joined_ms, left_ms = int(joined), int(left)
    except ValueError as error:  # also what is no text at all
        raise RecordRefused("malformed", "it is not session|left_ms|reason|joined_ms|viewer") from error
    if reason not in REASONS:
        raise RecordRefused("malformed", f"{reason[:LONGEST_NAME]!r} is no reason to leave")
    if not (0 < len(session_id) <= LONGEST_NAME and 0 < len(viewer_id) <= LONGEST_NAME):
        raise RecordRefused("names", f"session and viewer have 1 to {LONGEST_NAME} characters")
    left_ms = max(left_ms, joined_ms)
    seconds = (left_ms - joined_ms) // 1000
    if joined_ms < EARLIEST_MS or left_ms > LATEST_MS or seconds > LONGEST_S:
        raise RecordRefused("times", f"nobody watched from {joined_ms} to {left_ms}")
    return {
        "session_id": session_id,
        "joined_at": EPOCH + datetime.timedelta(milliseconds=joined_ms),
        "left_at": EPOCH + datetime.timedelta(milliseconds=left_ms),
        "seconds": seconds,
        "viewer_id": viewer_id,
        "stream_id": stream_id,
        "reason": reason,
    }
