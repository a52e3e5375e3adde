"""Statistics and rankings in a browser: charts that draw, follow the theme and can be read by keyboard."""

import base64
import datetime
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.analytics import ranking_store
from apps.analytics.ranking import RankedBroadcaster
from apps.realtime import redis
from apps.streams.models import Stream
from tests.analytics.owned import Owned, owned_make, seoul, stream_write
from tests.browser.conftest import House, Person
from tests.browser.test_every_page import overflow
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


def reading(page: Page, chart: str) -> Any:
    return page.locator(f"{chart} [data-reading]")


def inked(page: Page, chart: str) -> bool:
    """Whether anything is drawn in the chart in a colour of its own."""
    return bool(
        page.locator(f"{chart} canvas").evaluate(
            """(canvas) => {
              const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              for (let at = 0; at < data.length; at += 4) {
                const colour = data.slice(at, at + 3);
                if (data[at + 3] > 200 && Math.max(...colour) - Math.min(...colour) > 50) return true;
              }
              return false;
            }"""
        )
    )


def test_charts_draw_and_are_read_by_keyboard(mina: Callable[..., Person]):
    page = mina().visit(f"/studio/statistics/?{MARCH}")
    series = page.locator("[data-series]")
    expect(series).to_have_attribute("data-state", "drawn")
    for chart in (
        "[data-series]",
        "[data-bars='peak average']",
        "[data-bars='unique new']",
        "[data-bars='watch_minutes']",
    ):
        assert inked(page, chart), chart
    series.locator(".plot").focus()
    page.keyboard.press("Home")
    expect(reading(page, "[data-series]")).to_have_text("Mar 1, 09:00 · Viewers 10")
    page.keyboard.press("End")
    expect(reading(page, "[data-series]")).to_have_text("Mar 3, 00:55 · Viewers 80")
    page.keyboard.press("ArrowLeft")
    expect(reading(page, "[data-series]")).to_have_text("Mar 3, 00:50 · Viewers 80")
    page.locator("[data-bars='unique new'] .plot").focus()
    page.keyboard.press("End")
    expect(reading(page, "[data-bars='unique new']")).to_have_text("Tue, Mar 3 · Returning 50 · New 40")
    expect(reading(page, "[data-series]")).to_have_text("")


def test_what_a_line_is_depends_on_what_a_point_is(mina: Callable[..., Person]):
    page = mina().visit(f"/studio/statistics/?{MARCH}")
    series = page.locator("[data-series]")
    expect(series).to_have_attribute("data-state", "drawn")
    expect(series.locator(".keys li:visible")).to_have_text(["Viewers"])
    page.goto(page.url.replace("to=2026-03-03", "to=2026-03-28"))
    expect(series).to_have_attribute("data-state", "drawn")
    expect(series.locator(".keys li:visible")).to_have_text(["Highest reading", "Average"])
    series.locator(".plot").focus()
    page.keyboard.press("Home")
    expect(reading(page, "[data-series]")).to_have_text("Mar 1, 09:00 · Average 10.0 · Highest reading 10")
    # What was not live is said, too.
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(reading(page, "[data-series]")).to_have_text("Mar 1, 10:00 · –")  # noqa: RUF001


# What a chart writes on its canvas.
WRITTEN = """
  window.written = [];
  const real = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
    window.written.push(text);
    return real.call(this, text, ...rest);
  };
"""


@pytest.mark.parametrize("minutes", [1, 4, 9])
def test_no_label_of_a_short_chart_stands_twice(mina: Callable[..., Person], owned: Owned, minutes: int):
    start = seoul(5, 12)
    viewers = [7] * (minutes // 5 + 1)
    stream = stream_write(owned.channel, "short", started_at=start, viewers=viewers)
    Stream.objects.filter(pk=stream.pk).update(ended_at=start + datetime.timedelta(minutes=minutes))
    someone = mina(width=1280)
    someone.context.add_init_script(WRITTEN)
    page = someone.visit(f"/live/{stream.pk}/statistics/")
    for chart in ("[data-series]", "[data-comparison]"):
        expect(page.locator(chart)).to_have_attribute("data-state", "drawn")
    page.evaluate("window.written = []; document.dispatchEvent(new Event('themechange'))")
    labels = page.evaluate("window.written")  # uPlot draws before anything else that the page is told
    of_day = [text for text in labels if text.startswith("12:")]
    since_start = [text for text in labels if text.startswith(("0:", "1:"))]
    assert "12:00" in of_day
    assert "0:00" in since_start
    assert (len(of_day), len(since_start)) == (len(set(of_day)), len(set(since_start)))


def test_a_stream_lies_over_the_one_before(mina: Callable[..., Person], owned: Owned):
    page = mina().visit(f"/live/{owned.second.pk}/statistics/")
    chart = page.locator("[data-comparison]")
    expect(chart).to_have_attribute("data-state", "drawn")
    chart.locator(".plot").focus()
    page.keyboard.press("Home")
    expect(reading(page, "[data-comparison]")).to_have_text("0:00 after the start · This stream 40 · The one before 10")
    page.keyboard.press("End")
    expect(reading(page, "[data-comparison]")).to_have_text("1:55 after the start · This stream 80 · The one before –")  # noqa: RUF001
    page.get_by_role("link", name="2026-03-03").first.click()
    expect(page.locator("[data-series]")).to_have_attribute("data-state", "drawn")
    page.locator("[data-series] .plot").focus()
    page.keyboard.press("Home")
    expect(reading(page, "[data-series]")).to_have_text("Mar 3, 00:00 · Viewers 80")


def test_a_chart_follows_the_theme(mina: Callable[..., Person]):
    page = mina(color_scheme="light").visit(f"/studio/statistics/?{MARCH}")
    expect(page.locator("[data-series]")).to_have_attribute("data-state", "drawn")
    drawn = "document.querySelector('[data-series] canvas').toDataURL()"
    light = page.evaluate(drawn)
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate(drawn) != light
    assert inked(page, "[data-series]")


def test_a_chart_that_cannot_be_loaded_says_so_and_tries_again(mina: Callable[..., Person]):
    someone = mina()
    someone.forgive(r"status of 503")
    someone.context.route("**/series?*", lambda route: route.fulfill(status=503, body="{}"), times=1)
    page = someone.visit(f"/studio/statistics/?{MARCH}")
    series = page.locator("[data-series]")
    expect(series.get_by_text("The chart could not be loaded.")).to_be_visible()
    series.get_by_role("button", name="Try again").click()
    expect(series).to_have_attribute("data-state", "drawn")
    expect(series.get_by_text("The chart could not be loaded.")).to_have_count(0)


def test_days_of_ones_own_and_days_without_a_stream(mina: Callable[..., Person]):
    page = mina().visit("/studio/statistics/")
    page.get_by_label("From").fill("2025-01-01")
    page.get_by_label("to", exact=True).fill("2025-01-05")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("[data-series]")).to_have_attribute("data-state", "empty")
    expect(page.locator("[data-series]").get_by_text("Nothing was live in this time.")).to_be_visible()
    page.get_by_role("link", name="7 days").click()
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")


