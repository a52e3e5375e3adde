"""Zones of managers for tests in a browser: made, changed by others, with people in line."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from playwright.sync_api import Locator, Page, expect

from apps.accounts.models import User
from apps.waitingroom.models import Role, Zone
from apps.waitingroom.role_services import manager_set
from apps.waitingroom.services import zone_create, zone_update
from tests.services.web import WebServer
from tests.waitingroom.gate import Client

# A page is told once a second, and of what the database holds when its number moves; by a busy machine later.
SOON_MS = 15_000


def zone_make(owner: User, zone_id: str = "hall", **fields: Any) -> Zone:
    """A zone of Hana's, in which people ask once a second."""
    zone = zone_create(
        actor=None, zone_id=zone_id, **{"name": "The Hall", "name_ko": "공연장", "poll_ms": 1_000, **fields}
    )
    manager_set(actor=None, user=owner, role=Role.OWNER, zone_id=zone.pk)
    return zone


def zone_now() -> Zone:
    return Zone.objects.get(pk="hall")


def change(actor: User, **changes: Any) -> None:
    """What another manager does meanwhile."""
    zone_update(actor=actor, zone_id="hall", expected_version=zone_now().version, **changes)


@contextmanager
def in_line(server: WebServer, size: int) -> Iterator[Callable[[], list[bool]]]:
    """So many people ask for a place; calling it asks for all of them again, and says who may enter."""
    with ExitStack() as stack:
        client = Client(server.port)
        stack.callback(client.close)
        tokens = [client.ask("wait", {"zoneId": "hall"}).json["token"] for _ in range(size)]

        def poll() -> list[bool]:
            answers = [client.ask("entry", {"zoneId": "hall", "token": token}).json for token in tokens]
            return [answer["canEnter"] for answer in answers]

        yield poll


def expect_live(page: Page) -> None:
    expect(page.locator("[data-state]")).to_have_text("Live", timeout=SOON_MS)


def expect_waiting(page: Page, figure: str) -> None:
    expect(page.locator("[data-figure=waiting]")).to_have_text(figure, timeout=SOON_MS)


def newest(page: Page) -> Locator:
    """The first of the last changes."""
    return page.locator("[data-changes] li").first
