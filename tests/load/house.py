"""The servers that a benchmark measures: a private Redis, a private SQLite file and one `manage.py serve` worker.

A gate's house has no database at all. The server has a core to itself; Redis and the client share the rest. All of it
is in a folder that goes with the run.
"""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from tests.services.folder import make_folder
from tests.services.redis_server import RedisServer
from tests.services.waiting import eventually
from tests.services.web import WebServer

from .figures import Window
from .machine import cores, cpu_seconds, file_limit_raise, memory_kib, running_on

if TYPE_CHECKING:
    from apps.streams.models import Stream
    from apps.waitingroom.rules import ZoneRules


class House:
    """Start with `with House() as house`; settings are loaded inside, so import the apps' modules after that.

    `env` is added to the server's environment and to this process's.
    """

    def __init__(self, role: str = "all", env: Mapping[str, str] | None = None) -> None:
        self.role = role
        self._more_env = dict(env or {})

    def __enter__(self) -> "House":
        self.folder: Path = make_folder()
        file_limit_raise()
        self.server_cores, self.other_cores = cores()
        os.sched_setaffinity(0, self.other_cores)
        self.redis = RedisServer(self.folder / "redis").start()
        self.env = {
            "DJANGO_SETTINGS_MODULE": "config.settings.embedded",
            "FULLHOUSE_ROLE": self.role,
            "FULLHOUSE_VAR": str(self.folder / "var"),
            "REDIS_URL": self.redis.url,
            "SUPPORT_REDIS_URL": self.redis.url,
            "FULLHOUSE_STATIC_ROOT": str(self.folder / "static"),
            "SECRET_KEY": os.urandom(32).hex(),
            "LOG_LEVEL": "WARNING",
            **self._more_env,
        }
        if self.role != "gate":
            self.env["DATABASE_URL"] = self._database_start()
        os.environ.update(self.env)
        self._prepare()
        self._web_start()
        self._redis_client = self.redis.client()
        return self

    def __exit__(self, *_: object) -> None:
        self._redis_client.close()
        self.web.stop()
        self.redis.remove()

    def _database_start(self) -> str:
        """DATABASE_URL of a new database."""
        return f"sqlite:///{self.folder / 'fullhouse.sqlite3'}"

    def _web_start(self, args: Sequence[str] = ()) -> None:
        with running_on(self.server_cores):
            self.web = WebServer(self.folder, self.env, role=self.role, args=args)
        self.web.wait_ready()

    def web_restart(self, env: Mapping[str, str], args: Sequence[str] = ()) -> None:
        """Another server in place of this one, with more in its environment or its options; what Redis holds stays."""
        self.web.stop()
        self.env.update(env)
        self._web_start(args)

    def _prepare(self) -> None:
        import django
        from django.core.management import call_command

        django.setup()
        if self.role != "gate":
            call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)

    @property
    def address(self) -> str:
        """host:port of the server."""
        return self.web.base_url.removeprefix("http://")

    @property
    def server_pids(self) -> list[int]:
        """The worker, which is the command itself when there is one."""
        return [self.web.pid, *self.web.process.children()]

    def streams_make(self, number: int) -> "list[Stream]":
        """So many live streams, through the services that a broadcaster's page uses."""
        from django.db import transaction

        from apps.streams.services import broadcaster_ensure, category_ensure, stream_start

        categories = [category_ensure(slug=f"load-{n}", name=f"Load {n}", position=n) for n in range(min(number, 10))]
        with transaction.atomic():  # one commit for all; each stream is announced after it
            return [
                stream_start(
                    broadcaster=broadcaster_ensure(name=f"Broadcaster {n}", slug=f"load-{n}"),
                    category=categories[n % len(categories)],
                    title=f"Stream {n}",
                )
                for n in range(number)
            ]

    def zone_publish(self, rules: "ZoneRules") -> None:
        """Open a zone, as saving it in the admin would, but without a database; the server knows it when this ends."""
        from apps.realtime.redis import close_sync_clients, run_now
        from apps.waitingroom import store

        run_now([store.publish(rules, fresh=True), *store.catalog_put(rules)])
        close_sync_clients()

        def is_known() -> bool:
            with urlopen(f"{self.web.base_url}/traffic/zones/{rules.zone_id}", timeout=5):  # noqa: S310 - our own server
                return True

        eventually(
            is_known
        )  # a gate reads of new zones twice a second, and answers 404 until then, which is an OSError

    def redis_info(self, section: str) -> dict[str, Any]:
        """A section of what Redis says of itself."""
        info: dict[str, Any] = self._redis_client.info(section)
        return info

    def redis_memory(self, key: str) -> int:
        """Bytes of one key, 0 if there is none."""
        return int(self._redis_client.memory_usage(key, samples=0) or 0)

    def current(self, stream_id: int) -> int:
        """Viewers as Redis has them."""
        from apps.audience import store

        return store.figures_of(self._redis_client.execute_command(*store.figures(stream_id))).current

    def server_meter(self) -> "Meter":
        """Measures the server from now on."""
        return Meter(lambda: cpu_seconds(self.server_pids))

    def redis_meter(self) -> "Meter":
        """Measures Redis from now on, to the microsecond."""
        return Meter(self._redis_cpu)

    def server_kib(self) -> int:
        """Memory of the server."""
        return memory_kib(self.server_pids)

    def _redis_cpu(self) -> float:
        info = self.redis_info("cpu")
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


class Meter:
    """CPU and time since it was made."""

    def __init__(self, read: Any) -> None:
        self._read = read
        self._cpu, self._at = read(), time.monotonic()

    def window(self, events: int = 0) -> Window:
        """Since the start."""
        cpu = self._read()
        return Window(time.monotonic() - self._at, cpu - self._cpu, events)
