"""The waiting page: two browsers and one door, honest figures, and a place that survives what happens to browsers."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from apps.realtime.redis import run_now
from apps.streams.services import stream_end
from apps.waitingroom import store
from apps.waitingroom.models import Zone
from apps.waitingroom.services import zone_clear, zone_create, zone_update
from tests.browser.conftest import House, Person, Stage
from tests.services.browser import open_browser
from tests.services.waiting import eventually
from tests.waitingroom.gate import Client

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
# A gate follows the rules within a second, and the page asks once a second here.
SOON_MS = 6_000
WAIT = "/wait/hall/?next=/%3Fq%3Dinside"
FAST: dict[str, Any] = {"name": "The Hall", "name_ko": "공연장", "poll_ms": 1_000}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all of these tests; everybody has a context of their own in it."""
    with open_browser() as opened:
        yield opened


def change(**changes: Any) -> None:
    """Change the zone as a manager does."""
    zone_update(actor=None, zone_id="hall", expected_version=Zone.objects.get(pk="hall").version, **changes)


def expect_status(page: Page, text: str, timeout: int = SOON_MS) -> None:
    expect(page.locator("[data-status]")).to_have_text(text, timeout=timeout)


def expect_place(page: Page, place: int, behind: int) -> None:
    expect(page.locator("[data-figure]")).to_have_text(str(place), timeout=SOON_MS)
    expect(page.locator("[data-behind]")).to_have_text(str(behind), timeout=SOON_MS)


def expect_inside(page: Page) -> None:
    """At the address that was waited for, with a pass."""
    page.wait_for_url("**/?q=inside&pass=fp1.hall.*", timeout=20_000)


def waiting() -> int:
    """How many stand in line, by Redis."""
    line = store.status_read(run_now([store.status("hall")])[0])
    return line.waiting if line else -1


def ticket(page: Page) -> str:
    return str(page.evaluate("JSON.parse(localStorage['fullhouse-ticket:hall'] ?? '{}').token ?? ''"))


def record(page: Page) -> None:
    """Keep every time left that the page shows from now on, and what it says to a screen reader."""
    page.evaluate(
        """() => {
            const keep = (name) => {
                const element = document.querySelector(`[data-${name}]`), seen = window[name] = [element.textContent];
                new MutationObserver(() => seen.push(element.textContent)).observe(element, {childList: true});
            };
            keep("left");
            keep("say");
        }"""
    )


def seconds(shown: str) -> int:
    if shown == "any moment":
        return 0
    minutes, rest = shown.split(":")
    return int(minutes) * 60 + int(rest)


def test_the_second_waits_counts_down_and_is_let_in(house: House, person: Callable[..., Person]):
    zone_create(actor=None, zone_id="hall", per_minute=10, **FAST)
    server = house()
    first = person(server).visit(WAIT)
    expect_inside(first)
    others = Client(server.port)
    for _ in range(9):
        assert others.ask("wait", {"zoneId": "hall"}).json["canEnter"] is True
    others.close()

    second = person(server).visit(WAIT)
    expect_status(second, "You are next")
    expect_place(second, 1, 0)
    record(second)
    requests: list[str] = []
    second.on("request", lambda request: requests.append(request.url))
    # Two tabs opened at once by the third are one person.
    third = person(server)
    tabs = [third.context.new_page(), third.context.new_page()]
    for tab in tabs:
        tab.goto(server.base_url + WAIT, wait_until="commit")
    for tab in tabs:
        expect_place(tab, 2, 0)
    assert ticket(tabs[0]) == ticket(tabs[1]) != ""
    expect_place(second, 1, 1)
    second.evaluate(
        """() => new Promise((done) => {
            const timer = setInterval(() => window.left.length > 4 && done(clearInterval(timer)), 100);
        })"""
    )

    left = [seconds(shown) for shown in second.evaluate("window.left")]
    assert left == sorted(left, reverse=True)
    assert 45 <= left[0] <= 66  # ten entered at once, so the next one does ten windows of 6 s later
    # A screen reader heard the place once, and not with every answer.
    assert len(second.evaluate("window.say")) == 1
    assert second.evaluate("window.say[0]").startswith("You are next. Your place in line: 1. Time left in minutes: ")
    assert second.title() == "1 · The Hall"
    assert set(requests) <= {f"{server.base_url}/traffic/entry"}

    change(per_minute=600)
    expect_inside(second)
    for tab in tabs:
        expect_inside(tab)
    assert waiting() == 0


