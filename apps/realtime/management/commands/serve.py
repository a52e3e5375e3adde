"""``manage.py serve``: runs the web tier in production and under ``make run``."""

import logging
import sys
from argparse import ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.realtime.listener import Address, BadAddress, PortTaken, file_limit_raise, listener_create, port_reserve
from apps.realtime.server import WorkerOptions, worker_run
from apps.realtime.supervisor import supervise

logger = logging.getLogger(__name__)

ROLES = ("all", "core", "gate", "admin")
TAKEN = 2


def address(text: str) -> Address:
    """``--bind`` as an Address."""
    try:
        return Address.parse(text)
    except BadAddress as error:
        raise ArgumentTypeError(str(error)) from error


def buffer_size(text: str) -> int:
    """``--socket-buffer`` as bytes; under 4 KiB one TCP segment no longer fits."""
    if not text.isdigit() or int(text) < 4096:
        raise ArgumentTypeError("at least 4096 bytes")
    return int(text)


class Command(BaseCommand):
    """Serve HTTP and WebSockets with uvicorn workers on a socket made here."""

    help = "Serve HTTP and WebSockets with uvicorn. SIGTERM or Ctrl-C drains, a second one exits at once."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The options of a tier."""
        parser.add_argument("--bind", type=address, default=Address("127.0.0.1", 8000), metavar="HOST:PORT")
        parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes; about one a core")
        parser.add_argument("--role", choices=ROLES, default=settings.ROLE, help="which tier this is")
        parser.add_argument("--backlog", type=int, default=4096, help="connections waiting to be accepted")
        parser.add_argument(
            "--socket-buffer",
            type=buffer_size,
            metavar="BYTES",
            help="fix both kernel buffers of each socket (8192-16384 where all are WebSockets)",
        )
        parser.add_argument("--ping-interval", type=float, default=20.0, metavar="SECONDS")
        parser.add_argument("--drain-seconds", type=float, default=10.0, metavar="SECONDS")
        parser.add_argument(
            "--share-port", action="store_true", help="join a server that already listens (rolling deploy)"
        )
        parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default=None)
        parser.add_argument("--application", default=settings.ASGI_APPLICATION, help="ASGI application to serve")

    def handle(self, **options: Any) -> None:
        """Reserve the port, then serve from here, or from N supervised workers."""
        if options["role"] != settings.ROLE:
            # manage.py sets it before the settings load; another entrance has to do the same.
            raise CommandError(
                f"The settings were loaded for role {settings.ROLE}: set FULLHOUSE_ROLE={options['role']}"
            )
        if options["workers"] < 1:
            raise CommandError("--workers must be at least 1")
        if options["log_level"]:
            logging.getLogger().setLevel(options["log_level"].upper())
        file_limit_raise()
        try:
            reserved, bound = port_reserve(options["bind"], share=options["share_port"])
        except (PortTaken, BadAddress) as error:
            self.stderr.write(f"serve: {error}")
            sys.exit(TAKEN)
        with reserved:
            if options["workers"] > 1:
                logger.info("Serving http://%s with %d workers", bound, options["workers"])
                supervise(
                    command=self.worker_command(bound, options), count=options["workers"], cwd=str(settings.BASE_DIR)
                )
                return
            listener = listener_create(bound, backlog=options["backlog"], buffer_bytes=options["socket_buffer"])
        module, _dot, name = options["application"].replace(":", ".").rpartition(".")
        worker_run(
            listener,
            WorkerOptions(
                application=f"{module}:{name}",
                ping_interval=options["ping_interval"],
                drain_seconds=options["drain_seconds"],
                backlog=options["backlog"],
            ),
        )

    def worker_command(self, bound: Address, options: dict[str, Any]) -> list[str]:
        """A worker is this same command with one worker, sharing the port that the supervisor holds."""
        command = [sys.executable, "-m", "django", "serve", "--bind", str(bound), "--workers", "1", "--share-port"]
        for name in ("role", "backlog", "socket_buffer", "ping_interval", "drain_seconds", "log_level", "application"):
            if options[name] is not None:
                command += [f"--{name.replace('_', '-')}", str(options[name])]
        return command
