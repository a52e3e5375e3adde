"""The waiting page's bytes: its languages, its headers, what it lets in, its weight."""

import http.client
import json
import re
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.middleware.security import SecurityMiddleware
from django.test import RequestFactory
from django.utils.translation import gettext, override

from apps.operations.preparation import translations_compile
from apps.realtime.content_policy import CONTENT_POLICY
from apps.waitingroom.gatehouse import Gatehouse
from apps.waitingroom.pages import WaitingPageConsumer, language_find, waiting_page
from apps.waitingroom.rules import Mode, ZoneRules
from tests.services.waiting import eventually
from tests.services.web import WebServer, get_status
from tests.waitingroom.gate import zone_change, zone_open

ROOT = Path(__file__).resolve().parents[2]
RULES = ZoneRules("hall", "The <b>Hall</b>", 60, Mode.OPEN, "", name_ko="공연장", origins=("https://shop.example",))
BUDGET_BYTES = 30_000
# What the page loads; tests/browser/test_every_page.py sees to it that it loads nothing else.
FILES = ["css/wait.css", "js/theme.js", "js/wait.js", "js/wait-line.js"]


@pytest.fixture(autouse=True)
def korean() -> None:
    translations_compile()


def asked(query: str = "", **headers: str) -> dict[str, Any]:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "GET", "path": "/wait/hall/", "query_string": query.encode(), "headers": pairs}


@pytest.mark.parametrize(
    ("scope", "language"),
    [
        (asked(), "en"),
        (asked(accept_language="ko-KR,ko;q=0.9,en;q=0.8"), "ko"),
        (asked(accept_language="EN-gb,ko;q=0.9"), "en"),
        (asked(accept_language="fr,de;q=0.5,ko;q=0.2"), "ko"),
        (asked(accept_language="fr"), "en"),
        (asked(cookie="django_language=ko; x=1", accept_language="en"), "ko"),
        (asked(cookie="django_language=xx", accept_language="ko"), "ko"),
        (asked("lang=en", cookie="django_language=ko", accept_language="ko"), "en"),
        (asked("next=/&lang=ko", accept_language="en"), "ko"),
        (asked("lang=tlh", accept_language="ko"), "ko"),
        (asked("lang=" + "k" * 5_000, accept_language="ko"), "ko"),
        (asked("lang=%ff%00", cookie='a="\\', accept_language="\xff;q=\xff"), "en"),
    ],
)
def test_the_language_is_what_was_asked_for_first(scope: dict[str, Any], language: str):
    assert language_find(scope) == language


def config_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script id="wait-config" type="application/json">(.*)</script>', html)
    assert found is not None
    config: dict[str, Any] = json.loads(found[1])
    return config


def texts_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for each in (value.values() if isinstance(value, dict) else value) for text in texts_of(each)]


def test_the_page_says_in_korean_all_that_it_says_in_english():
    english, korean = (config_of(waiting_page(RULES, language).body.decode()) for language in ("en", "ko"))
    assert (english["name"], korean["name"]) == ("The <b>Hall</b>", "공연장")
    for one, other in zip(texts_of(english["texts"]), texts_of(korean["texts"]), strict=True):
        assert bool(one) == bool(other) == bool(re.search("[가-힣]", other))
        assert set(re.findall(r"\{\w+\}", one)) == set(re.findall(r"\{\w+\}", other))
    for template in (ROOT / "templates/waitingroom").glob("*.html"):
        for text in re.findall(r'{% translate "([^"]+)" %}', template.read_text(encoding="utf-8")):
            with override("ko"):
                assert re.search("[가-힣]", gettext(text)), text


def test_a_zones_name_is_text_and_nothing_else():
    html = waiting_page(RULES, "en").body.decode()
    assert "The &lt;b&gt;Hall&lt;/b&gt;" in html
    assert "<b>Hall" not in html
    config = config_of(html)
    assert {name: config[name] for name in ("zone", "idle", "origins")} == {
        "zone": "hall",
        "idle": 60,
        "origins": ["https://shop.example"],
    }


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_whole_page_weighs_less_than_30_kb(language: str):
    files = {name: (ROOT / "static" / name).stat().st_size for name in FILES}
    html = waiting_page(RULES, language).body
    assert len(html) + sum(files.values()) < BUDGET_BYTES
    # Nothing inline runs, and nothing else is fetched.
    loaded = re.findall(r'(?:src|href)="(/static/[^"]+)"', html.decode())
    assert sorted(set(loaded)) == sorted([f"/static/{name}" for name in FILES] + ["/static/img/mark.svg"])
    assert not re.search(r"<style|style=|<script>| on\w+=|http-equiv", html.decode())


