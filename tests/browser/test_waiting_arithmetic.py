"""The waiting page's arithmetic, run by a browser on thousands of made-up answers."""

from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]

ARITHMETIC = """async ([module, seed]) => {
    const { Line, backoffIn, pollIn, worthSaying } = await import(module);
    let state = seed;
    const random = () => (state = (state * 16807) % 2147483647) / 2147483647;
    const below = (n) => Math.floor(random() * n);
    const wrong = [];
    for (let person = 0; person < 300; person++) {
        const line = new Line(), first = 1 + below(5000);
        let now = below(1e6), before = null, kind = "";
        for (let answer = 0; answer < 40; answer++) {
            const slowed = below(12) === 0;
            const name = below(10) === 0 ? "paused" : "waiting";
            const etaSeconds = below(9) === 0 ? null : below(900);
            line.take({ state: name, slowed, waiting: { rank: below(first) + 1, etaSeconds } }, now);
            const free = slowed || name !== kind || before?.left === null;
            for (let tick = 0; tick < 3; tick++) {
                const seen = { left: line.left(now), rank: line.rank, progress: line.progress(now) };
                const held = before && seen.left !== null && (tick || !free);
                if (held && (seen.left > before.left || seen.rank > before.rank)) wrong.push([before, seen]);
                if (!(seen.progress >= 0 && seen.progress <= 1)) wrong.push(seen);
                if (held && seen.rank === before.rank && seen.progress < before.progress) wrong.push([before, seen]);
                before = seen;
                now += below(2000);
            }
            kind = name;
        }
        const idleMs = 10000 + below(50000), periodMs = 1000 + below(19000), hidden = below(2) === 0;
        const wait = pollIn(periodMs, { hidden, idleMs }, random());
        if (wait > idleMs / 3 || wait < Math.min(idleMs / 3, 0.9 * periodMs)) wrong.push({ wait, periodMs, idleMs });
        const pause = backoffIn(1 + below(12), idleMs, 0, random());
        if (pause < 250 || pause > idleMs / 3) wrong.push({ pause, idleMs });
        const asked = backoffIn(1 + below(12), idleMs, 7, random());
        if (asked < 7000 || asked > 9000) wrong.push({ asked });
    }
    const said = { rank: 100, at: 0 };
    const heard = [[99, 60e3], [50, 5e3], [50, 10e3], [3, 10e3], [100, 120e3], [null, 10e3]];
    return { wrong, heard: heard.map(([rank, now]) => worthSaying(said, rank, now)) };
}"""


def test_no_run_of_answers_makes_the_figures_rise(page: Page):
    source = (ROOT / "static/js/wait-line.js").read_text(encoding="utf-8")
    assert page.evaluate(ARITHMETIC, [f"data:text/javascript,{quote(source)}", 20_260_501]) == {
        "wrong": [],
        "heard": [False, False, True, True, True, False],
    }
