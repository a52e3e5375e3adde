"""A house for what is done with the past: a private MariaDB and no web server.

The benchmark's process is the worker. MariaDB has a core to itself; the worker and Redis share the rest.
"""

from collections.abc import Sequence

from tests.services.mariadb import MariaDBServer

from .house import House, Meter
from .machine import cpu_seconds, running_on

# The memory and the log that such tables need, as one would give them in production.
OPTIONS = ("--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M")


class RecordHouse(House):
    """As House, with `mariadb` in place of the web server."""

    def __exit__(self, *_: object) -> None:
        from django.db import connections

        connections.close_all()
        self._redis_client.close()
        self.redis.remove()
        self.mariadb.remove()

    def _database_start(self) -> str:
        self.mariadb = MariaDBServer(self.folder / "mariadb", *OPTIONS)
        with running_on(self.server_cores):
            self.mariadb.start()
        connection = self.mariadb.connect()
        connection.cursor().execute("CREATE DATABASE fullhouse")
        connection.close()
        return self.mariadb.url("fullhouse")

    def _web_start(self, args: Sequence[str] = ()) -> None:
        """Nobody comes."""

    def mariadb_meter(self) -> Meter:
        """Measures MariaDB from now on."""
        return Meter(lambda: cpu_seconds([self.mariadb.process.pid]))
