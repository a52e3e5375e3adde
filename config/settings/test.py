"""Tests: what tests/plugin.py puts into the environment, cheap password hashes, files straight from the sources."""

import os

os.environ.setdefault("SECRET_KEY", "a key for tests only, which signs nothing that anyone outside of a test could use")
os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1/0")  # fixtures replace it; port 1 refuses, it never half-works

from .base import *

ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
ALERT_SCHEMES = [*ALERT_SCHEMES, "json"]
ALERT_INTERNAL_HOSTS = ["127.0.0.1"]  # where the tests' own endpoints listen
RANKINGS_KEPT_S = 0.0  # every test sees what it did just now; test_rankings_kept.py turns it on
CACHES["moment"] = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}  # as above
