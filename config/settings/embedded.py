"""Embedded: everything on one machine, state in var/, what `make run` starts."""

import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key

from config.hosts import machine_names

VAR_DIR = Path(os.environ.get("FULLHOUSE_VAR", Path(__file__).resolve().parent.parent.parent / "var"))
VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

if not os.environ.get("SECRET_KEY"):
    # One secret a folder, made at the first start, so that cookies and tokens outlive a restart.
    _secret_file = VAR_DIR / "secret_key"
    if not _secret_file.exists():
        _secret_file.touch(mode=0o600)
        _secret_file.write_text(get_random_secret_key())
    os.environ["SECRET_KEY"] = _secret_file.read_text()
os.environ.setdefault("DATABASE_URL", f"sqlite:///{VAR_DIR / 'fullhouse.sqlite3'}")
# The Redis that `make run` started from this folder, so that other commands speak to it, too.
_redis_address = VAR_DIR / "redis" / "url"
os.environ.setdefault(
    "REDIS_URL", _redis_address.read_text() if _redis_address.exists() else "redis://127.0.0.1:6379/0"
)
os.environ.setdefault("FULLHOUSE_STATIC_ROOT", str(VAR_DIR / "staticfiles"))

from .base import *  # noqa: E402  the environment above must be set first
from .base import ALLOWED_HOSTS, DATABASES  # noqa: E402

ALLOWED_HOSTS = ALLOWED_HOSTS or machine_names()
if DATABASES and DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # a gate has none
    # Web and worker write the same file: wait for the lock instead of failing, and let readers read on.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