def get(server: WebServer, path: str, method: str = "GET", **headers: str) -> tuple[int, Message, str]:
    """Status, headers and text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("scheme", "proxy", "told"),
    [("https", None, True), ("http", None, False), ("http", "https", True), ("https", "http", False)],
)
@pytest.mark.parametrize("path", ["/wait/hall/", "/wait/nothing/"])
async def test_it_keeps_browsers_to_tls_as_every_other_page_does(
    house: Gatehouse, settings: Any, path: str, scheme: str, proxy: str | None, told: bool
):
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = path == "/wait/hall/"
    value = "max-age=31536000" + ("; includeSubDomains; preload" if path == "/wait/hall/" else "")
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    zone_open(zone_id="hall")
    headers = {"x_forwarded_proto": proxy} if proxy else {}
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    await WaitingPageConsumer()({**asked(**headers), "path": path, "scheme": scheme}, said.pop, send)
    assert said[0]["status"] == (200 if path == "/wait/hall/" else 404)
    request = RequestFactory().get(
        path, secure=scheme == "https", headers={"x-forwarded-proto": proxy} if proxy else None
    )
    theirs = SecurityMiddleware(lambda _request: HttpResponse()).process_response(request, HttpResponse())
    assert theirs.headers.get("Strict-Transport-Security") == (value if told else None)
    ours = dict(said[0]["headers"]).get(b"strict-transport-security")
    assert ours == (value.encode() if told else None)


def test_a_gate_serves_the_page_without_a_database(redis_url: str, web: Callable[..., WebServer]):
    rules = zone_open(zone_id="hall", name="The <b>Hall</b>")
    gate = web(role="gate", env={"DATABASE_URL": "", "FULLHOUSE_ROLE": "gate"})
    status, headers, page = get(gate, "/wait/hall/?next=/")
    assert status == 200
    wanted = {
        "content-type": "text/html; charset=utf-8",
        "content-language": "en",
        "cache-control": "no-store",
        "content-security-policy": CONTENT_POLICY,
        "cross-origin-opener-policy": "same-origin",
        "referrer-policy": "same-origin",
        "vary": "Accept-Language, Cookie",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }
    assert {name: headers[name] for name in wanted} == wanted
    # A browser gets its name once, before it gets a place.
    cookie = headers["set-cookie"]
    assert re.fullmatch(
        r"fullhouse_viewer=[0-9a-f]{32}; expires=.*; HttpOnly; Max-Age=\d+; Path=/; SameSite=Lax", cookie
    )
    _, again_headers, again = get(gate, "/wait/hall/", Cookie=cookie.partition(";")[0])
    assert (again_headers["set-cookie"], again) == (None, page)

    status, headers, body = get(gate, "/wait/hall/", "HEAD")
    assert (status, headers["content-length"], body) == (200, str(len(page.encode())), "")
    status, headers, body = get(gate, "/wait/hall/", "POST")
    assert (status, headers["allow"], body) == (405, "GET, HEAD", "")

    for path in ("/wait/nothing/", "/wait/", "/wait/hall", "/wait/hall/more/", "/wait/%3Cb%3E/", "/wait/hall%0A/"):
        status, headers, body = get(gate, path)
        assert (status, "There is no such waiting room" in body) == (404, True), path
        assert headers["content-security-policy"] == CONTENT_POLICY
    assert "그런 대기실은 없습니다" in get(gate, "/wait/nothing/?lang=ko")[2]

    zone_change(rules, name="The Palace", idle_s=90)

    def is_new() -> bool:
        _, _, changed = get(gate, "/wait/hall/")
        return "The Palace" in changed and "kept for 90 seconds" in changed

    eventually(is_new)


def test_a_zone_that_was_made_a_moment_ago_has_its_page(gate: Callable[..., WebServer]) -> None:
    server = gate()
    assert get_status(f"{server.base_url}/wait/nowhere/") == 404
    for number in range(8):
        zone_open(zone_id=f"new{number}", version=number + 1)
        assert get_status(f"{server.base_url}/wait/new{number}/") == 200
