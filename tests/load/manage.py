"""manage: the zone managers' pages before 500 zones (`--connections`), the figures of all of which move each second.

`change_ms`: N is changed through the form of a zone's page, twenty times; the clock starts with the POST and stops
when a gate, a process of its own without a database, answers somebody at the end of a line of 100,000 with the wait
that the new N makes. It is asked every 10 ms; `change_ms` is the slowest.

`commands_per_second`: what Redis does for 1 and for 50 managers who watch the wall, and one zone, less what it does
while nobody looks; by INFO commandstats, commands inside scripts included. `--seconds` is how long each is counted.

`wall_server_ms`: the wall over HTTP, the slowest of twenty. `wall_render_ms`: a real Chromium that comes to it from
another page of the site, from the answer's first byte until it is parsed, its script has run and it is painted, the
slowest of five. Then it watches for `--seconds` as it was opened, and as long with all cards drawn: `long_tasks` are
those of more than 50 ms.

What it cannot prove: a network, other browsers, or MariaDB, since SQLite serves here. Chromium shares both cores with
all the rest, and has no graphics card.
"""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Any

from tests.services.browser import open_browser
from tests.services.web import WebServer

from .figures import percentile
from .house import House
from .machine import running_on
from .manage_client import PATIENCE_S, Manager, painted
from .scenario import Options, Result, Scenario, say

if TYPE_CHECKING:
    from apps.accounts.models import User

LINE_ZONE, CROWD = "load-0", 100_000
SLOW, FAST = 1_000, 2_000
CHANGES, LOADS = 20, 20
WATCHERS = (1, 50)
ASK_EVERY_S, ASKERS = 0.01, 400
WALL, ZONE = "/ws/manage/wall/", f"/ws/manage/zones/{LINE_ZONE}/"
# What servers and this run itself say, beside what is measured.
OTHERS = {"info", "ping", "config", "client", "hello", "script", "command"}


def run(house: House, options: Options) -> Result:
    """The zones, then what each of the four promises is about."""
    user = _zones_make(options.connections)
    manager = Manager(house, user)
    with running_on(house.other_cores):
        gate = WebServer(house.folder, {**house.env, "FULLHOUSE_ROLE": "gate"}, role="gate").wait_ready()
    try:
        changed = _changes(manager, gate)
    finally:
        gate.stop()
    say(f"a change of N was at the gate after {changed['change_p50_ms']} ms, at most {changed['change_ms']} ms")
    with _told(options.connections):
        pages = _pages(manager)
        say(f"the wall was answered within {pages['wall_server_ms']} ms")
        commands = _commands(house, manager, options.seconds)
        with running_on(house.server_cores | house.other_cores), open_browser() as browser:
            drawn = painted(browser, manager, zones=options.connections, seconds=options.seconds)
    figures = {
        "zones": options.connections,
        **changed,
        **pages,
        **drawn,
        "commands_per_second": max(one for each in commands.values() for one in each.values()),
        **commands,
    }
    _close()
    return Result(
        figures,
        goals={
            "change_ms": ("at_most", 1_000),
            "commands_per_second": ("at_most", 10),
            "wall_server_ms": ("at_most", 200),
            "wall_render_ms": ("at_most", 200),
            "long_tasks": ("at_most", 0),
        },
    )


def _close() -> None:
    from apps.realtime.redis import close_sync_clients

    close_sync_clients()