# --- everything at once -------------------------------------------------------------------------------------------


def test_without_javascript_all_figures_are_there(mina: Callable[..., Person]):
    someone = mina(java_script_enabled=False)
    page = someone.visit(f"/studio/statistics/?{MARCH}")
    expect(page.get_by_role("row", name="2026-03-03 Tue 80 80.0 90 40 50 80.0 h 1.0 h")).to_be_visible()
    assert "The chart needs JavaScript." in page.content()  # Chromium shows no <noscript> when it is driven without
    with page.expect_download() as found:
        page.get_by_role("link", name="CSV: Every day").click()
    assert found.value.suggested_filename == "mina-days-2026-03-01-2026-03-03.csv"


def ranking_put() -> None:
    rows = [
        RankedBroadcaster(n, n, f"b{n}", f"{'무궁화꽃이피었습니다' * 4}{n}", "talk", 6_000 // n, 50, 70)
        for n in range(1, 5)
    ]
    at_ms = 1_772_413_200_000
    redis.ask_now(ranking_store.ranking_put(period="today", category_id=None, as_of_ms=at_ms, rows=rows))


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
def test_nothing_scrolls_sideways_on_a_small_phone(mina: Callable[..., Person], owned: Owned, locale: str):
    ranking_put()
    phone = mina(locale=locale, width=360)
    addresses = [
        *(f"/studio/statistics/?{MARCH}", "/studio/statistics/?days=1", f"/live/{owned.second.pk}/statistics/"),
        *("/rankings/", "/rankings/?period=today", "/rankings/?period=week"),
    ]
    assert {path: overflow(phone.visit(path)) for path in addresses} == dict.fromkeys(addresses, 0)


# Of a picture, how bright it is at both ends, near the top.
EDGES = """
  async (picture) => {
    const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${picture}`)).blob());
    const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d", { willReadFrequently: true });
    canvas.drawImage(image, 0, 0);
    return [2, image.width - 3].map((x) => canvas.getImageData(x, 3, 1, 1).data[0]);
  }
"""


def test_a_table_that_goes_on_beyond_the_edge_is_seen_to(mina: Callable[..., Person]):
    phone = mina(width=390)
    page, blank = phone.visit(f"/studio/statistics/?{MARCH}"), phone.context.new_page()
    table = page.get_by_role("group", name="Figures of each day")
    table.scroll_into_view_if_needed()

    def shaded() -> tuple[bool, bool]:
        """Whether the left and the right edge are darker than the paper."""
        left, right = blank.evaluate(EDGES, base64.b64encode(table.screenshot()).decode())
        return left < 245, right < 245

    assert table.evaluate("(box) => box.scrollWidth > box.clientWidth")
    assert shaded() == (False, True)
    table.evaluate("(box) => { box.scrollLeft = 40; }")
    eventually(lambda: shaded() == (True, True))
    table.evaluate("(box) => { box.scrollLeft = box.scrollWidth; }")
    eventually(lambda: shaded() == (True, False))


def test_in_korean(mina: Callable[..., Person]):
    page = mina(locale="ko-KR").visit(f"/studio/statistics/?{MARCH}")
    expect(page.get_by_role("heading", name="통계")).to_be_visible()
    expect(page.get_by_text("화요일 00:00에 가장 많이 봅니다: 평균 80.0명.")).to_be_visible()
    expect(page.locator("[data-series]")).to_have_attribute("data-state", "drawn")
    page.locator("[data-series] .plot").focus()
    page.keyboard.press("Home")
    expect(reading(page, "[data-series]")).to_have_text("3월 1일 09:00 · 시청자 10")


def test_rankings_are_found_from_the_directory(house: House, owned: Owned, person: Callable[..., Person]):
    ranking_put()
    page = person(house()).visit("/")
    page.get_by_role("main").get_by_role("link", name="Rankings").click()
    expect(page.get_by_role("heading", name="Nobody is live")).to_be_visible()
    page.get_by_role("link", name="Today").click()
    expect(page.get_by_role("row")).to_have_count(5)
    expect(page.get_by_role("row").nth(1)).to_contain_text("100 h")
