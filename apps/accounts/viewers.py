"""Who watches: a signed-in user, or a browser that we have seen before.

Every browser carries a random id in an HttpOnly cookie. An anonymous viewer is counted by it; for everybody it is what
ties a viewer token to the browser that the page was made for.
"""

import re
import secrets
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, parse_cookie

BROWSER_COOKIE = "fullhouse_viewer"
_YEAR_S = 365 * 24 * 3600
_BROWSER_ID = re.compile(r"[0-9a-f]{32}")
# What viewers are counted by. Nobody signs up with a name like that, in whatever case.
VIEWER_ID = re.compile(r"u[0-9]{1,18}|a[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class ViewerIdentity:
    """`viewer_id` is what is counted (u<user id> or a<browser id>), `browser_id` the cookie's value."""

    viewer_id: str
    browser_id: str
    is_new: bool


def is_like_an_id(username: str) -> bool:
    """Whether somebody with this name could be taken for another viewer."""
    return VIEWER_ID.fullmatch(username.lower()) is not None


def viewer_identity(request: HttpRequest) -> ViewerIdentity:
    """Who makes this request; a browser without a (well-formed) cookie is given a new id."""
    cookie = request.COOKIES.get(BROWSER_COOKIE, "")
    is_new = not _BROWSER_ID.fullmatch(cookie)
    browser_id = secrets.token_hex(16) if is_new else cookie
    viewer_id = f"u{request.user.pk}" if request.user.is_authenticated else f"a{browser_id}"
    return ViewerIdentity(viewer_id=viewer_id, browser_id=browser_id, is_new=is_new)


def browser_id_read(cookies: str) -> str:
    """The id in a Cookie header, "" if there is no (well-formed) one: for consumers, which have no request."""
    cookie = parse_cookie(cookies).get(BROWSER_COOKIE, "")
    return cookie if _BROWSER_ID.fullmatch(cookie) else ""


def remember_browser(response: HttpResponseBase, identity: ViewerIdentity) -> None:
    """Give a new browser its cookie."""
    if identity.is_new:
        response.set_cookie(
            BROWSER_COOKIE,
            identity.browser_id,
            max_age=_YEAR_S,
            httponly=True,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )
