"""``manage.py replay``: plays a trace of viewers against a running server and compares the counts, or sends a crowd
through a zone of the waiting room and holds the zone against its rules.
"""

import asyncio
import logging
import random
import re
import secrets
import signal
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from redis.exceptions import RedisError

from apps.audience.tokens import viewer_token_make
from apps.operations.replay.answers import Answers, ServerUnreachable
from apps.operations.replay.crowd import is_crowd
from apps.operations.replay.evening import EveningPlan, evening_generate
from apps.operations.replay.gate_play import Played
from apps.operations.replay.gate_report import Verdict, verdict_lines
from apps.operations.replay.gate_run import CrowdPlan, CrowdReplay
from apps.operations.replay.gate_simulation import LineLost
from apps.operations.replay.gate_visitor import GateUnreachable
from apps.operations.replay.player import Player, Script
from apps.operations.replay.progress import Progress
from apps.operations.replay.report import Sample, clock_text, differences_total, summary_line, table_lines
from apps.operations.replay.stage import Stage
from apps.operations.replay.trace import Trace, TraceError, sample_moments, trace_cut, trace_read
from apps.operations.replay.viewer import House, OpeningPace, Tally

DAY_S = 86_400
AUDIENCE_SPEED = 60.0
CROWD_PER_MINUTE, CROWD_MINUTES = 300, 15


def positive(text: str) -> float:
    """A number above zero."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ArgumentTypeError("a number above 0")
    return number


def part(text: str) -> float:
    """A number from 0 up to, not including, 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1:
        raise ArgumentTypeError("a number from 0 up to, not including, 1")
    return number


def clock(text: str) -> Callable[[float], float]:
    """HH:MM[:SS] on the trace's first day, or an ISO date and time, both UTC: a function of the trace's start."""
    if match := re.fullmatch(r"(\d{1,2}):(\d\d)(?::(\d\d))?", text):
        hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return lambda start: start // DAY_S * DAY_S + hours * 3600 + minutes * 60 + seconds
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError("HH:MM, HH:MM:SS or an ISO date and time, in UTC") from None
    return lambda start: moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