def test_a_place_outlives_its_tab_and_is_given_up_on_purpose_only(house: House, person: Callable[..., Person]):
    zone_create(actor=None, zone_id="hall", per_minute=0, mode="queue-all", **FAST)
    server = house(role="gate")
    ann, bob = person(server), person(server)
    page = ann.visit(WAIT)
    expect_place(page, 1, 0)
    other = bob.visit(WAIT)
    expect_place(other, 2, 0)
    held = ticket(page)
    page.close()
    page = ann.visit(WAIT)
    expect_place(page, 1, 1)
    assert ticket(page) == held
    page.reload()
    expect_place(page, 1, 1)

    page.get_by_role("button", name="Leave the line…").click()
    page.get_by_role("button", name="Stay").click()
    expect_place(page, 1, 1)
    tab = ann.visit(WAIT)
    expect_place(tab, 1, 1)
    page.get_by_role("button", name="Leave the line…").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    for one in (page, tab):
        expect_status(one, "You have left the line")
    expect_place(other, 1, 0)
    assert waiting() == 1
    page.get_by_role("button", name="Get in line again").click()
    for one in (page, tab):
        expect_place(one, 2, 0)
    assert waiting() == 2


def test_the_page_tells_what_the_manager_does(house: House, person: Callable[..., Person]):
    zone_create(
        actor=None,
        zone_id="hall",
        per_minute=1,
        mode="blocked",
        message="Back at nine.",
        message_ko="아홉 시에.",
        **FAST,
    )
    server = house()
    newcomer, korean = person(server), person(server, locale="ko-KR", width=320, color_scheme="dark")
    for one in (newcomer, korean):
        one.forgive(r"status of 410")
    korean.context.clock.install()
    page, kpage = newcomer.visit(WAIT), korean.visit(WAIT)
    expect_status(page, "Closed for now")
    expect(page.locator("[data-message]")).to_have_text("Back at nine.")
    expect_status(kpage, "지금은 닫혀 있습니다")
    expect(kpage.locator("[data-message]")).to_have_text("아홉 시에.")
    expect(page.locator("[data-hero]")).to_be_hidden()

    change(mode="paused", message="<i>Soon</i>", message_ko="")
    expect_status(page, "The line is paused")
    expect(page.locator("[data-message]")).to_have_text("<i>Soon</i>")  # text, whatever it looks like
    expect(page.locator("[data-left]")).to_have_text("—")
    expect_status(kpage, "입장을 잠시 멈췄습니다")
    eventually(lambda: waiting() == 2)
    assert kpage.evaluate("document.documentElement.scrollWidth") == 320

    zone_clear(actor=None, zone_id="hall")
    expect_status(page, "The line was emptied")
    page.get_by_role("button", name="Get in line again").click()
    expect_status(page, "The line is paused")
    expect(page.get_by_text("The manager emptied the line, so you start anew.")).to_be_visible()
    expect_status(kpage, "줄을 비웠습니다")
    kpage.clock.fast_forward(8_000)  # by itself, within so long
    expect_status(kpage, "입장을 잠시 멈췄습니다")
    change(mode="bypass")
    expect_inside(page)
    expect_inside(kpage)

    # A site that sends people back with a good pass does not make them run in circles.
    used = page.url
    for _ in range(2):
        page.goto(server.base_url + WAIT)
        page.wait_for_url(used)
    page.goto(server.base_url + WAIT)
    expect_status(page, "Your pass was not accepted")
    page.get_by_role("button", name="Get in line again").click()
    expect_inside(page)
    assert page.url != used


