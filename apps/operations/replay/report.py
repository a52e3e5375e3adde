"""What a replay found: the trace's true counts beside Fullhouse's answers."""

from collections.abc import Sequence
from dataclasses import dataclass

SHOWN_STREAMS = 12  # of an exact moment; every stream with a difference is always shown


@dataclass(frozen=True, slots=True)
class Reading:
    """One stream at one moment. `answer` is None when Fullhouse gave none."""

    channel: str
    true: int
    answer: int | None

    @property
    def difference(self) -> int:
        """How far off the answer is; no answer is off by everyone, and by one at least."""
        return self.answer - self.true if self.answer is not None else -max(self.true, 1)


@dataclass(frozen=True, slots=True)
class Sample:
    """All live streams at one moment of the trace's clock."""

    moment: float
    held_ms: float  # until every due open and close was done at the sockets
    settle_ms: float  # from then until Fullhouse's answers stopped differing, or the deadline
    sockets: int
    unsettled: int  # sockets that were still not as they should be when the hold ended
    readings: tuple[Reading, ...]

    @property
    def differences(self) -> list[Reading]:
        """The readings that are off."""
        return [reading for reading in self.readings if reading.difference]


def clock_text(moment: float) -> str:
    """A moment of the trace's clock as HH:MM:SS, in UTC."""
    seconds = int(moment) % 86_400
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def differences_total(samples: Sequence[Sample]) -> int:
    """Viewers miscounted, over all streams and moments: 0 is exact."""
    return sum(abs(reading.difference) for sample in samples for reading in sample.readings)


def table_lines(samples: Sequence[Sample]) -> list[str]:
    """The table that the replay prints last; nothing when no moment was compared."""
    if not samples:
        return []
    lines = [f"{'moment':8}  {'stream':28}  {'true':>7}  {'Fullhouse':>9}  {'difference':>10}"]
    for sample in samples:
        clock = clock_text(sample.moment)
        ranked = sorted(sample.readings, key=lambda reading: (not reading.difference, -reading.true, reading.channel))
        shown = max(SHOWN_STREAMS, len(sample.differences))
        for reading in ranked[:shown]:
            answer = "none" if reading.answer is None else f"{reading.answer:,}"
            lines.append(
                f"{clock}  {reading.channel[:28]:28}  {reading.true:>7,}  {answer:>9}  {reading.difference:>+10,}"
            )
        rest = ranked[shown:]
        if rest:
            true = sum(reading.true for reading in rest)
            lines.append(f"{clock}  {f'and {len(rest)} more streams':28}  {true:>7,}  {true:>9,}  {0:>+10}")
        lines.append(
            f"{clock}  {sample.sockets:,} sockets; settled in {sample.settle_ms:,.0f} ms"
            f" after {sample.held_ms:,.0f} ms of waiting for the sockets"
            + (f"; {sample.unsettled:,} SOCKETS NEVER GOT THERE" if sample.unsettled else "")
        )
    return lines


def summary_line(samples: Sequence[Sample]) -> str:
    """Exact or not, in one sentence."""
    if not samples:
        return "No moment was compared: the replay ended before the first one."
    readings = sum(len(sample.readings) for sample in samples)
    wrong = sum(len(sample.differences) for sample in samples)
    slowest = max(sample.settle_ms for sample in samples)
    verdict = (
        "every answer was exact" if not wrong else f"{wrong:,} answers differed, by {differences_total(samples):,}"
    )
    return f"{len(samples)} moments, {readings:,} answers: {verdict}. The slowest moment settled in {slowest:,.0f} ms."
