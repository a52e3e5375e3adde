"""The web, worker and browser parts really run what their names say."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page

from tests.services.process import MissingProgram, wait_until_gone
from tests.services.redis_server import RedisServer
from tests.services.waiting import eventually
from tests.services.web import WebServer, get_json, get_status
from tests.services.worker import Worker


@pytest.mark.slow
def test_web_serves_on_its_own_port_and_drains(web: Callable[..., WebServer]) -> None:
    server = web(workers=2)
    assert get_status(f"{server.base_url}/health/live") == 200
    assert get_status(f"{server.base_url}/no-such-page") == 404
    workers = server.process.children()
    assert len(workers) >= 2
    assert server.terminate(deadline=60) == 0
    wait_until_gone(workers)


@pytest.mark.slow
def test_web_killed_leaves_no_worker(web: Callable[..., WebServer]) -> None:
    server = web(workers=2)
    workers = server.process.children()
    assert len(workers) >= 2
    server.kill()
    wait_until_gone(workers)
    with pytest.raises(OSError, match="refused"):
        get_status(f"{server.base_url}/health/live")


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize("redis_url", ["single", "cluster"], indirect=True)
def test_web_uses_the_chosen_redis(redis_url: str, web: Callable[..., WebServer]) -> None:
    assert get_json(f"{web().base_url}/api/rankings")["items"] == []


@pytest.mark.slow
def test_worker_runs_a_task_that_beat_or_anyone_sends(worker: Callable[..., Worker], redis_server: RedisServer) -> None:
    from config.celery import app

    celery = worker()
    app.send_task("apps.audience.tasks.sweep")
    eventually(lambda: "apps.audience.tasks.sweep" in celery.log() and "succeeded in" in celery.log(), deadline=20)


@pytest.mark.slow
def test_beat_sends_the_timetable(worker: Callable[..., Worker]) -> None:
    beat = worker(kind="beat")
    eventually(lambda: "apps.audience.tasks.sweep" in beat.log(), deadline=20)


@pytest.mark.browser
def test_browser_is_chromium_and_runs_javascript(browser: Browser, page: Page) -> None:
    assert browser.browser_type.name == "chromium"
    page.set_content("<title>House</title><script>document.title += ' ' + (6 * 7)</script>")
    assert page.title() == "House 42"


def test_a_missing_browser_fails_and_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.services.browser import open_browser

    monkeypatch.setattr("tests.services.process.SEARCH_PATH", "/nonexistent")
    with pytest.raises(MissingProgram, match="apt-get install chromium"), open_browser():
        raise AssertionError("a browser from nowhere")


@pytest.mark.browser
@pytest.mark.django_db
def test_the_orm_works_beside_the_browser(page: Page) -> None:
    from django.contrib.auth import get_user_model

    page.set_content("<p>hello</p>")
    assert get_user_model().objects.count() == 0


async def test_a_coroutine_test_runs_after_the_browser() -> None:
    """Playwright's own event loop must be gone by now."""