def test_an_interrupted_page_says_so_and_goes_on(house: House, person: Callable[..., Person]):
    zone_create(actor=None, zone_id="hall", per_minute=0, mode="queue-all", **FAST)
    server = house(role="gate")
    someone = person(server)
    someone.forgive(r"ERR_INTERNET_DISCONNECTED|WebSocket connection to|status of 410")
    page = someone.visit(WAIT)
    expect_place(page, 1, 0)
    someone.context.set_offline(True)
    expect_status(page, "You are offline")
    expect(page.locator("[data-words]")).to_contain_text("Your place is kept for")
    someone.context.set_offline(False)
    expect_status(page, "Connected again")
    expect_place(page, 1, 0)

    # Out of sight it asks nobody, and is heard of all the same.
    look = "value => { Object.defineProperty(document, 'hidden', {value, configurable: true});"
    look += " document.dispatchEvent(new Event('visibilitychange')) }"
    with page.expect_websocket(lambda socket: "/ws/zones/hall/" in socket.url) as opened:
        page.evaluate(look, True)
    frame = json.loads(str(opened.value.wait_for_event("framereceived")))
    assert (frame["type"], frame["waiting"]["rank"], frame["state"]) == ("line", 1, "waiting")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    opened.value.wait_for_event("framereceived")
    assert asked == []
    with page.expect_request("**/traffic/entry"), opened.value.expect_event("close"):
        page.evaluate(look, False)

    # Given up behind its back, it says so and starts at the end.
    other = person(server).visit(WAIT)
    expect_place(other, 2, 0)
    body = json.dumps({"zoneId": "hall", "token": ticket(page)})
    post = "body => fetch('/traffic/leave', {method: 'POST', body}).then((answer) => answer.json())"
    assert page.evaluate(post, body) == {"left": True}
    expect_status(page, "We lost you")
    page.get_by_role("button", name="Get in line again").click()
    expect_place(page, 2, 0)
    expect(page.locator("[data-lost]")).to_contain_text("You start at the end.")


