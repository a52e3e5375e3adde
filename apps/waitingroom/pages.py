"""The waiting page: GET /wait/{zone}/ answers bytes that were made once per zone, language and version of its rules.

A crowd opens this page all at once, and a gate has no database. So there is no request in it and no person: Django's
template engine renders what is the same for everybody, static/js/wait.js does the rest from the answers of /traffic/.
"""

import json
import re
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from channels.consumer import AsyncConsumer
from django.conf import settings
from django.http import HttpResponse, parse_cookie
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.html import json_script
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header

from apps.accounts.viewers import ViewerIdentity, browser_id_read, remember_browser
from apps.realtime.content_policy import CONTENT_POLICY
from apps.realtime.http_consumer import Header, Message, Receive, Send

from .gatehouse import gatehouse
from .rules import ZONE_ID_PATTERN, ZoneRules

ADDRESS = re.compile(rf"/wait/({ZONE_ID_PATTERN})/")
# What Django's own middleware says on every other page; a gate's pages do not pass through it.
HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"vary", b"Accept-Language, Cookie"),
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"referrer-policy", settings.SECURE_REFERRER_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", settings.X_FRAME_OPTIONS.encode()),
)
# The zones are read within a moment of the start, unless Redis is away.
READY_WITHIN_S = 2.0
STARTING_RETRY_S = 2


@dataclass(frozen=True, slots=True)
class Page:
    """One whole answer."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


class WaitingPageConsumer(AsyncConsumer):
    """Answers GET and HEAD of /wait/{zone}/; 404 for a zone that does not exist, 503 before the zones were read."""

    channel_layer_alias = ""  # as for every lean consumer

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request; nothing of it but its address and its languages is looked at."""
        house = gatehouse()
        if await house.wait_ready(READY_WITHIN_S) and (found := ADDRESS.fullmatch(scope["path"])):
            await house.wait_for(found[1])  # whoever made the zone a moment ago looks at its page next
        page = page_find(scope)
        headers = [*page.headers, *_transport_security(scope)]
        if page.status == 200 and not browser_id_read(_header(scope, b"cookie")):
            headers.append(_browser_cookie())
        start: Message = {"type": "http.response.start", "status": page.status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else page.body})


_kept: dict[tuple[str, str], tuple[ZoneRules, Page]] = {}


def page_find(scope: dict[str, Any]) -> Page:
    """The page that answers a request: kept from before, unless the zone's rules have changed."""
    if scope["method"] not in ("GET", "HEAD"):
        return Page(405, ((b"allow", b"GET, HEAD"), (b"content-length", b"0")), b"")
    language = language_find(scope)
    found = ADDRESS.fullmatch(scope["path"])
    zone_id = found[1] if found else ""
    house = gatehouse()
    zone = house.zone(zone_id)
    if zone is None:
        _kept.pop((zone_id, language), None)
        return starting_page(language) if found and not house.ready else absent_page(language)
    rules, page = _kept.get((zone_id, language), (None, None))
    if page is None or rules != zone.rules:
        page = waiting_page(zone.rules, language)
        _kept[zone_id, language] = (zone.rules, page)
    return page


def language_find(scope: dict[str, Any]) -> str:
    """The language to answer in: `?lang=`, else the site's language cookie, else Accept-Language, else the default."""
    wanted = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("lang", [])[:1]
    wanted.append(parse_cookie(_header(scope, b"cookie")).get(settings.LANGUAGE_COOKIE_NAME, ""))
    wanted += [code for code, _weight in parse_accept_lang_header(_header(scope, b"accept-language").lower())]
    for code in wanted:
        try:
            return translation.get_supported_language_variant(code)
        except (LookupError, ValueError):  # ValueError: longer than any
            continue
    return settings.LANGUAGE_CODE


