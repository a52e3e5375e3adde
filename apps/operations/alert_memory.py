"""Figures that need to know how it was before: how long a front has stood still, errors a minute, how long anything has
been so. Pure.

What is to be remembered goes out and comes back as JSON, with the subject's watch.
"""

from collections.abc import Mapping
from typing import Any

MINUTE_MS = 60_000
# What was the matter before a gap of no more than this, and is so after it, was so meanwhile: mostly it is why nobody
# looked. A Redis that hangs holds up those who look, too.
BRIDGED_MS = 600_000
# For so long the count of a process that does not report is kept, in case it was only away.
ABSENT_MS = 600_000

Memory = dict[str, Any]


def stillness(
    memory: Memory | None, *, epoch: int, front: int, waiting: int, now_ms: int
) -> tuple[Memory | None, float]:
    """For how many seconds the front has stood still while the line grew; 0 if either is not so.

    It grew if more wait than the fewest since the front last moved, so leaving and being taken out do not hide it.
    Nobody waits: there is nothing to remember.
    """
    if waiting <= 0:
        return None, 0.0
    if memory is None or (memory["epoch"], memory["front"]) != (epoch, front):
        return {"epoch": epoch, "front": front, "fewest": waiting, "since_ms": now_ms}, 0.0
    fewest, since_ms = min(memory["fewest"], waiting), min(memory["since_ms"], now_ms)
    still_s = (now_ms - since_ms) / 1000 if waiting > fewest else 0.0
    return {**memory, "fewest": fewest, "since_ms": since_ms}, still_s


def errors_a_minute(memory: Memory | None, *, totals: Mapping[str, int], now_ms: int) -> tuple[Memory, float]:
    """How many errors came in the last minute. `totals` is what each process has counted since it began.

    The first look only learns what was counted before. A process that is new since then has counted all of its errors
    since then, too. A count that fell is of a process that began anew under the same name.
    """
    if memory is None:
        known = {name: [count, now_ms] for name, count in totals.items()}
        return {"known": known, "points": [[now_ms, 0]]}, 0.0
    # A clock that was set back: what lies ahead of it happened now.
    points = [[min(at_ms, now_ms), count] for at_ms, count in memory["points"]]
    known = {name: [count, min(at_ms, now_ms)] for name, (count, at_ms) in memory["known"].items()}
    came = 0
    for name, count in totals.items():
        before = known.get(name, [0, 0])[0]
        came += count - before if count >= before else count
        known[name] = [count, now_ms]
    known = {name: entry for name, entry in known.items() if now_ms - entry[1] <= ABSENT_MS}
    points.append([now_ms, points[-1][1] + came])
    # The newest point that is a minute old is where the last minute begins; older ones are needed no more.
    old = [point for point in points if now_ms - point[0] >= MINUTE_MS]
    points = points[max(0, len(old) - 1) :]
    elapsed_ms = max(now_ms - points[0][0], MINUTE_MS)
    rate = (points[-1][1] - points[0][1]) * MINUTE_MS / elapsed_ms
    return {"known": known, "points": points}, rate


def lasting(memory: Memory | None, *, what: str | None, now_ms: int) -> tuple[Memory | None, float]:
    """For how many seconds the same has been the matter; 0 if nothing is (None).

    It goes on over a time in which nobody looked, but not over a long one.
    """
    if what is None:
        return None, 0.0
    since_ms = now_ms
    if memory is not None and memory["what"] == what and now_ms - memory["at_ms"] <= BRIDGED_MS:
        since_ms = min(memory["since_ms"], now_ms)
    return {"what": what, "since_ms": since_ms, "at_ms": now_ms}, (now_ms - since_ms) / 1000
