"""The live page: the count is exact and moves, and the page never pretends."""

import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.streams.services import stream_end
from tests.browser.conftest import House, Person, Stage, crowd
from tests.services.redis_server import RedisServer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# One push a second, of a server that may have much else to do.
SOON_MS = 15_000
# The longest wait between two tries of a page that has only just lost its server.
RECONNECT_MS = 40_000


def figure(page: Page, name: str = "current") -> str:
    """The exact value that the page holds."""
    return page.locator(f"[data-figure={name}]").get_attribute("data-value") or ""


def expect_figure(page: Page, value: int, name: str = "current") -> None:
    expect(page.locator(f"[data-figure={name}]")).to_have_attribute("data-value", str(value), timeout=SOON_MS)


def expect_state(page: Page, text: str, timeout: int = SOON_MS) -> None:
    expect(page.locator("[data-state]")).to_have_text(text, timeout=timeout)


def test_two_people_are_two_and_the_tabs_of_one_are_one(house: House, stage: Stage, person: Callable[..., Person]):
    server, stream = house(), stage("Exactly two")
    ann, bob = person(server), person(server)
    first = ann.visit(f"/live/{stream.pk}/")
    expect_figure(first, 1)
    second = ann.visit(f"/live/{stream.pk}/")
    expect_state(second, "Counting live")
    expect_figure(second, 1)
    other = bob.visit(f"/live/{stream.pk}/")
    for page in (first, second, other):
        expect_figure(page, 2)
        expect_figure(page, 2, "peak")
    first.close()
    expect_figure(other, 2)  # Ann's second tab is still there
    second.close()
    expect_figure(other, 1)
    assert figure(other, "peak") == "2"


def test_the_figure_that_is_seen_is_the_figure_that_was_sent(house: House, stage: Stage, person: Callable[..., Person]):
    server, stream = house(), stage("Seven")
    page = person(server).visit(f"/live/{stream.pk}/")
    expect_figure(page, 1)
    with crowd(server, stream, 6):
        expect_figure(page, 7)
        # The digits come to rest as plain text.
        expect(page.locator("[data-figure=current]")).to_have_text("7")
        expect(page.locator("[data-fresh]")).to_contain_text("as of")
        expect(page.locator("[data-trail] canvas")).to_be_visible()
    expect_figure(page, 1)


def test_the_end_of_a_stream_ends_the_page(house: House, stage: Stage, person: Callable[..., Person]):
    server, stream = house(), stage("Last song")
    page = person(server).visit(f"/live/{stream.pk}/")
    expect_state(page, "Counting live")
    stream_end(stream=stream)
    expect_state(page, "Ended")
    expect(page.get_by_text("This stream has ended")).to_be_visible()
    expect(page.locator("[data-badge]")).to_be_hidden()
    page.reload()
    expect(page.get_by_role("heading", name="Final figures")).to_be_visible()
    expect(page.locator(".final dd").first).to_have_text("1")
    assert page.locator("#live-config").count() == 0  # nothing connects any more


def test_a_page_says_that_its_server_is_gone_and_finds_the_next_one(
    house: House, stage: Stage, person: Callable[..., Person]
):
    server, stream = house(), stage("Interlude")
    viewer = person(server)
    viewer.forgive(r"WebSocket connection to|ERR_CONNECTION_REFUSED")
    page = viewer.visit(f"/live/{stream.pk}/")
    expect_state(page, "Counting live")
    server.kill()
    expect_state(page, "Connection lost")
    expect(page.locator("[data-fresh]")).to_contain_text("trying again in")
    house(port=server.port)
    expect_state(page, "Counting live", timeout=RECONNECT_MS)
    expect_figure(page, 1)


def test_a_draining_server_sends_its_viewers_on(house: House, stage: Stage, person: Callable[..., Person]):
    server, stream = house(), stage("Deploy")
    viewer = person(server)
    viewer.forgive(r"WebSocket connection to|ERR_CONNECTION_REFUSED")
    page = viewer.visit(f"/live/{stream.pk}/")
    expect_state(page, "Counting live")
    page.evaluate(
        """() => {
            window.seen = new Set();
            const state = document.querySelector("[data-state]");
            new MutationObserver(() => window.seen.add(state.textContent)).observe(state, {childList: true});
        }"""
    )
    assert server.terminate(deadline=20) == 0
    house(port=server.port)
    expect_state(page, "Counting live", timeout=RECONNECT_MS)
    expect_figure(page, 1)
    assert "Changing servers" in page.evaluate("[...window.seen]")


def test_figures_that_cannot_be_read_are_called_old(
    house: House,
    stage: Stage,
    person: Callable[..., Person],
    private_redis: RedisServer,
    use_redis: Callable[[str], str],
):
    use_redis(private_redis.url)
    server, stream = house(), stage("Power cut")
    page = person(server).visit(f"/live/{stream.pk}/")
    expect_state(page, "Counting live")
    private_redis.pause()
    expect_state(page, "Figures are old", timeout=15_000)
    expect_figure(page, 1)  # the last known figure stays, dimmed
    private_redis.resume()
    expect_state(page, "Counting live", timeout=15_000)


def test_a_session_opened_elsewhere_waits_for_its_person(house: House, stage: Stage, person: Callable[..., Person]):
    server, stream = house(), stage("Twice")
    viewer = person(server)
    page = viewer.visit(f"/live/{stream.pk}/")
    expect_state(page, "Counting live")
    token = page.evaluate("JSON.parse(document.getElementById('live-config').textContent).token")
    # The same session again, as a copied tab would bring it.
    page.evaluate(
        "([path, token]) => { window.copy = new WebSocket(`ws://${location.host}${path}?token=${token}`) }",
        [f"/ws/streams/{stream.pk}/", token],
    )
    expect_state(page, "Opened elsewhere")
    page.get_by_role("button", name="Watch here").click()
    expect_state(page, "Counting live")
    expect_figure(page, 1)


def test_silence_is_taken_for_a_dead_connection(house: House, stage: Stage, person: Callable[..., Person]):
    server, stream = house(), stage("Frozen")
    viewer = person(server)
    viewer.forgive(r"WebSocket connection to|ERR_")
    viewer.context.clock.install()
    page = viewer.visit(f"/live/{stream.pk}/")
    expect_state(page, "Counting live")
    server.process.send(signal.SIGSTOP)
    try:
        # Nothing closes the socket; silence alone must tell: first a question, then giving up.
        page.clock.fast_forward(30_000)
        expect(page.locator("[data-live-page]")).to_have_attribute("data-link", "live")
        page.clock.fast_forward(25_000)
        expect_state(page, "Connection lost")
    finally:
        server.process.send(signal.SIGCONT)
