"""``manage.py embedded``: everything on this machine, behind ``make run``."""

import asyncio
import contextlib
import fcntl
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.operations.household import Household, StartFailed
from apps.operations.private_redis import NoRedis
from apps.realtime.listener import Address, BadAddress, PortTaken, file_limit_raise, port_reserve

REFUSED = 2
ANOTHER_PORT = ". For another port: PORT=8001 make run"


class AlreadyRunning(Exception):
    """This folder's Fullhouse is open; says where."""


@contextlib.contextmanager
def only_one(path: Path, address: Address) -> Iterator[None]:
    """Hold the folder's lock. The kernel frees it however this process ends, so it is never stale."""
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            with contextlib.suppress(ValueError, KeyError):
                other = json.loads(file.read())
                raise AlreadyRunning(
                    f"Fullhouse already runs from this folder: http://localhost:{other['port']}/ (pid {other['pid']})"
                ) from error
            raise AlreadyRunning("Fullhouse is just being started from this folder") from error
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "port": address.port}))
        file.flush()
        yield


class Command(BaseCommand):
    """Start Redis, web, worker and an audience; stop them all on Ctrl-C."""

    help = "Run all of Fullhouse on this machine, with its state in var/. Ctrl-C stops everything."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to listen, and whether to play an audience."""
        parser.add_argument("--bind", default="127.0.0.1:8000", metavar="HOST:PORT")
        parser.add_argument("--no-audience", action="store_true", help="do not replay an evening")

    def handle(self, **options: Any) -> None:
        """Refuse early and in one line what cannot work; else run until a signal."""
        folder = getattr(settings, "VAR_DIR", None)
        if folder is None:
            raise CommandError("Only config.settings.embedded keeps everything in one folder")
        var = Path(folder).resolve()
        try:
            with contextlib.ExitStack() as held:
                # Held, not listening: the web server shares the port, and keeps it over its own restarts.
                reserved, address = port_reserve(Address.parse(options["bind"]))
                held.enter_context(reserved)
                held.enter_context(only_one(var / "run.lock", address))
                file_limit_raise()
                household = Household(address=address, var=var, audience=not options["no_audience"], say=self.say)
                asyncio.run(household.run())
        except (AlreadyRunning, PortTaken, BadAddress) as error:
            self.stderr.write(f"{error}{ANOTHER_PORT if isinstance(error, PortTaken) else ''}")
            sys.exit(REFUSED)
        except (StartFailed, NoRedis) as error:
            raise CommandError(str(error)) from None

    def say(self, line: str) -> None:
        """One line of progress, at once."""
        self.stdout.write(line)
        self.stdout.flush()
