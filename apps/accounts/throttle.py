"""Limits on guesses, counted in the cache in fixed windows: few per address and name, more per address alone.

The first keeps one account from being guessed at; the second keeps one address from trying a few passwords on many
names. When the cache cannot be reached, attempts are let through: being unable to sign in at all would be the worse
fault.
"""

import time
from dataclasses import dataclass

from django.core.cache import cache
from django.utils.crypto import salted_hmac

WINDOW_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Limits:
    """Attempts a window: of one address on one name (None: names do not matter), and of one address on anything."""

    per_name: int | None
    per_address: int


LIMITS = {
    # The site's and the admin's together. An address may be a whole office, hence the room.
    "sign-in": Limits(per_name=10, per_address=50),
    # Every sign-up has a name of its own.
    "sign-up": Limits(per_name=None, per_address=20),
    # Of a zone's past, by who asks in place of an address: each may be a week of minutes.
    "report": Limits(per_name=None, per_address=60),
}


def digest(purpose: str, *who: str) -> str:
    """What stands for them in keys of the cache."""
    # Hashed, because names may hold any character and of any length, and cache keys may not. With our key, because the
    # addresses of all the world can be hashed in minutes, and whoever reads the cache is not to learn who came.
    return salted_hmac(purpose, "\n".join(who), algorithm="sha256").hexdigest()[:32]


def _key(action: str, *who: str) -> str:
    return f"throttle:{action}:{digest('apps.accounts.throttle', *who)}"


def _name_key(action: str, address: str, name: str) -> str:
    return _key(action, address, name.strip().casefold())


def _count(key: str, limit: int) -> int:
    """Count one; 0 while within the limit, else the seconds until the window ends."""
    now = time.time()
    # The first attempt writes when the window ends; the count beside it lives exactly as long.
    cache.add(f"{key}:until", now + WINDOW_SECONDS, WINDOW_SECONDS)
    cache.add(key, 0, WINDOW_SECONDS)
    try:
        count = cache.incr(key) or 0
    except ValueError:  # the window ended between the two lines above
        return 0
    if count <= limit:
        return 0
    return max(1, round((cache.get(f"{key}:until") or now) - now))


def attempt_record(*, action: str, address: str, name: str) -> int:
    """Count one attempt. Returns 0 when it may go on, else after how many seconds to try again."""
    limits = LIMITS[action]
    wait = _count(_key(action, address), limits.per_address)
    if limits.per_name is not None:
        wait = max(wait, _count(_name_key(action, address, name), limits.per_name))
    return wait


def attempts_forget(*, action: str, address: str, name: str) -> None:
    """After an attempt that succeeded: start afresh for the name, and do not hold this attempt against the address.

    Those that failed stay counted there, or an account of one's own would be the way to guess at others for ever.
    """
    key = _name_key(action, address, name)
    cache.delete_many([key, f"{key}:until"])
    try:
        cache.decr(_key(action, address))
    except ValueError:  # its window has ended
        return
