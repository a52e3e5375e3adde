"""What the managers' sockets are sent, as JSON text made of parts that are encoded once."""

from collections.abc import Iterable, Mapping

from ..bearing import Bearing
from .wall import ZoneFacts, encode


def wall(rows: Iterable[str], gone: Iterable[str], *, at: int, gates: int, whole: bool) -> str:
    """Rows of the wall, each JSON already; `whole`: all of them, and there are no others."""
    return (
        f'{{"type":"wall","at":{at},"whole":{_json(whole)},"gates":{gates},'
        f'"rows":[{",".join(rows)}],"gone":{encode(sorted(gone))}}}'
    )


def zone(
    facts: ZoneFacts,
    bearing: Bearing | None,
    row: str,
    parts: Mapping[str, str],
    *,
    at: int,
    gates: int,
    whole: bool,
    role: int | None = None,
) -> str:
    """One zone: its row, what its page shows besides, and parts of its past; row and parts are JSON already.

    A `whole` one tells the role of those whom it is for.
    """
    own = {
        "changed_ms": facts.changed_ms,
        "message": facts.message,
        "message_ko": facts.message_ko,
        "prequeue_from_ms": facts.prequeue_from_ms,
        "called": 0 if bearing is None else bearing.called,
    }
    past = "".join(f',"{name}":{text}' for name, text in parts.items())
    theirs = f'"role":{role:d},' if whole and role is not None else ""
    return (
        f'{{"type":"zone","at":{at},"whole":{_json(whole)},{theirs}"gates_alive":{gates},'
        f"{row[1:-1]},{encode(own)[1:-1]}{past}}}"
    )


def stale(since_ms: int) -> str:
    """Redis is away: the figures shown are as old as this."""
    return f'{{"type":"stale","since":{since_ms}}}'


def role(level: int) -> str:
    """The role of whoever watches is another one now."""
    return f'{{"type":"role","role":{level:d}}}'


def reconnect(within_ms: int) -> str:
    """Come back within so many ms, at a moment of your own."""
    return f'{{"type":"reconnect","within_ms":{within_ms}}}'


def _json(value: bool) -> str:
    return "true" if value else "false"
