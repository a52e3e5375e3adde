"""Which servers the environment says may be read from."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.process import REPOSITORY

# --- settings -----------------------------------------------------------------------------------------------------


def test_addresses_in_the_environment_make_aliases(tmp_path: Path) -> None:
    from config.readers import reader_databases

    assert reader_databases({"ranking": "", "history": ""}) == {}
    found = reader_databases(
        {"history": "mysql://u:p@replica:3307/past", "analytics": "mysql://u@replica/past?read_timeout=300"}
    )
    assert list(found) == ["history", "analytics"]
    assert (found["history"]["HOST"], found["history"]["PORT"]) == ("replica", 3307)
    assert found["history"]["OPTIONS"] == {"connect_timeout": 2, "read_timeout": 20}
    assert found["analytics"]["OPTIONS"] == {"connect_timeout": 2, "read_timeout": 300}
    assert "OPTIONS" not in reader_databases({"history": f"sqlite:///{tmp_path}/past"})["history"]


@pytest.mark.parametrize(
    ("role", "address", "expected"),
    [
        ("all", "", [["default"], [], False]),
        ("all", "mysql://u@replica/past", [["default", "history"], ["apps.analytics.readers.ReaderRouter"], True]),
        ("gate", "mysql://u@replica/past", [[], [], False]),
    ],
)
def test_router_and_cookie_are_there_only_with_a_replica(role: str, address: str, expected: list[object]) -> None:
    code = (
        "import json, config.settings.test as s;"
        "print(json.dumps([list(s.DATABASES), getattr(s, 'DATABASE_ROUTERS', []),"
        " 'apps.analytics.readers.own_writes' in s.MIDDLEWARE]))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, "FULLHOUSE_ROLE": role, "HISTORY_DATABASE_URL": address},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(said.stdout) == expected
