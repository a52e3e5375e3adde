"""What axe-core finds on the main pages, in both languages, light on a desk and dark on a phone: nothing."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from apps.waitingroom.models import Role, Zone, ZoneStatistic
from apps.waitingroom.role_services import manager_set
from apps.waitingroom.services import zone_create, zone_update
from tests.analytics.owned import Owned, owned_make
from tests.browser.axe import violations
from tests.browser.conftest import House, Person, Stage
from tests.browser.test_every_page import overflow
from tests.browser.test_statistics import ranking_put
from tests.services.browser import one_browser as one_browser
from tests.waitingroom.gate import Client

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LONG = "A zone with a name of eighty letters, which is all that the form takes, no more."
PHONE, DESK = 390, 1280
SEEN = (
    {"locale": "en-US", "color_scheme": "light", "width": DESK},
    {"locale": "ko-KR", "color_scheme": "dark", "width": PHONE},
)


@pytest.fixture
def owned(transactional_db: None) -> Owned:
    """A broadcaster with a past, whose user runs zones as well: one of each mode, one with a line and a past."""
    found = owned_make()
    for number, mode in enumerate(("open", "queue-all", "paused", "blocked", "bypass", "observe")):
        zone_create(actor=None, zone_id=f"z{number}", name=LONG, name_ko="공연장", app="hall", mode=mode)
    manager_set(actor=None, user=found.mina, role=Role.OWNER, app="hall")
    zone = zone_create(
        actor=None,
        zone_id="hall",
        name="The Hall",
        per_minute=0,
        app="hall",
        message="Doors open at 9.",
        mode="observe",
    )
    manager_set(actor=None, user=found.mina, role=Role.OWNER, zone_id="hall")
    manager_set(actor=None, user=found.jun, role=Role.OWNER, zone_id="hall")
    zone = zone_update(
        actor=found.mina, zone_id="hall", expected_version=zone.version, mode="queue-all", why="a rehearsal"
    )
    now = timezone.now().replace(second=0, microsecond=0)
    counts = {"joins": 90, "entries": 60, "evicted": 1, "left": 1, "refused": 0, "would_wait": 0, "waiting": 900}
    Zone.objects.filter(pk="hall").update(created_at=now - timedelta(hours=1))
    ZoneStatistic.objects.bulk_create(
        ZoneStatistic(zone_id="hall", minute=now - timedelta(minutes=each), **counts) for each in range(1, 31)
    )
    zone_update(actor=None, zone_id="hall", expected_version=zone.version, opens_at=now + timedelta(hours=1))
    return found


def look(someone: Person, path: str, prepare: Callable[[Page], None] | None = None) -> None:
    """Open the page, bring it into its state, and look at all of it, on either width at what sticks out of it."""
    page = someone.context.pages[0] if someone.context.pages else someone.context.new_page()
    page.goto(someone.base_url + path)
    if prepare is not None:
        prepare(page)
    assert violations(page) == {}, path
    assert page.viewport_size is not None
    own = page.viewport_size["width"]
    for width in (DESK + PHONE - own, own):
        page.set_viewport_size({"width": width, "height": 800})
        assert overflow(page) == 0, (path, width)


def live(page: Page) -> None:
    """Told by its socket at least once."""
    expect(page.locator("[data-link=live]")).to_be_visible(timeout=15_000)


def unfolded(page: Page) -> None:
    """A zone's page with every form on it open."""
    live(page)
    for name in ("blocked", "bypass", "observe"):
        page.locator(f"summary[data-mode-of={name}]").evaluate("(one) => one.parentElement.removeAttribute('name')")
    for summary in page.locator(".deeds summary").all():
        summary.click()


def nobody_known(page: Page) -> None:
    """A role for somebody who has no account."""
    page.locator("[name=username]").fill("nobody")
    page.locator(".form .button").click()
    expect(page.locator(".form .errorlist")).to_be_visible()


def own_role_lowered(page: Page) -> None:
    """Asked about, beside the question about a role that is to be taken away."""
    page.locator("[name=username]").fill("mina")
    page.locator("[name=role]").select_option("1")
    page.locator(".form .button").click()
    expect(page.locator(".form .notice.warning")).to_be_visible()
    page.locator(".people .sure summary").last.click()
    expect(page.locator(".people .sure[open] [name=why]")).to_be_visible()


def undo_asked_about(page: Page) -> None:
    """The question before an undo that lets everybody in, and the reason of one that is not asked about."""
    for kind in ("sure", "because"):
        page.locator(f".changes .{kind} summary").first.click()
        expect(page.locator(f".changes .{kind}[open] [name=why]")).to_be_visible()


def overtaken(page: Page) -> None:
    """Somebody else was first: what they did, and what was typed."""
    live(page)
    page.locator("[data-deed=rate] [name=version]").evaluate("(one) => (one.value = 1)")
    page.locator("[data-deed=rate] .button").first.click()
    expect(page.locator(".conflict")).to_be_visible()
    live(page)


def id_refused(page: Page) -> None:
    """A zone whose id cannot be."""
    page.locator("[name=name]").fill("Hall")
    page.locator("[name=zone_id]").fill("a b")
    page.locator(".form .button").first.click()
    expect(page.locator(".form .errorlist")).to_be_visible()


def folded_out(page: Page) -> None:
    """The choice of another span."""
    page.locator("main summary").click()


def in_line(page: Page) -> None:
    """A place in the line is shown."""
    expect(page.locator("[data-figure]")).not_to_have_text("", timeout=15_000)
    expect(page.locator("[data-hero]")).to_be_visible()


def drawn(page: Page) -> None:
    """The first chart is there."""
    expect(page.locator("[data-series], [data-comparison]").first).to_have_attribute("data-state", "drawn")


def test_the_managers_pages(house: House, owned: Owned, person: Callable[..., Person]):
    server = house()
    gate = Client(server.port)
    for _ in range(3):
        gate.ask("wait", {"zoneId": "hall"})
    gate.close()
    for eyes in SEEN:
        someone = person(server, **eyes)
        someone.sign_in(owned.mina)
        someone.forgive(r"status of (400|409)")
        look(someone, "/manage/", live)
        look(someone, "/manage/zones/hall/", unfolded)
        look(someone, "/manage/zones/hall/settings/")
        look(someone, "/manage/zones/hall/people/", nobody_known)
        look(someone, "/manage/zones/hall/people/", own_role_lowered)
        look(someone, "/manage/zones/hall/changes/", undo_asked_about)
        look(someone, "/manage/zones/hall/", overtaken)
        look(someone, "/manage/zones/hall/report/", folded_out)
        look(someone, "/manage/new/", id_refused)


def test_the_visitors_pages(house: House, owned: Owned, stage: Stage, person: Callable[..., Person]):
    ranking_put()
    stream, server = stage("Evening"), house()
    for eyes in SEEN:
        someone = person(server, **eyes)
        look(someone, "/")
        look(someone, f"/live/{stream.pk}/")
        look(someone, "/accounts/sign-in/")
        look(someone, "/accounts/sign-up/")
        look(someone, "/wait/hall/?next=/", in_line)
        look(someone, "/rankings/")
        look(someone, "/rankings/?period=today")
        someone.sign_in(owned.mina)
        look(someone, "/studio/")
        look(someone, "/studio/statistics/?from=2026-03-01&to=2026-03-03", drawn)
        look(someone, f"/live/{owned.second.pk}/statistics/", drawn)
