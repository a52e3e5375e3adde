"""A broadcaster's way: sign up, start a stream, see who comes, change it, end it, look back."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from apps.streams.models import Stream, StreamStatus
from tests.browser.conftest import House, Person, crowd

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_from_sign_up_to_the_final_figures(house: House, person: Callable[..., Person]):
    server = house()
    page = person(server).visit("/")
    page.get_by_role("link", name="Start a stream").click()
    page.get_by_role("link", name="Sign up").last.click()
    page.get_by_label("Username").fill("hana")
    page.get_by_label("Display name").fill("Hana")
    page.get_by_label("Password", exact=True).fill("a walk at night 7")
    page.get_by_label("Password confirmation").fill("a walk at night 7")
    page.get_by_role("main").get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Go live")).to_be_visible()

    page.get_by_label("Title").fill("Night walk")
    page.get_by_role("button", name="Start the stream").click()
    expect(page.get_by_text("You are live: Night walk")).to_be_visible()
    stream = Stream.objects.get()
    count = page.locator(f"[data-count-of='{stream.pk}']")
    with crowd(server, stream, 3):
        # The broadcaster looks on from outside and is not counted.
        expect(count).to_have_attribute("data-value", "3")

    page.get_by_text("Change title, category or addresses").click()
    page.get_by_label("Title").fill("Night walk by the river")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Night walk by the river").first).to_be_visible()

    page.get_by_role("link", name="End the stream…").click()
    page.get_by_role("link", name="Keep going").click()
    stream.refresh_from_db()
    assert stream.status == StreamStatus.LIVE
    page.get_by_role("link", name="End the stream…").click()
    page.get_by_role("button", name="End the stream").click()
    expect(page.get_by_text("The stream has ended.")).to_be_visible()
    stream.refresh_from_db()
    assert stream.status == StreamStatus.ENDED
    assert (stream.peak_viewers, stream.total_viewers) == (3, 3)
    row = page.get_by_role("row", name="Night walk by the river")
    expect(row.locator(".num").nth(1)).to_have_text("3")


def test_a_wrong_password_is_told_and_signs_nobody_in(house: House, person: Callable[..., Person]):
    page = person(house()).visit("/accounts/sign-in/")
    page.get_by_label("Username").fill("nobody")
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.locator(".errorlist")).to_contain_text("correct username and password")
    expect(page.get_by_role("link", name="Studio")).to_have_count(0)