def _zones_make(number: int) -> "User":
    """So many zones of twenty apps, all of them somebody's; before the first stands a crowd."""
    from apps.accounts.services import operator_ensure
    from apps.realtime.redis import first_error, run_now
    from apps.waitingroom import store
    from apps.waitingroom.models import Zone, ZoneMode
    from apps.waitingroom.services import zone_create, zones_publish_all

    first = zone_create(actor=None, zone_id=LINE_ZONE, name="Zone 0", app="app0", per_minute=SLOW, idle_s=3_600)
    Zone.objects.bulk_create(
        Zone(zone_id=f"load-{n}", name=f"Zone number {n}", app=f"app{n % 20}", screen=f"screen{n % 7}", mode=mode)
        for n, mode in ((n, ZoneMode.values[n % 3]) for n in range(1, number))
    )
    zones_publish_all()
    for batch in range(CROWD // store.JOINS_PER_CALL):
        join = store.join(
            zone_id=first.pk, epoch=first.epoch, server="load", batch=batch + 1, count=store.JOINS_PER_CALL
        )
        if (error := first_error(run_now([join]))) is not None:
            raise error
    return operator_ensure(username="load", password="a long enough pass")


# --- a change of N ------------------------------------------------------------------------------------------------


def _changes(manager: Manager, gate: WebServer) -> dict[str, Any]:
    """How long it takes from the POST of N to a gate's answer that goes by it."""
    from apps.waitingroom.models import Zone
    from tests.waitingroom.gate import Client

    client = Client(gate.port)
    # So many that nobody asks before it is time to.
    tokens = cycle([client.ask("wait", {"zoneId": LINE_ZONE}).json["token"] for _ in range(ASKERS)])

    def foretold() -> int:
        answer = client.ask("entry", {"zoneId": LINE_ZONE, "token": next(tokens)})
        return int(answer.waiting["etaSeconds"])

    # About CROWD / N minutes, so half way between both is far from either.
    border = (60 * CROWD // SLOW + 60 * CROWD // FAST) // 2
    manager.get(f"/manage/zones/{LINE_ZONE}/")
    took, moments = [], random.Random(7)
    for number in range(CHANGES):
        per_minute = SLOW if number % 2 else FAST
        version = Zone.objects.values_list("version", flat=True).get(pk=LINE_ZONE)
        time.sleep(moments.random())  # no change is at the same moment of a gate's second as the one before
        began = time.perf_counter()
        manager.rate(LINE_ZONE, per_minute, version)
        while (foretold() < border) != (per_minute == FAST):
            if time.perf_counter() - began > PATIENCE_S:
                raise RuntimeError("the gate never heard of the change")
            time.sleep(ASK_EVERY_S)
        took.append((time.perf_counter() - began) * 1_000)
    client.close()
    return {"change_ms": round(max(took), 1), "change_p50_ms": round(percentile(took, 0.5), 1), "changes": len(took)}


# --- figures that move --------------------------------------------------------------------------------------------


@contextmanager
def _told(number: int) -> Iterator[None]:
    """Meanwhile a gate tells of every zone, once a second, with other figures each time."""
    from apps.realtime.redis import run_now
    from apps.waitingroom import board_store
    from apps.waitingroom.bearing import Bearing

    over = threading.Event()
    chance = random.Random(7)

    def tell() -> None:
        now_ms = int(time.time() * 1_000)
        told = {
            f"load-{n}": Bearing(
                at=now_ms,
                epoch=1,
                version=1,
                waiting=chance.randrange(90_000),
                called=3,
                entering=chance.randrange(100),
                eta=600,
                front=0,
                moved=now_ms,
                grown=0,
                since=now_ms,
                gate="load",
            ).to_json()
            for n in range(number)
        }
        sockets = {f"load-{n}": 100 for n in range(number)}
        run_now([*board_store.lines_tell(told), board_store.gate_report(gate="load", sockets=sockets)])

    def go_on() -> None:
        while not over.wait(1.0):
            tell()
        _close()

    tell()
    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


# --- what it costs Redis ------------------------------------------------------------------------------------------


def _commands(house: House, manager: Manager, seconds: float) -> dict[str, dict[str, float]]:
    """Commands a second that 1 and 50 watchers of each page add to what is done anyway."""
    idle = _rate(house, seconds)
    found: dict[str, dict[str, float]] = {}
    for name, path in (("wall_commands", WALL), ("zone_commands", ZONE)):
        found[name] = {}
        for watchers in WATCHERS:
            with _watching(manager, path, watchers):
                found[name][str(watchers)] = round(max(0.0, _rate(house, seconds) - idle), 2)
        say(f"{name} a second by watchers: {found[name]}, beside {idle:.1f} without any")
    return found


def _rate(house: House, seconds: float) -> float:
    def calls() -> int:
        told = house.redis_info("commandstats")
        return sum(
            figures["calls"]
            for name, figures in told.items()
            if name.removeprefix("cmdstat_").partition("|")[0] not in OTHERS
        )

    before, began = calls(), time.monotonic()
    time.sleep(seconds)
    return (calls() - before) / (time.monotonic() - began)


@contextmanager
def _watching(manager: Manager, path: str, number: int) -> Iterator[None]:
    """So many pages are open, and read what they are sent."""
    with ExitStack() as stack:
        for _ in range(number):
            socket = manager.watch(path)
            reader = threading.Thread(target=lambda socket=socket: [None for _ in socket])
            reader.start()
            stack.callback(reader.join)
            stack.callback(socket.close)
        time.sleep(2.0)  # what a page needs once
        yield


# --- how it is drawn ----------------------------------------------------------------------------------------------


def _pages(manager: Manager) -> dict[str, Any]:
    manager.get("/manage/")
    took = [manager.get("/manage/") for _ in range(LOADS)]
    return {
        "wall_server_ms": round(max(seconds for seconds, _ in took) * 1_000, 1),
        "wall_server_p50_ms": round(percentile([seconds for seconds, _ in took], 0.5) * 1_000, 1),
        "wall_bytes": len(took[0][1].encode()),
    }


SCENARIO = Scenario("manage", "the zone managers' pages before 500 zones", run, 500, 10, most=2_000)
