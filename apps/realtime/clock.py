"""The machine's clock in the unit of everything that travels: milliseconds since 1970."""

import time
from datetime import datetime


def epoch_ms() -> int:
    """Now."""
    return int(time.time() * 1000)


def epoch_ms_of(moment: datetime) -> int:
    """A moment with a time zone."""
    return int(moment.timestamp() * 1000)