class Command(BaseCommand):
    """Replay a trace file, a generated evening, or a flash crowd at the waiting room."""

    help = (
        "Play a trace of viewers against a running server, one WebSocket a viewing session, and print the true count"
        " of each stream beside what Fullhouse answers. Exit code 1 when they differ. A file of requests a minute is a"
        " crowd: it is sent through a zone of the waiting room in real time, and the waits that were foretold are"
        " printed beside those that came true. Exit code 1 when the zone let in more than it may."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What to play, how fast, against which server."""
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument(
            "file",
            nargs="?",
            type=Path,
            help="CSV, gzipped or not: epoch_utc, device, channel, [game]; or a crowd: minute, requests",
        )
        what.add_argument("--evening", action="store_true", help="play a generated evening instead of a file")
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="the running server")
        parser.add_argument(
            "--speed",
            type=positive,
            metavar="X",
            help=f"seconds of the trace a second (default {AUDIENCE_SPEED:g}; a crowd is always played at 1)",
        )
        parser.add_argument("--seed", type=int, default=1, help="of stays, and of the evening")
        parser.add_argument("--samples", type=int, default=12, metavar="N", help="moments at which counts are compared")
        parser.add_argument("--from", type=clock, dest="from_", metavar="HH:MM", help="start here (UTC)")
        parser.add_argument("--until", type=clock, metavar="HH:MM", help="end here (UTC)")
        parser.add_argument("--max-open", type=positive, default=400.0, metavar="N", help="sockets opened a second")
        parser.add_argument(
            "--duration", type=positive, metavar="SECONDS", help="stop after so long, by the wall clock"
        )
        parser.add_argument("--audience", type=int, default=2000, metavar="N", help="evening: sockets at its peak")
        parser.add_argument("--streams", type=int, default=500, metavar="N", help="evening: broadcasts in all")
        parser.add_argument("--loop", action="store_true", help="evening: another one when it is over, without end")
        crowd = parser.add_argument_group("a crowd")
        crowd.add_argument("--zone", metavar="ID", help="send it to this zone (default: to one made for the replay)")
        crowd.add_argument(
            "--per-minute",
            type=positive,
            metavar="N",
            help=f"entries a minute of the zone to be made (default {CROWD_PER_MINUTE}); the peak is three times that",
        )
        crowd.add_argument(
            "--minutes", type=positive, metavar="M", help=f"minutes of the file (default {CROWD_MINUTES})"
        )
        crowd.add_argument(
            "--simulate", action="store_true", help="no server: drive the line in Redis by its own clock, at once"
        )

        crowd.add_argument(
            "--leaving",
            type=part,
            default=0.0,
            metavar="P",
            help="with --simulate: this part of those in line stops asking, without a word, in any ten minutes (0.35)",
        )

    def handle(self, **options: Any) -> None:
        """Play, report, and exit with 1 if a count was wrong."""
        if options["samples"] < 1 or options["audience"] < 10 or options["streams"] < 1:
            raise CommandError("--samples and --streams must be at least 1, --audience at least 10.")
        if options["loop"] and not options["evening"]:
            raise CommandError("--loop goes with --evening.")
        if self._is_crowd(options):
            self._crowd(options)
            return
        options["speed"] = options["speed"] or AUDIENCE_SPEED
        logging.getLogger("picows").setLevel(logging.WARNING)  # else two lines a socket, over the progress bar
        try:
            samples, tally = asyncio.run(self._play(options))
        except (TraceError, OSError) as error:
            raise CommandError(str(error)) from None
        except ServerUnreachable as error:
            raise CommandError(f"No server at {options['url']}: {error}. Start one with: manage.py serve") from None
        self._report(samples, tally)
        if differences_total(samples):
            sys.exit(1)

    def _is_crowd(self, options: dict[str, Any]) -> bool:
        asked = any(options[name] for name in ("zone", "per_minute", "minutes", "simulate", "leaving"))
        if options["evening"]:
            if asked:
                raise CommandError("--zone, --per-minute, --minutes, --simulate and --leaving go with a crowd.")
            return False
        try:
            found = is_crowd(options["file"])
        except (TraceError, OSError) as error:
            raise CommandError(str(error)) from None
        if asked and not found:
            raise CommandError(f"{options['file']} is no crowd: its header lacks minute, requests.")
        return found

    def _crowd(self, options: dict[str, Any]) -> None:
        if options["speed"] not in (None, 1.0):
            raise CommandError("A crowd is played at speed 1, as windows are real seconds; --simulate is faster.")
        if options["zone"] and (options["per_minute"] or options["simulate"]):
            raise CommandError("--zone says how many enter a minute, and takes a server.")
        if options["leaving"] and not options["simulate"]:
            raise CommandError("--leaving goes with --simulate.")
        if options["until"] and options["minutes"]:
            raise CommandError("--until and --minutes both say where to end: give one.")
        start = options["from_"] or (lambda first: first)
        plan = CrowdPlan(
            file=options["file"],
            url=options["url"].rstrip("/"),
            zone_id=options["zone"],
            per_minute=int(options["per_minute"] or CROWD_PER_MINUTE),
            minutes=int(options["minutes"] or CROWD_MINUTES),
            start=start,
            seed=options["seed"],
            simulate=options["simulate"],
            leaving=options["leaving"],
            end=options["until"],
        )
        try:
            verdict, played, per_minute = asyncio.run(self._crowd_play(plan, options))
        except (TraceError, OSError, LookupError, LineLost, RedisError) as error:
            raise CommandError(str(error)) from None
        except GateUnreachable as error:
            raise CommandError(f"No gate at {plan.url}: {error}. Start one with: manage.py serve") from None
        for line in verdict_lines(verdict, per_minute):
            self.stdout.write(line)
        self.stdout.write(f"{played.polls:,} polls.")
        for problem, times in played.errors.items():
            self.stdout.write(f"{times:,} x {problem}")
        if not verdict.kept:
            sys.exit(1)

    async def _crowd_play(self, plan: CrowdPlan, options: dict[str, Any]) -> tuple[Verdict, Played, int]:
        progress = Progress(sys.stdout)
        replay = CrowdReplay(plan, progress=progress, stop=_stop_event(options))
        try:
            verdict, played = await replay.run()
        finally:
            progress.close()
        return verdict, played, replay.per_minute

    def _trace(self, options: dict[str, Any], number: int) -> Trace:
        if options["evening"]:
            plan = EveningPlan(seed=options["seed"] + number, audience=options["audience"], streams=options["streams"])
            trace = evening_generate(plan)
        else:
            trace = trace_read(options["file"], seed=options["seed"])
        start, end = (options[name] for name in ("from_", "until"))
        if start is None and end is None:
            return trace
        return trace_cut(
            trace,
            start=start(trace.start) if start else trace.start,
            end=end(trace.start) if end else trace.end,
        )

    async def _play(self, options: dict[str, Any]) -> tuple[list[Sample], Tally]:
        loop, stop = asyncio.get_running_loop(), _stop_event(options)
        url = options["url"].rstrip("/")
        progress, answers, stage = Progress(sys.stdout), Answers(url), Stage()
        tally, samples = Tally(), []
        # One thread each, because a database connection and an HTTP connection belong to one.
        with ThreadPoolExecutor(1) as database, ThreadPoolExecutor(1) as api:

            async def in_thread(pool: ThreadPoolExecutor, work: Callable[..., Any], *args: Any) -> Any:
                return await loop.run_in_executor(pool, work, *args)

            async def channel_start(channel: Any) -> int:
                return int((await in_thread(database, stage.channel_start, channel)).pk)

            try:
                for evening in count() if options["loop"] else range(1):
                    trace = self._trace(options, evening)
                    await in_thread(api, answers.check)
                    progress.note(
                        f"{len(trace.sessions):,} sessions on {len(trace.channels):,} streams,"
                        f" {clock_text(trace.start)} to {clock_text(trace.end)}, {options['speed']:g} times as fast"
                    )
                    house = House(
                        url=url,
                        pace=OpeningPace(options["max_open"]),
                        tally=tally,
                        chance=random.Random(),
                        token_make=_token_make,
                        run=secrets.token_hex(8),
                    )
                    script = Script(
                        trace=trace,
                        speed=options["speed"],
                        moments=sample_moments(trace, count=options["samples"]),
                        channel_start=channel_start,
                        channel_end=lambda channel: in_thread(database, stage.channel_end, channel),
                        counts_read=lambda ids: in_thread(api, answers.current, ids),
                        progress=progress.show,
                        note=lambda sample: progress.note(_sample_line(sample)),
                    )
                    samples = await Player(script=script, house=house, stop=stop).run()
                    if stop.is_set():
                        break
            finally:
                await in_thread(database, stage.all_end)
                await in_thread(database, connections.close_all)
                answers.close()
                progress.close()
        return samples, tally

    def _report(self, samples: list[Sample], tally: Tally) -> None:
        for line in table_lines(samples):
            self.stdout.write(line)
        self.stdout.write(
            f"{tally.opened:,} sockets opened, {tally.reconnected:,} reconnects, {tally.frames:,} frames."
        )
        for error, times in tally.errors.most_common():
            self.stdout.write(f"{times:,} x {error}")
        self.stdout.write(summary_line(samples))


def _stop_event(options: dict[str, Any]) -> asyncio.Event:
    """Set by Ctrl-C, by SIGTERM, and when --duration is over."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if options["duration"]:
        loop.call_later(options["duration"], stop.set)
    return stop


def _token_make(stream_id: int, viewer_id: str, session_id: str, browser_id: str) -> str:
    return viewer_token_make(stream_id=stream_id, viewer_id=viewer_id, session_id=session_id, browser_id=browser_id)


def _sample_line(sample: Sample) -> str:
    wrong = len(sample.differences)
    verdict = f"{wrong} DIFFER" if wrong else "exact"
    return (
        f"{clock_text(sample.moment)}  {len(sample.readings):,} streams, {sample.sockets:,} sockets: {verdict},"
        f" settled in {sample.settle_ms:,.0f} ms"
    )
