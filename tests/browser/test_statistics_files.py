"""Downloads of the past in a browser: whole, with how far they have come, one at a time."""

import csv
import datetime
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.analytics import export_store
from apps.analytics.models import ViewerHistory
from apps.realtime import redis
from tests.analytics.owned import Owned, owned_make, seoul
from tests.browser.conftest import House, Person
from tests.services.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MARCH = "from=2026-03-01&to=2026-03-03"


@pytest.fixture
def owned(transactional_db: None) -> Owned:
    return owned_make()


@pytest.fixture
def mina(house: House, owned: Owned, person: Callable[..., Person]) -> Callable[..., Person]:
    """Mina, signed in, with a browser as asked."""
    server = house()

    def enter(**options: Any) -> Person:
        mina = person(server, **options)
        mina.sign_in(owned.mina)
        return mina

    return enter


# --- downloads ----------------------------------------------------------------------------------------------------

MANY = 30_000


@pytest.fixture
def long_history(owned: Owned) -> None:
    first = seoul(1, 12)
    ViewerHistory.objects.bulk_create(
        [
            ViewerHistory(
                stream_id=owned.first.pk,
                captured_at=first + n * datetime.timedelta(seconds=1),
                **dict.fromkeys(("current", "peak", "total", "unique_today"), n),
            )
            for n in range(MANY)
        ],
        batch_size=5_000,
    )


def saved(page: Page, link: str) -> tuple[str, bytes]:
    """What a click on this link saves: name and content."""
    with page.expect_download() as found:
        page.get_by_role("link", name=link).click()
    return found.value.suggested_filename, Path(found.value.path()).read_bytes()


def test_a_long_file_is_saved_whole(mina: Callable[..., Person], long_history: None):
    page = mina().visit(f"/studio/statistics/?{MARCH}")
    name, content = saved(page, "CSV: Every five minutes")
    assert name == "mina-history-2026-03-01-2026-03-03.csv"
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert (len(rows), rows[-1]["title"], rows[-1]["current"]) == (MANY + 36, '\'=SUM(A1), "night"', "80")
    expect(page.get_by_text(f"Saved {name}: 30,036 rows.")).to_be_visible()
    name, content = saved(page, "JSON: Every day")
    assert (name, len(json.loads(content)["rows"])) == ("mina-days-2026-03-01-2026-03-03.json", 3)


# A page's own requests, held up by the page itself: the first part comes, the rest when the test says so.
HELD_UP = """
  const real = window.fetch;
  window.fetch = async (url, options) => {
    window.breakOff = window.goOn = null;
    const response = await real(url, options);
    if (!String(url).includes("/export")) return response;
    const bytes = new Uint8Array(await response.arrayBuffer());
    const body = new ReadableStream({
      start(controller) {
        options.signal.addEventListener("abort", () => controller.error(new DOMException("stopped", "AbortError")));
        controller.enqueue(bytes.slice(0, bytes.length / 2));
        window.breakOff = () => controller.error(new TypeError("lost"));
        window.goOn = () => {
          controller.enqueue(bytes.slice(bytes.length / 2));
          controller.close();
        };
      },
    });
    return new Response(body, { headers: response.headers });
  };
"""


def test_how_far_it_has_come_and_a_way_to_stop(mina: Callable[..., Person], long_history: None):
    someone = mina()
    someone.context.add_init_script(HELD_UP)
    page = someone.visit(f"/studio/statistics/?{MARCH}")
    link = page.get_by_role("link", name="CSV: Every five minutes")
    link.click()
    bar = page.get_by_role("progressbar", name="Download")
    expect(bar).to_be_visible()
    expect(page.get_by_text(re.compile(r"^1\d,\d{3} of 30,036 rows$"))).to_be_visible()
    assert 0.3 < float(bar.evaluate("(bar) => bar.position")) < 0.7
    expect(link).to_have_attribute("aria-disabled", "true")
    page.get_by_role("button", name="Cancel").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Stopped. Nothing was saved.")).to_be_visible()
    expect(bar).to_be_hidden()
    expect(link).to_be_focused()

    link.click()
    eventually(lambda: page.evaluate("!!window.breakOff"))
    expect(bar).to_be_visible()
    page.evaluate("window.breakOff()")
    expect(page.get_by_text(re.compile(r"^The connection was lost after 1\d,\d{3} rows"))).to_be_visible()

    with page.expect_download():
        link.click()
        eventually(lambda: page.evaluate("!!window.goOn"))
        page.evaluate("window.goOn()")
    expect(page.get_by_text("30,036 rows.")).to_be_visible()


def test_a_second_export_is_told_to_wait(mina: Callable[..., Person], owned: Owned):
    someone = mina()
    someone.forgive(r"status of 429")
    page = someone.visit(f"/studio/statistics/?{MARCH}")
    redis.ask_now([export_store.export_claim(owned.mina.pk)])
    page.get_by_role("link", name="CSV: Every day").click()
    expect(page.get_by_text("Another export is running. Try again in 10 s.")).to_be_visible()
    redis.ask_now([export_store.export_release(owned.mina.pk)])
    assert saved(page, "CSV: Every day")[0] == "mina-days-2026-03-01-2026-03-03.csv"
