"""The waiting page of a hall as tests look at it: what it shows, and what a manager does meanwhile."""

from typing import Any

from playwright.sync_api import Page, expect

from apps.realtime.redis import run_now
from apps.waitingroom import store
from apps.waitingroom.models import Zone
from apps.waitingroom.services import zone_update

# A gate follows the rules within a second, and the page asks once a second here; on a busy machine later.
SOON_MS = 15_000
WAIT = "/wait/hall/?next=/%3Fq%3Dinside"
FAST: dict[str, Any] = {"name": "The Hall", "name_ko": "공연장", "poll_ms": 1_000}


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
