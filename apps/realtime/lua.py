"""Lua scripts as package data: one file a verb, loaded once, called by hash.

A script opens with its contract (purpose, KEYS, ARGV, returns, why it is safe to repeat) and takes the time as an
argument, so that a test decides what the clock says.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script: its source and the SHA-1 by which Redis knows it once it is loaded."""

    name: str
    source: str
    sha: str

    def call(self, keys: list[str], args: list[str | int | bytes]) -> tuple[object, ...]:
        """Arguments of the EVALSHA that runs this script; the first key decides the Cluster slot."""
        return ("EVALSHA", self.sha, len(keys), *keys, *args)


_by_sha: dict[str, Script] = {}


def load_script(package: str, verb: str, *, prelude: str | Sequence[str] = ()) -> Script:
    """Read `<package>/lua/<verb>.lua` and remember it, so that a Redis which forgot its scripts can be told again.

    `prelude` names the script, or several, of the same folder that go before it: what several verbs share.
    """
    parts = [*([prelude] if isinstance(prelude, str) else prelude), verb]
    source = "\n".join((files(package) / "lua" / f"{name}.lua").read_text(encoding="utf-8") for name in parts)
    script = Script(name=verb, source=source, sha=hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
    _by_sha[script.sha] = script
    return script


def script_by_sha(sha: str) -> Script:
    """The loaded script with this hash; KeyError if no module of ours loaded it."""
    return _by_sha[sha]
