"""A private MariaDB server: its own data folder and Unix socket, no network, no password, gone with the tests."""

import getpass
import shutil
from pathlib import Path
from typing import Any

from .process import Process, ProcessFailed, find_program

# Small, and as careful with the disk as production is (innodb_flush_log_at_trx_commit=2).
OPTIONS = (
    "--skip-networking",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--performance-schema=OFF",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_unicode_ci",
    "--innodb-buffer-pool-size=128M",
    "--innodb-log-file-size=32M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-flush-method=fsync",  # memory file systems know no O_DIRECT
    "--innodb-use-native-aio=OFF",  # the kernel's limit of AIO requests is shared by all who run on the machine
    "--max-connections=100",
)


class MariaDBServer:
    """`start()` makes the data folder at its first call; `stop()` keeps the data, so that it can be started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        """`options` are added to those of every server here, and win over them."""
        self.folder = folder
        self.options = options
        self.socket = folder / "mysqld.sock"
        self._process: Process | None = None

    def url(self, database: str) -> str:
        """The DATABASE_URL of a database on this server."""
        return f"mysql://root@localhost/{database}?unix_socket={self.socket}"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.is_running

    @property
    def process(self) -> Process:
        assert self._process is not None, "MariaDB has not been started"
        return self._process

    def start(self) -> None:
        """Start and wait until it answers."""
        data = self.folder / "data"
        user = getpass.getuser()
        if not data.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._install(data, user)
        self._process = Process(
            "mariadbd",
            [
                find_program("mariadbd"),
                "--no-defaults",  # must come first: the system's own configuration is not ours
                f"--user={user}",
                f"--datadir={data}",
                f"--tmpdir={self.folder}",
                f"--socket={self.socket}",
                f"--pid-file={self.folder / 'mysqld.pid'}",
                *OPTIONS,
                *self.options,
            ],
            log=self.folder / "mariadbd.log",
        )
        import MySQLdb

        self._process.wait_ready(self._answers, deadline=60, not_yet=(MySQLdb.OperationalError,))

    def _install(self, data: Path, user: str) -> None:
        install = Process(
            "mariadb-install-db",
            [
                find_program("mariadb-install-db"),
                "--no-defaults",
                f"--user={user}",
                f"--datadir={data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                f"--tmpdir={self.folder}",  # one that starts in a shared folder deletes temporary tables of all others
                "--innodb-log-file-size=32M",
                "--innodb-use-native-aio=OFF",
            ],
            log=self.folder / "install.log",
        )
        try:
            code = install.wait(deadline=60)
        finally:
            # It is a shell script: whatever it started must not go on writing.
            install.kill()
        if code != 0:
            shutil.rmtree(data, ignore_errors=True)
            raise ProcessFailed(f"mariadb-install-db ended with {code}\n{install.log_tail()}")

    def _answers(self) -> bool:
        self.connect().close()
        return True

    def connect(self, **options: Any) -> Any:
        """A raw mysqlclient connection as root."""
        import MySQLdb

        return MySQLdb.connect(unix_socket=str(self.socket), user="root", charset="utf8mb4", **options)

    def stop(self) -> None:
        """Shut down cleanly; the data stays."""
        if self._process is not None:
            self._process.stop(deadline=30)

    def remove(self) -> None:
        """Stop and delete the data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
