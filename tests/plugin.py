"""Loaded with `-p tests.plugin`, before Django's settings: decides where the tests' stores are.

Settings read DATABASE_URL and the Redis addresses once, when they are imported. So the folder, the socket and the port
are chosen here, and the servers behind them start later, when the first test asks for them.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.folder import make_folder
from tests.services.mariadb import MariaDBServer
from tests.services.redis_server import RedisServer

# What embedded mode uses, less the wait for the disk.
SQLITE_OPTIONS = (
    "timeout=20&transaction_mode=IMMEDIATE&init_command=PRAGMA%20journal_mode%3DWAL%3B%20PRAGMA%20synchronous%3DOFF%3B"
)


@dataclass(frozen=True, slots=True)
class Stores:
    """Where this run keeps its data; nothing is started yet."""

    folder: Path
    database: str
    mariadb: MariaDBServer
    redis: RedisServer

    def database_url(self, name: str) -> str:
        """DATABASE_URL of a database of this run."""
        if self.database == "mariadb":
            return self.mariadb.url(name)
        return f"sqlite:///{self.folder / name}.sqlite3?{SQLITE_OPTIONS}"


STORES = pytest.StashKey[Stores]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("fullhouse").addoption(
        "--database",
        choices=("mariadb", "sqlite"),
        default="mariadb",
        help="database of the tests (default: mariadb, a private server)",
    )


# A wrapper, so that it runs before pytest-django's own hook, which imports the settings.
@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config):  # type: ignore[no-untyped-def]
    folder = make_folder()
    stores = Stores(
        folder=folder,
        database=early_config.known_args_namespace.database,
        mariadb=MariaDBServer(folder / "mariadb"),
        redis=RedisServer(folder / "redis"),
    )
    early_config.stash[STORES] = stores
    os.environ.update(
        # Not a default: a developer's exported settings must not send the tests to a real database.
        DJANGO_SETTINGS_MODULE="config.settings.test",
        DATABASE_URL=stores.database_url("fullhouse"),
        REDIS_URL=stores.redis.url,
        SUPPORT_REDIS_URL=stores.redis.url,
        RANKING_DATABASE_URL="",
        HISTORY_DATABASE_URL="",
        ANALYTICS_DATABASE_URL="",
    )
    return (yield)
