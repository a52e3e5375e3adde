"""Two MariaDB servers of a test's own: a primary, and a replica that follows it by GTID over 127.0.0.1."""

from pathlib import Path
from typing import Any

from .mariadb import MariaDBServer
from .process import free_port
from .waiting import eventually

NETWORK = ("--skip-networking=OFF", "--bind-address=127.0.0.1")


class Replication:
    """`start()` returns when the replica follows; `remove()` deletes both."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.port = port
        self.primary = MariaDBServer(
            folder / "primary", *NETWORK, f"--port={port}", "--server-id=1", "--log-bin=changes", "--binlog-format=ROW"
        )
        self.replica = MariaDBServer(folder / "replica", "--server-id=2", "--read-only=ON")

    def start(self, database: str) -> "Replication":
        """Start both, with this empty database on both."""
        self.primary.start()
        self.replica.start()
        self.tell(self.primary, "CREATE USER follower@'127.0.0.1'")
        self.tell(self.primary, "GRANT REPLICATION SLAVE ON *.* TO follower@'127.0.0.1'")
        self.tell(self.primary, f"CREATE DATABASE {database}")
        self.tell(
            self.replica,
            f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={self.port}, MASTER_USER='follower',"
            " MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1",
        )
        self.tell(self.replica, "START SLAVE")
        self.wait_level()
        return self

    def remove(self) -> None:
        """Stop and delete both."""
        self.replica.remove()
        self.primary.remove()

    @staticmethod
    def tell(server: MariaDBServer, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement as root."""
        connection = server.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                connection.commit()
                return list(cursor.fetchall())
        finally:
            connection.close()

    def wait_level(self) -> None:
        """Until the replica has all that the primary has, with replication running."""
        ((position,),) = self.tell(self.primary, "SELECT @@gtid_binlog_pos")

        def is_level() -> bool:
            ((there,),) = self.tell(self.replica, "SELECT @@gtid_slave_pos")
            return there == position

        eventually(is_level, deadline=20)
