"""Production: refuses to start without its secrets and stores."""

import os

from django.core.exceptions import ImproperlyConfigured

from .base import *
from .base import ALLOWED_HOSTS, REDIS_URL, ROLE, SECRET_KEY, SUPPORT_REDIS_URL

_required = {
    "SECRET_KEY": len(SECRET_KEY) >= 50,
    "REDIS_URL": bool(REDIS_URL),
    # A gate runs with no database, no cache and no channel layer.
    "SUPPORT_REDIS_URL": ROLE == "gate"
    or (bool(SUPPORT_REDIS_URL) and not SUPPORT_REDIS_URL.startswith("redis+cluster")),
    "ALLOWED_HOSTS": bool(ALLOWED_HOSTS),
    "DATABASE_URL": ROLE == "gate" or bool(os.environ.get("DATABASE_URL")),
}
_missing = [name for name, present in _required.items() if not present]
if _missing:
    raise ImproperlyConfigured(
        f"Set these environment variables before starting in production: {', '.join(_missing)}."
        " SECRET_KEY needs at least 50 characters; SUPPORT_REDIS_URL must not be a Cluster."
    )

SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 31_536_000
