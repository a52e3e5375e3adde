"""A gate has no database, and no role has entrances that are not its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services.waiting import eventually
from tests.services.web import WebServer, get_json, get_status
from tests.waitingroom.gate import Client, zone_open

ROOT = Path(__file__).resolve().parents[2]
SOMEBODY = {"zoneId": "concert", "clientIp": "127.0.0.1", "clientAgent": "WEB"}

LOOK = """
import sys
import django
django.setup()
import config.asgi
from django.conf import settings
from django.db import connections
assert settings.DATABASES in ({}, {"default": {"ENGINE": "django.db.backends.dummy"}}), settings.DATABASES
assert connections["default"].vendor == "unknown"
assert not [name for name in settings.INSTALLED_APPS if name.startswith(("django.contrib.a", "apps.streams"))]
models = [name for name in sys.modules if name.startswith("apps.") and name.endswith(".models")]
assert models == [], models
print("no database")
"""


@pytest.mark.parametrize("mode", ["test", "embedded", "production"])
def test_no_mode_gives_a_gate_a_database(mode: str, tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "SUPPORT_REDIS_URL")}
    env |= {
        "DJANGO_SETTINGS_MODULE": f"config.settings.{mode}",
        "FULLHOUSE_ROLE": "gate",
        "FULLHOUSE_VAR": str(tmp_path),
        "SECRET_KEY": "k" * 50,
        "REDIS_URL": "redis+cluster://127.0.0.1:1",
        "ALLOWED_HOSTS": "gate.example",
    }
    ran = subprocess.run([sys.executable, "-c", LOOK], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.returncode) == ("no database\n", 0), ran.stderr


def test_a_gate_serves_its_entrances_and_nothing_else(gate: Callable[..., WebServer]) -> None:
    zone_open()
    server = gate()
    client = Client(server.port)
    assert client.ask("wait", SOMEBODY).json["canEnter"] is True
    assert client.ask("zones/concert", method="GET").json["zoneId"] == "concert"
    client.close()
    ready = eventually(lambda: get_json(f"{server.base_url}/health/ready"))
    assert (ready["role"], set(ready["parts"])) == ("gate", {"redis"})
    expected = {
        "/health/live": 200,
        "/metrics": 200,
        "/wait/concert/": 200,
        "/": 404,
        "/admin/": 404,
        "/accounts/sign-in/": 404,
        "/api/rankings": 404,
        "/traffic": 404,
    }
    assert {path: get_status(server.base_url + path) for path in expected} == expected


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("role", ["core", "admin"])
def test_other_tiers_are_no_gates(web: Callable[..., WebServer], role: str) -> None:
    zone_open()
    server = web(role=role)
    assert get_status(f"{server.base_url}/traffic/zones/concert") == 404
    assert get_status(f"{server.base_url}/wait/concert/") == 404
    assert get_status(f"{server.base_url}/") == 200


@pytest.mark.django_db(transaction=True)
def test_one_server_may_be_everything(web: Callable[..., WebServer]) -> None:
    zone_open()
    server = web()
    assert get_json(f"{server.base_url}/traffic/zones/concert")["zoneId"] == "concert"
    assert {get_status(server.base_url + path) for path in ("/wait/concert/", "/", "/api/rankings")} == {200}
