"""gate-http: virtual users of one zone on a 3-second cycle, as in the reference's load script.

Half of them come within a sixteenth of the time, the rest over eleven sixteenths, all stay for three sixteenths and go
in the last one (the reference: 10, 110, 30 and 10 s). Before they go, everybody asks as fast as it is answered, and
then at 60% of what that showed one core to do. They share kept connections, as behind a load balancer. A wait counts
from when a poll was due. Whoever enters comes again as somebody else, so their number stands.

`polls_per_server_cpu_second` is of the stretch as fast as it goes: all CPU of the server, pulses and claims included.
Redis and this client share the other core.

What it cannot prove: latency over a network or TLS, several gate processes on one line (the tests of faults do that),
and a gate with hundreds of zones.
"""

import time

from .figures import events_per_cpu_second, percentile
from .gate_measure import measured, ms, stretch_figures
from .house import House
from .scenario import Options, Result, Scenario, say
from .virtual_users import VirtualUsers

ZONE = "load-http"
PERIOD_S = 3.0
CONNECTIONS = 128
# Of the reference's 160 s; the last two are ours.
RAMP, RISE, HOLD, DOWN = 10 / 160, 110 / 160, 30 / 160, 10 / 160
FLOOD, CALM = 10 / 160, 20 / 160
CALM_SHARE = 0.6
# More than any server answers, but never so often that one person asks too fast.
FLOOD_PERIOD_S = 0.8
SETTLE_S = 1.0
# Of the users, who enter a minute: enough to keep claims going, few enough that a line stands until the end.
ENTERING_SHARE = 0.15


def run(house: House, options: Options) -> Result:
    """The reference's profile with two stretches of ours before its end."""
    from apps.operations.replay.gate_report import judge
    from apps.waitingroom.rules import Mode, ZoneRules

    number, seconds = options.connections, options.seconds
    per_minute = max(10, round(number * ENTERING_SHARE))
    house.zone_publish(ZoneRules(zone_id=ZONE, name="Load", per_minute=per_minute, mode=Mode.OPEN, message=""))
    with VirtualUsers(house.address, zone=ZONE, number=number, connections=CONNECTIONS, period_s=PERIOD_S) as users:
        stretches = [users.ramp(number // 2, seconds * RAMP), users.ramp(number, seconds * RISE)]
        say(f"{users.present:,} users are here; holding them {seconds * HOLD:.0f} s")
        hold, held = measured(house, users, seconds * HOLD)
        stretches.append(hold)

        users.pace(FLOOD_PERIOD_S)
        users.go_on(SETTLE_S)
        flood, flooded = measured(house, users, seconds * FLOOD)
        polls_per_cpu = round(events_per_cpu_second(flooded["server"]))
        say(f"as fast as it goes: {polls_per_cpu:,} polls a CPU second, {flooded['server'].cpu_share:.0%} of a core")

        # A core that is busy all the time answers `polls_per_cpu` a second.
        users.pace(max(FLOOD_PERIOD_S, number / (CALM_SHARE * polls_per_cpu)))
        users.go_on(SETTLE_S)
        calm, calmed = measured(house, users, seconds * CALM)

        users.pace(PERIOD_S)
        users.go_on(SETTLE_S)
        # Who goes without a word keeps a place that nobody claims until evicted, so admission is judged before.
        verdict = judge(users.guests, per_minute=per_minute, until_ms=int(time.time() * 1000))
        stretches.append(users.ramp(0, seconds * DOWN))
        waits = [wait for stretch in stretches for wait in stretch.waits]
        errors = dict(users.errors)

    figures = {
        "virtual_users": number,
        "polls": sum(stretch.polls for stretch in stretches) + flood.polls + calm.polls,
        "errors": sum(errors.values()),
        "error_kinds": errors,
        "p50_ms": ms(percentile(waits, 0.5)),
        "p95_ms": ms(percentile(waits, 0.95)),
        "max_ms": ms(max(waits)),
        "hold": stretch_figures(hold, held),
        "polls_per_server_cpu_second": polls_per_cpu,
        "as_fast_as_it_goes": stretch_figures(flood, flooded, latency=False),
        "p95_ms_at_60_percent": ms(percentile(calm.waits, 0.95)),
        "at_60_percent": stretch_figures(calm, calmed),
        "redis_commands_per_second": held["redis_commands_per_second"],
        "per_minute": per_minute,
        "entered": verdict.entries,
        "windows_with_a_line": verdict.windows_with_a_line,
        "windows_above_share": verdict.windows_above_share,
        "minutes_above_n": verdict.minutes_above,
        "utilisation": None if verdict.utilisation is None else round(verdict.utilisation, 4),
    }
    goals: dict[str, tuple[str, float]] = {
        "polls_per_server_cpu_second": ("at_least", 15_000),
        "p95_ms_at_60_percent": ("at_most", 20),
        "p95_ms": ("at_most", 36),
        "errors": ("at_most", 0),
        "windows_above_share": ("at_most", 0),
        "minutes_above_n": ("at_most", 0),
    }
    if verdict.utilisation is not None:
        goals["utilisation"] = ("at_least", 0.98)
    return Result(figures, goals)


SCENARIO = Scenario(
    "gate-http",
    "people of one zone who poll every 3 s over shared connections",
    run,
    40_000,
    160,
    most=200_000,
    role="gate",
    env={"GATE_JOINS_PER_ADDRESS_S": "0"},  # a load balancer is one address for everybody
)
