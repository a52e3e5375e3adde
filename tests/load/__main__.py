"""`python -m tests.load SCENARIO`: run a benchmark on servers of its own."""

import argparse
import json
import sys
import time
from typing import Any

from . import (
    admin,
    analytics_query,
    analytics_sessions,
    analytics_upsert,
    audience_churn,
    audience_fanout,
    audience_idle,
    audience_join,
    directory,
    gate_http,
    gate_line,
    gate_ws,
    manage,
    ranking,
)
from .machine import TICKS_A_SECOND
from .scenario import Options, Scenario, environment, say

SCENARIOS: dict[str, Scenario] = {
    module.SCENARIO.name: module.SCENARIO
    for module in (
        audience_join,
        audience_fanout,
        audience_idle,
        audience_churn,
        directory,
        gate_http,
        gate_ws,
        gate_line,
        analytics_upsert,
        analytics_sessions,
        analytics_query,
        ranking,
        manage,
        admin,
    )
}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    listing = "\n".join(
        f"  {each.name:18} {each.summary} ({each.connections:,}{f', {each.seconds:g} s' if each.seconds else ''})"
        for each in SCENARIOS.values()
    )
    parser = argparse.ArgumentParser(
        prog="python -m tests.load",
        description="Run a benchmark on a private Redis and server; run nothing else meanwhile.",
        epilog=f"scenarios (how many there are, seconds):\n{listing}\n\nEach one's file says what it cannot prove.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", choices=SCENARIOS, metavar="SCENARIO")
    parser.add_argument("--json", action="store_true", help="print the JSON object alone")
    parser.add_argument("--connections", type=int, nargs="+", metavar="N", help="one run each, instead of the default")
    parser.add_argument("--seconds", type=float, metavar="S", help="instead of the scenario's own")
    return parser.parse_args(arguments)


def run_once(scenario: Scenario, options: Options) -> dict[str, Any]:
    """One run on fresh servers: figures, goals, and which goals were missed."""
    started = time.monotonic()
    with scenario.house(scenario.role, scenario.env) as house:
        result = scenario.run(house, options)
    missed = result.missed()
    for line in missed:
        say(f"MISSED: {line}")
    return {
        **result.figures,
        "goals": {name: f"{side.replace('_', ' ')} {value:g}" for name, (side, value) in result.goals.items()},
        "missed": missed,
        "run_seconds": round(time.monotonic() - started, 1),
    }


def main() -> None:
    """Run what was asked for and print one JSON object last."""
    asked = parse()
    scenario = SCENARIOS[asked.scenario]
    sizes = asked.connections or [scenario.connections]
    if not all(0 < size <= scenario.most for size in sizes):
        sys.exit(f"--connections is between 1 and {scenario.most:,}: one client process and one server process hold it")
    if asked.json:
        # People's lines go to the error output, so that what is printed is JSON and nothing else.
        output, sys.stdout = sys.stdout, sys.stderr
    place = environment()
    runs = [
        run_once(scenario, Options(size, asked.seconds if asked.seconds is not None else scenario.seconds))
        for size in sizes
    ]
    if asked.json:
        sys.stdout = output
    answer = {"scenario": scenario.name, **place, "cpu_tick_ms": 1000 / TICKS_A_SECOND}
    print(json.dumps({**answer, **(runs[0] if len(runs) == 1 else {"runs": runs})}), flush=True)


if __name__ == "__main__":
    main()
