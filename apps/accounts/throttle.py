"""A limit on guesses: so many attempts per address and name in a fixed window, counted in the cache.

When the cache cannot be reached, attempts are let through: being unable to sign in at all would be the worse fault.
"""

import hashlib
import time

from django.core.cache import cache

LIMIT = 10
WINDOW_SECONDS = 300


def _key(action: str, address: str, name: str) -> str:
    # Hashed, because names may hold any character and of any length, and cache keys may not.
    digest = hashlib.sha256(f"{address}\n{name.strip().casefold()}".encode()).hexdigest()[:32]
    return f"throttle:{action}:{digest}"


def attempt_record(*, action: str, address: str, name: str) -> int:
    """Count one attempt. Returns 0 when it may go on, else after how many seconds to try again."""
    key = _key(action, address, name)
    now = time.time()
    # The first attempt writes when the window ends; the count beside it lives exactly as long.
    cache.add(f"{key}:until", now + WINDOW_SECONDS, WINDOW_SECONDS)
    cache.add(key, 0, WINDOW_SECONDS)
    try:
        count = cache.incr(key) or 0
    except ValueError:  # the window ended between the two lines above
        return 0
    if count <= LIMIT:
        return 0
    return max(1, round((cache.get(f"{key}:until") or now) - now))


def attempts_forget(*, action: str, address: str, name: str) -> None:
    """Start afresh, after an attempt that succeeded."""
    key = _key(action, address, name)
    cache.delete_many([key, f"{key}:until"])