@pytest.fixture
def shop() -> Iterator[Callable[[str], str]]:
    """Factory of another site: `shop(head)` starts one whose every page has this head, and gives its origin."""
    servers: list[ThreadingHTTPServer] = []

    def start(head: str) -> str:
        page = f"<!doctype html><title>Shop</title><link rel=icon href=data:,>{head}<h1>Inside</h1>".encode()

        class Shop(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_: object) -> None:
                """Silence."""

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Shop))
        Thread(target=servers[-1].serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_it_leads_nowhere_but_where_the_zone_allows(
    house: House, person: Callable[..., Person], shop: Callable[[str], str]
):
    server = house(role="gate")
    script = f"<script src='{server.base_url}/static/js/gate.js' data-zone='hall' data-cookie='queue'></script>"
    origin = shop(script)
    zone_create(actor=None, zone_id="hall", per_minute=600, origins=origin, **FAST)
    visitor = person(server)
    visitor.forgive(r"status of (401|410|413|422|429)")
    asked: list[str] = []
    visitor.context.on("request", lambda request: asked.append(request.url))
    page = visitor.context.new_page()
    evil = [
        "https://evil.example/",
        "//evil.example/",
        "\\\\evil.example/",
        "javascript:alert(1)",
        "http://",
        f"{origin}1/",
    ]
    for address in [
        *evil,
        origin.replace("http", "https"),
        f"{origin}@evil.example/",
        f"http://evil.example/?{origin}",
    ]:
        page.goto(f"{server.base_url}/wait/hall/?next={address}")
        expect_status(page, "This link leads nowhere")
    assert [url for url in asked if "/traffic/" in url or not url.startswith(server.base_url)] == []

    # Another site, with one script of ours. Its ticket is the page's place, the page's own being no more.
    change(per_minute=0, mode="queue-all")
    page.goto(server.base_url + WAIT)
    expect_place(page, 1, 0)
    client = Client(server.port)
    assert client.ask("leave", {"zoneId": "hall", "token": ticket(page)}).json == {"left": True}
    page.goto("about:blank")
    asked.clear()
    page.goto(f"{origin}/sale?a=1")
    expect_place(page, 1, 0)
    assert [url for url in asked if url.endswith("/traffic/wait")] == [f"{server.base_url}/traffic/wait"]
    assert waiting() == 1
    expect(page.locator("[data-lost]")).to_be_hidden()
    change(per_minute=600)
    page.wait_for_url(f"{origin}/sale?a=1")
    expect(page.get_by_role("heading", name="Inside")).to_be_visible()
    given = page.evaluate("fullhouse.entered")
    assert given["pass"].startswith("fp1.hall.")
    assert page.evaluate("document.cookie") == f"queue={given['pass']}"
    asked.clear()
    page.reload()
    expect(page.get_by_role("heading", name="Inside")).to_be_visible()
    assert [url for url in asked if "/traffic/" in url] == []  # the pass is good for a while

    # What is no pass is none, whatever it looks like from afar, and what is no ticket is forgotten.
    change(mode="open")
    for rubbish in ("rubbish", "x" * 2_000, "x" * 5_000):  # 401, 422, 413
        page.evaluate("rubbish => { localStorage.clear(); localStorage['fullhouse-ticket:hall'] = rubbish }", rubbish)
        page.goto(f"{origin}/sale?fullhouse_pass=fp1.hall.1.2.c.3.99999999999.x;Domain=127.0.0.1;x")
        expect(page.get_by_role("heading", name="Inside")).to_be_visible()
        assert (
            page.evaluate("fullhouse.entered.then(() => document.cookie)") == f"queue={page.evaluate('fullhouse.pass')}"
        )
        assert client.ask("redeem", {"zoneId": "hall", "pass": page.evaluate("fullhouse.pass")}).status == 200
        assert page.url == f"{origin}/sale"
    page.goto("about:blank")
    page.goto(f"{server.base_url}/wait/hall/?next={origin}&again=1#ticket={'x' * 2_000}")
    expect(page.get_by_role("heading", name="Inside")).to_be_visible()

    # How long to wait is readable from there, too.
    polls = """async ([gate, token]) => {
        for (;;) {
            const body = JSON.stringify({ zoneId: "hall", token });
            const answer = await fetch(`${gate}/traffic/entry`, { method: "POST", body });
            if (answer.status === 429) return answer.headers.get("Retry-After");
        }
    }"""
    assert page.evaluate(polls, [server.base_url, page.evaluate("localStorage['fullhouse-ticket:hall']")]) == "3"
    client.close()


def test_a_protected_stream_comes_back_by_itself(house: House, stage: Stage, person: Callable[..., Person]):
    zone = zone_create(actor=None, zone_id="hall", per_minute=1, **FAST)
    stream = stage("Behind the door")
    stream.zone = zone
    stream.save()
    server = house()
    first = person(server).visit(f"/live/{stream.pk}/")
    expect(first.locator("[data-state]")).to_have_text("Counting live", timeout=SOON_MS)
    change(per_minute=0)
    page = person(server).visit(f"/live/{stream.pk}/")
    # Nobody is let in, so nobody is next; and who came afterwards has seen nothing slow down.
    expect_status(page, "The line is paused")
    expect(page.locator("[data-words]")).to_have_text("Nobody is let in for the moment. You keep your place.")
    expect_place(page, 1, 0)
    change(per_minute=1)
    expect_status(page, "You are next")
    change(per_minute=600)
    page.wait_for_url(f"{server.base_url}/live/{stream.pk}/", timeout=20_000)
    expect(page.locator("[data-state]")).to_have_text("Counting live", timeout=SOON_MS)
    expect(page.locator("[data-figure=current]")).to_have_attribute("data-value", "2", timeout=SOON_MS)

    # The stream ends: who still waits for it is told, and led to its figures; who waits for another one waits on.
    change(per_minute=0)
    waiter = person(server)
    late = waiter.visit(f"/live/{stream.pk}/")
    elsewhere = waiter.visit("/wait/hall/")
    for one in (late, elsewhere):
        expect_place(one, 1, 0)
    stream_end(stream=stream)
    expect_status(late, "This stream has ended")
    late.get_by_role("link", name="Go on").click()
    late.wait_for_url(f"{server.base_url}/live/{stream.pk}/")
    expect(late.locator("[data-over]")).to_be_visible()
    expect_place(elsewhere, 1, 0)
    # Whoever waits for nothing by name carries no pass in the address.
    change(per_minute=600)
    elsewhere.wait_for_url(f"{server.base_url}/", timeout=20_000)


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
