"""Where the waiting page leads: to sites that the zone allows, to streams behind it, and nowhere else."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import expect

from apps.streams.services import stream_end
from apps.waitingroom.services import zone_create
from tests.browser.conftest import House, Person, Stage
from tests.browser.waiting import FAST, SOON_MS, WAIT, change, expect_place, expect_status, ticket, waiting
from tests.services.browser import one_browser as one_browser
from tests.waitingroom.gate import Client

pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
