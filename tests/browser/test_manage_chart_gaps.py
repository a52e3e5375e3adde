"""The chart of a zone's page over minutes in which the page heard nothing: the record's, or a gap."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from tests.browser.conftest import House, Person
from tests.browser.managing import expect_live, zone_make
from tests.services.browser import one_browser as one_browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Another chart of the same kind in a corner of the page, in place of the one before it.
ANOTHER = """
  const address = performance.getEntriesByType("resource").find(({ name }) => name.includes("manage-chart")).name;
  const { Course } = await import(address);
  document.querySelector("#another")?.remove();
  const figure = document.querySelector("[data-course]").cloneNode(true);
  figure.id = "another";
  figure.style.cssText = "position: fixed; inset: 0 auto auto 0; width: 640px; z-index: 9999; background: white";
  figure.querySelector(".plot").replaceChildren();
  document.body.append(figure);
  const course = new Course(figure);
  const at = Math.floor(Date.now() / 60000) * 60;
"""
# It heard of a line of 100 until 20 minutes ago, and for the last five minutes again; the record has the minutes `from`
# to `to` of the half hour: of a line of 5,000 between.
CHART = (
    """async ([from, to]) => {"""
    + ANOTHER
    + """
  for (let time = at - 1790; time <= at - 1190; time++) course.add(time, 100, 5, 60);
  for (let time = at - 290; time <= at; time++) course.add(time, 100, 5, 60);
  const waiting = (number) => (number > 9 && number < 25 ? 5000 : 99);
  const minutes = [...Array(30).keys()].map((number) => [at - 1800 + number * 60, waiting(number), 6]);
  course.load(minutes.slice(from, to), [], 60, at);
}"""
)


def read_at(page: Page, share: float) -> str:
    """What the chart says at this share of its width."""
    box = page.locator("#another .u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * share, box["y"] + 30)
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")  # it is drawn
    return page.locator("#another [data-reading]").inner_text()


def inked(page: Page, share: float) -> bool:
    """Whether anything but the grid is drawn at this share of its width."""
    return bool(
        page.evaluate(
            """(share) => {
              const canvas = document.querySelector("#another canvas");
              const over = document.querySelector("#another .u-over").getBoundingClientRect();
              const box = canvas.getBoundingClientRect(), scale = canvas.width / box.width;
              const x = Math.round((over.x - box.x + over.width * share) * scale);
              const top = Math.round((over.y - box.y) * scale), height = Math.round(over.height * scale);
              const line = canvas.getContext("2d").getImageData(x, top, 1, height).data;
              let inked = 0;
              for (let each = 3; each < line.length; each += 4) inked += line[each] > 0;
              return inked > 8; // the rules of the grid are a few
            }""",
            share,
        )
    )


def test_the_chart_shows_what_the_record_has_of_a_gap(house: House, hana: User, person: Callable[..., Person]):
    zone_make(hana)
    manager = person(house())
    manager.sign_in(hana)
    manager.forgive("getImageData")
    page = manager.visit("/manage/zones/hall/")
    expect_live(page)
    page.evaluate(CHART, [0, 30])
    expect(page.locator("#another .u-over")).to_be_visible()
    assert read_at(page, 0.6).endswith(" · 5,000 · 6 / 60")
    for heard in (0.1, 0.97):  # what the page heard itself is finer
        assert read_at(page, heard).endswith(" · 100 · 5 / 60")
    assert all(inked(page, share) for share in (0.1, 0.4, 0.6, 0.8, 0.97))
    # Of these minutes nobody knows.
    page.evaluate(CHART, [0, 10])
    assert read_at(page, 0.6) == ""
    assert not any(inked(page, share) for share in (0.4, 0.6, 0.8))
    assert all(inked(page, share) for share in (0.1, 0.97))


# The record of a half hour in which nobody waited when any minute ended, and 37 once in between.
PEAK = (
    """async () => {"""
    + ANOTHER
    + """
  const minutes = [...Array(30).keys()].map((number) => [at - 1800 + number * 60, 0, 6, number === 15 ? 37 : 0]);
  course.load(minutes, [], 60, at);
}"""
)


def test_the_chart_shows_a_line_that_came_and_went_within_a_minute(
    house: House, hana: User, person: Callable[..., Person]
):
    zone_make(hana)
    manager = person(house())
    manager.sign_in(hana)
    page = manager.visit("/manage/zones/hall/")
    expect_live(page)
    page.evaluate(PEAK)
    expect(page.locator("#another .u-over")).to_be_visible()
    assert read_at(page, 870 / 1680).endswith(" · 37 · 6 / 60")
    assert read_at(page, 0.25).endswith(" · 0 · 6 / 60")
