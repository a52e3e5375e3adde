"""The whole of Fullhouse on one machine: Redis, web, worker with beat, and an audience to watch. Behind `make run`."""

import asyncio
import contextlib
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections
from redis import Redis
from redis.exceptions import RedisError

from apps.operations.demo import Login, demo_data_load, operator_login
from apps.operations.preparation import past_forget, static_collect, tables_migrate, translations_compile
from apps.operations.private_redis import private_redis
from apps.realtime.children import Child
from apps.realtime.listener import Address

READY_SECONDS = 60.0
# A trace second takes 1/30 s: an evening passes in minutes, and somebody comes or goes all the time.
EVENING = ("--evening", "--loop", "--speed", "30", "--audience", "600", "--streams", "300")
# In which order to stop, so that nobody loses the part that it stands on, and how long each step may take.
STOPPING = (("audience",), ("web", "worker"), ("redis",))
STOP_SECONDS = 15.0


class StartFailed(Exception):
    """A part did not come up; says which, and where its log is."""


class Household:
    """Starts the parts in order, keeps them alive, and stops them in the reverse order."""

    def __init__(self, *, address: Address, var: Path, audience: bool, say: Callable[[str], None]) -> None:
        self.address = address
        self.var = var
        self.audience = audience
        self.say = say
        self.logs = var / "logs"
        self.url = f"http://localhost:{address.port}/"
        self.open = False
        self.leaving = asyncio.Event()
        self.failed: StartFailed | None = None
        self.children: dict[str, Child] = {}
        self.keepers: dict[str, asyncio.Task[None]] = {}
        self.env = {
            **os.environ,
            "FULLHOUSE_VAR": str(var),
            "PYTHONUNBUFFERED": "1",
        }

    async def run(self) -> None:
        """Open, stay open until a signal comes, close. Raises StartFailed when a part did not come up."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)
        try:
            await self._open()
            await self.leaving.wait()
        finally:
            await self._close()
        if self.failed is not None:
            raise self.failed

    def _on_signal(self) -> None:
        if self.leaving.is_set():
            # The second Ctrl-C: no more politeness.
            for child in self.children.values():
                child.kill()
            os._exit(1)
        self.say("Closing ...")
        self.leaving.set()

    # --- opening ----------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        login: Login | None = None
        for step in (self._redis, self._tables, self._files, self._demo, self._web, self._worker):
            result = await step()
            login = result or login
            if self.leaving.is_set():
                return
        self.open = True
        if login is not None:
            self._box(login)

    async def _redis(self) -> None:
        redis = private_redis(self.var / "redis")
        self.env["REDIS_URL"] = self.env["SUPPORT_REDIS_URL"] = redis.url
        self._start("redis", redis.command)
        with contextlib.closing(Redis.from_url(redis.url, socket_timeout=1.0)) as client:

            def answers() -> bool:
                try:
                    return bool(client.ping())
                except (RedisError, OSError):
                    return False

            await self._until(answers, "redis")
        self.say(f"Redis {redis.version} is up.")

    async def _tables(self) -> None:
        await self._in_thread(tables_migrate)
        await self._in_thread(past_forget)
        self.say("The tables are up to date.")

    async def _files(self) -> None:
        compiled = await self._in_thread(translations_compile)
        collected = await self._in_thread(static_collect, self.var / "static.stamp")
        if compiled or collected:
            self.say("Translations and static files are prepared.")

    async def _demo(self) -> Login:
        await self._in_thread(demo_data_load)
        login: Login = await self._in_thread(operator_login, self.var / "operator.json")
        self.say("Categories, broadcasters and an operator are there.")
        return login

    async def _web(self) -> None:
        manage = [sys.executable, "manage.py"]
        self._start("web", [*manage, "serve", "--bind", str(self.address), "--share-port", "--drain-seconds", "5"])
        await self._until(lambda: _answers_200(f"http://{self._local()}/health/ready"), "web")
        self.say("The web server is ready.")

    async def _worker(self) -> None:
        self._start(
            "worker",
            [
                *(sys.executable, "-m", "celery", "-A", "config", "worker", "--beat", "--pool", "solo"),
                *("--schedule", str(self.var / "beat-schedule"), "--loglevel", "WARNING"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ],
        )
        if self.audience:
            self._start(
                "audience", [sys.executable, "manage.py", "replay", "--url", f"http://{self._local()}", *EVENING]
            )

    def _local(self) -> str:
        """The address as this machine reaches it."""
        everywhere = self.address.host in {"0.0.0.0", "::"}  # noqa: S104  compared, not bound
        return f"127.0.0.1:{self.address.port}" if everywhere else str(self.address)

    def _start(self, name: str, command: list[str]) -> None:
        log = self.logs / f"{name}.log"
        log.write_bytes(b"")
        # Only the web server's INFO lines are worth keeping: a job every three seconds and every viewer's end are not.
        env = self.env if name == "web" else {**self.env, "LOG_LEVEL": "WARNING"}
        child = Child(name, command, cwd=str(settings.BASE_DIR), env=env, log=log, on_death=self._on_death)
        self.children[name] = child
        self.keepers[name] = asyncio.create_task(child.keep())

    def _on_death(self, child: Child, pid: int, code: int, wait: float) -> None:
        if not self.open and child.name != "audience":
            self.failed = StartFailed(f"{child.name} ended with {code}; see {child.log}")
            self.leaving.set()
        elif child.name == "audience" and code in (0, 1):
            self.say("The evening is over; another one begins.")
        else:
            when = f"in {wait:g} s" if wait else "now"
            self.say(f"{child.name} (pid {pid}) died with {code} and is started again {when}; see {child.log}")

    async def _until(self, is_up: Callable[[], bool], name: str) -> None:
        """Ask until the part answers; StartFailed at the deadline."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_SECONDS
        while not self.leaving.is_set() and not await self._in_thread(is_up):
            if loop.time() > deadline:
                raise StartFailed(f"{name} did not come up within {READY_SECONDS:g} s; see {self.children[name].log}")
            await asyncio.sleep(0.1)

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Do blocking work beside the loop, so that a Ctrl-C is heard; its database connection ends with it."""

        def run() -> Any:
            try:
                return work(*arguments)
            finally:
                connections.close_all()

        return await asyncio.to_thread(run)

    def _box(self, login: Login) -> None:
        lines = [
            "Fullhouse is open.",
            "",
            f"Watch      {self.url}",
            f"Manage     {self.url}manage/ (waiting rooms)",
            f"Operate    {self.url}admin/",
            f"Sign in    {login.username} / {login.password}",
            f"Logs       {_short(self.logs)}/",
            "Stop       Ctrl-C (what is in " + _short(self.var) + "/ stays)",
        ]
        width = max(map(len, lines))
        self.say("╭" + "─" * (width + 4) + "╮")
        for line in lines:
            self.say(f"│  {line:<{width}}  │")
        self.say("╰" + "─" * (width + 4) + "╯")

    # --- closing ----------------------------------------------------------------------------------------------

    async def _close(self) -> None:
        self.open = False
        for names in STOPPING:
            started = [name for name in names if name in self.children]
            await asyncio.gather(*(self.children[name].stop(seconds=STOP_SECONDS) for name in started))
            await asyncio.gather(*(self.keepers[name] for name in started))
        if self.failed is None:
            self.say("Closed.")


def _answers_200(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2.0) as answer:  # noqa: S310  our own server
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _short(path: Path) -> str:
    """Relative to where the command was given, when it is below."""
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