def _header(scope: dict[str, Any], wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")


def _transport_security(scope: dict[str, Any]) -> list[Header]:
    """Strict-Transport-Security over TLS only (RFC 6797, 7.2), by the settings by which Django's middleware says it."""
    if not settings.SECURE_HSTS_SECONDS:
        return []
    scheme = scope.get("scheme", "http")
    if settings.SECURE_PROXY_SSL_HEADER:
        name, secure = settings.SECURE_PROXY_SSL_HEADER
        told = _header(scope, name.removeprefix("HTTP_").replace("_", "-").lower().encode())
        scheme = "https" if told.partition(",")[0].strip() == secure else "http" if told else scheme
    if scheme != "https":
        return []
    value = f"max-age={settings.SECURE_HSTS_SECONDS}"
    if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        value += "; includeSubDomains"
    if settings.SECURE_HSTS_PRELOAD:
        value += "; preload"
    return [(b"strict-transport-security", value.encode())]


def _browser_cookie() -> Header:
    """What streams know a browser by. A pass is made for one browser, so it has its name before it gets a place."""
    response = HttpResponse()
    remember_browser(response, ViewerIdentity(viewer_id="", browser_id=secrets.token_hex(16), is_new=True))
    return b"set-cookie", response.cookies.output(header="").strip().encode()


# --- making them --------------------------------------------------------------------------------------------------


class _PlainLetters(json.JSONEncoder):
    """JSON with Korean spelled as it is: half the bytes of \\u escapes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "ensure_ascii": False})


def waiting_page(rules: ZoneRules, language: str) -> Page:
    """The page of one zone. Everything that a script says comes from here, in the page's language."""
    with translation.override(language):
        name = (rules.name_ko if language == "ko" else "") or rules.name
        config = {
            "zone": rules.zone_id,
            "name": name,
            "idle": rules.idle_s,
            "origins": list(rules.origins),
            "texts": _texts(),
        }
        script = json_script(config, "wait-config", encoder=_PlainLetters)
        context = {"language": language, "name": name, "idle": rules.idle_s, "config": script}
        return _page(200, "waitingroom/wait.html", context)


def absent_page(language: str) -> Page:
    """404: for an address that was mistyped or a zone that was taken away."""
    with translation.override(language):
        heading = _("There is no such waiting room")
        words = _("The address may be mistyped, or there is nothing to wait for here any more.")
        return _page(404, "waitingroom/absent.html", {"language": language, "heading": heading, "words": words})


def starting_page(language: str) -> Page:
    """503: this process has not read its zones yet, so it cannot say which ones there are."""
    with translation.override(language):
        heading = _("One moment")
        words = _("The waiting room is opening. Load this page again in a moment.")
        context = {"language": language, "heading": heading, "words": words}
        return _page(503, "waitingroom/absent.html", context, (b"retry-after", b"%d" % STARTING_RETRY_S))


def _page(status: int, template: str, context: dict[str, Any], *more: Header) -> Page:
    body = render_to_string(template, context).encode()
    length = (b"content-length", b"%d" % len(body))
    return Page(status, (*HEADERS, (b"content-language", context["language"].encode()), *more, length), body)


def _texts() -> dict[str, Any]:
    """What wait.js says: by state what is the matter, and what it means. {n} is the idle limit in seconds."""
    return {
        "states": {
            "connecting": [_("Finding your place…"), ""],
            "waiting": [_("In line"), _("Keep this page open: it takes you in by itself.")],
            "next": [_("You are next"), _("Keep this page open: it takes you in by itself.")],
            "resumed": [_("Connected again"), _("You are still in line, at the same place.")],
            "admitted": [_("It is your turn"), _("Taking you in…")],
            "paused": [_("The line is paused"), _("Nobody is let in for the moment. You keep your place.")],
            "blocked": [_("Closed for now"), _("Nobody is let in. This page goes on by itself when that changes.")],
            "before": [_("Not open yet"), _("It opens at {time}. This page then goes on by itself.")],
            "prequeue": [
                _("Not open yet"),
                _("At {time} everyone who is here gets a place by draw. Being early brings no advantage."),
            ],
            "holding": [_("On hold"), _("The line cannot be read for the moment. You keep your place.")],
            "offline": [_("You are offline"), ""],
            "error": [_("No answer"), ""],
            "evicted": [_("We lost you"), ""],
            "cleared": [_("The line was emptied"), ""],
            "left": [_("You have left the line"), _("You can close this page.")],
            "over": [_("This stream has ended"), ""],
            "gone": [_("This waiting room is gone"), _("There is nothing to wait for here any more.")],
            "refused": [
                _("This link leads nowhere"),
                _("This waiting room may not send you there. Go back and try again."),
            ],
            "looped": [
                _("Your pass was not accepted"),
                _("That page keeps sending you back. Try once more, or get in line again."),
            ],
        },
        "lost": {
            "evicted": _("Away for more than {n} seconds, you lost your place to those behind. You start at the end."),
            "cleared": _("The manager emptied the line, so you start anew."),
        },
        "place": _("Your place in line"),
        "opens": _("Opens in"),
        "soon": _("any moment"),
        "slowed": _("Fewer people are let in than before, so it takes longer."),
        "again": _("trying again in {n} s"),
        "kept": _("Your place is kept for {n} s more."),
        "risk": _("Your place may be lost by now."),
        "minutes": _("Time left in minutes: {n}"),
    }
