"""Whether alert rules see anything at all: for how long each source of their figures could not be read.

Without this nobody would be told of the gravest outage: what cannot be read changes nothing. Whether rules are looked
at, which takes a worker, its broker and the database, only somebody outside can tell.
"""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy, override

from .alert_memory import Memory, lasting
from .alert_readings import Reading

REDIS = "redis"
LINES = "lines"
DRIFT = "drift"
WORDS = {
    REDIS: gettext_lazy("Redis does not answer"),
    LINES: gettext_lazy("no gate keeps up with a line in which people wait"),
    DRIFT: gettext_lazy("viewer counts are not compared with what servers hold"),
}
AWAY = "away"


def source_readings(
    *,
    is_redis_away: bool,
    are_lines_adrift: bool | None,
    is_drift_measured: bool | None,
    memories: Mapping[str, Memory | None],
    now_ms: int,
) -> dict[str, Reading]:
    """For how long each source has been away; what is None could not be asked, which changes nothing."""
    is_measured_not = None if is_drift_measured is None else not is_drift_measured
    found = {}
    for source, is_away in ((REDIS, is_redis_away), (LINES, are_lines_adrift), (DRIFT, is_measured_not)):
        with override("en"):
            place = str(WORDS[source])
        with override("ko"):
            place_ko = str(WORDS[source])
        memory = memories.get(source)
        if is_away is None:
            found[source] = Reading(None, place, place_ko, memory)
            continue
        memory, seconds = lasting(memory, what=AWAY if is_away else None, now_ms=now_ms)
        found[source] = Reading(seconds, place, place_ko, memory)
    return found
