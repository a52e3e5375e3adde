"""What a gate needs to know of a zone: its rules, their limits, and their form in Redis.

People write zones into the database; whoever serves a line reads only this. A `ZoneRules` that exists is valid: its
limits are checked when it is made, so nobody downstream checks them again.
"""

import json
import re
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Protocol

ZONE_ID_PATTERN = r"[A-Za-z0-9_-]{1,64}"
_ZONE_ID = re.compile(ZONE_ID_PATTERN)
# An origin as browsers spell it: scheme, host, port if it isn't the scheme's own; no path, no slash at the end.
_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]{2,45}\])(?::[0-9]{1,5})?")

MAX_PER_MINUTE = 10_000_000
IDLE_LIMITS_S = (10, 3_600)
POLL_LIMITS_MS = (1_000, 20_000)
PASS_LIMITS_S = (10, 86_400)
MAX_NAME = 80
MAX_MESSAGE = 500
MAX_ORIGINS = 20
MAX_OVER, MAX_ADDRESS = 20, 300
# Numbers travel through Lua and JavaScript, whose integers are exact up to here.
MAX_EXACT = 2**53
# The year 2200. Windows are numbered in 32 bits, which last until 2786, and a foretold one may lie far ahead.
MAX_OPENS_MS = 7_258_118_400_000


class Mode(StrEnum):
    """What a zone does with those who come."""

    OPEN = "open"  # in at once while there is room and nobody waits, else into the line
    QUEUE_ALL = "queue-all"  # everybody into the line
    PAUSED = "paused"  # into the line, and nobody goes in
    BLOCKED = "blocked"  # no new places, and nobody goes in
    BYPASS = "bypass"  # everybody in at once
    OBSERVE = "observe"  # the same, and counted who would have waited


class RulesError(ValueError):
    """These rules cannot be. `field` names what is wrong, "" when it is the whole."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}" if field else detail)
        self.field = field
        self.detail = detail


class Timed(Protocol):
    """What decides a zone's state."""

    @property
    def mode(self) -> Mode:
        """What the zone does with those who come."""

    @property
    def opens_at_ms(self) -> int | None:
        """Epoch ms."""

    @property
    def prequeue_from_ms(self) -> int | None:
        """Epoch ms."""


@dataclass(frozen=True, slots=True)
class ZoneRules:
    """One zone's rules. Moments are milliseconds since 1970; making one raises RulesError when a limit is broken."""

    zone_id: str
    name: str
    per_minute: int  # N: how many enter a minute, 0 for nobody
    mode: Mode
    message: str  # from the manager to those who wait
    idle_s: int = 60  # silent for this long: out of the line
    poll_ms: int = 3_000  # how often a client asks, at least this far apart
    fail_open: bool = False  # whether people enter while Redis is away
    opens_at_ms: int | None = None
    prequeue_from_ms: int | None = None  # from here to the opening places are drawn, not first come first served
    seed: int = 0  # of that draw
    pass_s: int = 600  # how long a pass is good for
    single_use: bool = False
    epoch: int = 1  # raised to clear the line
    version: int = 1  # raised by every change
    origins: tuple[str, ...] = ()  # foreign sites to which the waiting page may return
    name_ko: str = ""
    message_ko: str = ""
    slowed_at_ms: int = 0  # when N was last lowered, 0 for never
    over: tuple[str, ...] = ()  # paths of this site at which there is nothing to wait for any more

    def __post_init__(self) -> None:
        if not isinstance(self.zone_id, str) or not _ZONE_ID.fullmatch(self.zone_id):
            raise RulesError("zone_id", "needs 1 to 64 letters, digits, _ or -")
        if not isinstance(self.mode, Mode):
            raise RulesError("mode", "is none of the modes")
        _number("per_minute", self.per_minute, 0, MAX_PER_MINUTE)
        _number("idle_s", self.idle_s, *IDLE_LIMITS_S)
        _number("poll_ms", self.poll_ms, *POLL_LIMITS_MS)
        if self.poll_ms * 2 > self.idle_s * 1_000:
            raise RulesError("poll_ms", "must fit into the idle limit at least twice")
        _number("pass_s", self.pass_s, *PASS_LIMITS_S)
        _number("seed", self.seed, 0, MAX_EXACT)
        _number("epoch", self.epoch, 1, MAX_EXACT)
        _number("version", self.version, 1, MAX_EXACT)
        _number("slowed_at_ms", self.slowed_at_ms, 0, MAX_EXACT)
        self._schedule_check()
        for field in ("fail_open", "single_use"):
            if not isinstance(getattr(self, field), bool):
                raise RulesError(field, "must be true or false")
        for field, longest in (("name", MAX_NAME), ("name_ko", MAX_NAME)):
            _text(field, getattr(self, field), longest)
        for field in ("message", "message_ko"):
            _text(field, getattr(self, field), MAX_MESSAGE)
        self._origins_check()
        if not isinstance(self.over, tuple) or len(self.over) > MAX_OVER:
            raise RulesError("over", f"must be at most {MAX_OVER} paths")
        for address in self.over:
            _text("over", address, MAX_ADDRESS)

    def _schedule_check(self) -> None:
        for field in ("opens_at_ms", "prequeue_from_ms"):
            if getattr(self, field) is not None:
                _number(field, getattr(self, field), 1, MAX_OPENS_MS)
        if self.prequeue_from_ms is None:
            return
        if self.opens_at_ms is None:
            raise RulesError("prequeue_from_ms", "needs an opening")
        if self.prequeue_from_ms >= self.opens_at_ms:
            raise RulesError("prequeue_from_ms", "must come before the opening")

    def _origins_check(self) -> None:
        if not isinstance(self.origins, tuple) or len(self.origins) > MAX_ORIGINS:
            raise RulesError("origins", f"must be at most {MAX_ORIGINS} origins")
        for origin in self.origins:
            if not isinstance(origin, str) or not is_origin(origin):
                raise RulesError("origins", f"{origin!r} is not like https://example.org")

    def to_json(self) -> str:
        """These rules as one JSON object, the same bytes for the same rules."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return json.dumps(values, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> "ZoneRules":
        """The rules in a JSON object. RulesError on anything wrong.

        A field that this release doesn't know is left alone: while a new release is rolled out, old gates go on.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RulesError("", "is not JSON") from error
        if not isinstance(values, dict):
            raise RulesError("", "is not an object")
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        for field in ("origins", "over"):
            if isinstance(known.get(field), list):
                known[field] = tuple(known[field])
        known["mode"] = _mode(known.get("mode"))
        try:
            return cls(**known)
        except TypeError as error:  # a field without a default is missing: checks above never raise it
            raise RulesError("", "lacks a field") from error


def origins_of(text: str) -> tuple[str, ...]:
    """What people typed, one a line. Browsers copy an address with a slash at its end, which is forgiven."""
    return tuple(line.strip().removesuffix("/") for line in text.splitlines() if line.strip())


def is_origin(text: str) -> bool:
    """Whether a browser would spell an origin so."""
    return len(text) <= 300 and bool(_ORIGIN.fullmatch(text))


def _mode(value: Any) -> Mode:
    try:
        return Mode(value)
    except ValueError as error:
        raise RulesError("mode", "is none of the modes") from error


def _number(field: str, value: Any, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RulesError(field, f"must be a whole number from {least} to {most}")


def _text(field: str, value: Any, longest: int) -> None:
    # A lone surrogate can stand in JSON and cannot be sent as UTF-8; a NUL no database keeps.
    if not isinstance(value, str) or len(value) > longest or "\0" in value or not _is_utf8(value):
        raise RulesError(field, f"must be text of at most {longest} characters")


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
