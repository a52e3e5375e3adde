"""admin: the operators' lists with a million users (`--connections`) and a million streams, and how fast a ban acts.

MariaDB makes the rows itself; of the users half a percent is inactive, a thousandth staff, and as many are banned; of
the streams a fiftieth is behind twenty zones, and a thousand are live. Each of PAGES is asked for over HTTP twenty
times, one after another, by an operator who is signed in; `slowest_p95_ms` is the p95 of the slowest. `found` says how
many rows each showed, and `found_least` fails a run with a page that shows nothing: of it the time says nothing.

`ban_ms` is the time from an operator's POST until a viewer's socket is closed with 4423, the slowest of twenty viewers
who are banned one after another; the answer to the operator comes after that or before.

What it cannot prove: many operators at once, or a MariaDB that serves others meanwhile. It and the server share a core.
"""

import http.client
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from .figures import percentile
from .house import House
from .ranking import RankingHouse
from .scenario import Options, Result, Scenario, say

if TYPE_CHECKING:
    from apps.accounts.models import User

CHANNELS, DAYS = 10_000, 100
LIVE, ZONES, BEHIND_ZONES = 1_000, 20, 50  # of how many streams one is behind a zone
ASKED, BANNED = 20, 20
PATIENCE_S = 10.0
CLOSED = 4423
# What an operator does to find somebody or something.
PAGES = {
    "users": "accounts/user/",
    "users_last_page": "accounts/user/?p=200",
    "users_inactive": "accounts/user/?is_active__exact=0",
    "users_staff": "accounts/user/?is_staff__exact=1",
    "users_banned": "accounts/user/?banned=yes",
    "users_in_a_role": "accounts/user/?groups__id__exact={group}",
    "users_of_a_month": "accounts/user/?date_joined__gte=2025-03-01&date_joined__lt=2025-04-01",
    "user_by_name": "accounts/user/?q=viewer777777",
    "users_by_a_common_beginning": "accounts/user/?q=viewer",
    "user_by_address": "accounts/user/?q=mail654321%40",
    "user_by_display_name": "accounts/user/?q=%EC%82%AC%EB%9E%8C%20543210",
    "user_by_number": "accounts/user/?q=u424242",
    "users_by_beginning_among_staff": "accounts/user/?q=viewer&is_staff__exact=1",
    "user_for_a_zone": "autocomplete/?term=viewer77&app_label=waitingroom&model_name=zonemanager&field_name=user",
    "a_users_page": "accounts/user/424242/change/",
    "streams": "streams/stream/",
    "streams_of_a_category": "streams/stream/?category__id__exact={category}",
    "streams_behind_zones": "streams/stream/?zone__isempty=0",
    "streams_live": "streams/stream/?status__exact=live",
    "streams_by_title": "streams/stream/?q=Stream%2077",
    "streams_by_broadcaster": "streams/stream/?q=Channel%207777",
}


def run(house: House, options: Options) -> Result:
    """Fill the tables, ask for every page, ban some."""
    assert isinstance(house, RankingHouse)
    operator, places = _fill(options.connections)
    desk = Desk(house, operator)
    pages, found = {}, {}
    for name, path in PAGES.items():
        pages[name], found[name] = _ask(desk, path.format(**places))
        say(f"{name}: {pages[name]} ms, {found[name]} rows")
    bans = _bans(house, desk)
    say(f"sockets were closed after {bans} ms")
    return Result(
        {
            "users": options.connections,
            "streams": CHANNELS * DAYS,
            "slowest_p95_ms": max(one["p95"] for one in pages.values()),
            "found_least": min(found.values()),
            "ban_ms": bans["most"],
            "ban_p50_ms": bans["p50"],
            "pages_ms": pages,
            "found": found,
        },
        goals={"slowest_p95_ms": ("at_most", 500), "found_least": ("at_least", 1), "ban_ms": ("at_most", 1_000)},
    )


def _fill(users: int) -> "tuple[User, dict[str, int]]":
    """The operator, and what addresses of pages name."""
    import datetime

    from django.contrib.auth.models import Group
    from django.db import connection

    from apps.accounts.services import operator_ensure
    from apps.analytics.daily import midnight
    from apps.audience.services import catalog_rebuild
    from apps.audience.sessions import SEOUL
    from apps.operations.roles import roles_ensure
    from apps.streams.services import category_ensure
    from apps.waitingroom.services import zone_create

    from . import past_fill

    started = time.monotonic()
    roles_ensure()
    group = Group.objects.get(name="Support")
    categories = [category_ensure(slug=f"load-{n}", name=f"Load {n}").pk for n in range(10)]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO users (id, password, is_superuser, username, first_name, last_name, email, is_staff,"  # noqa: S608
            " is_active, date_joined, display_name, banned_at, ban_reason, sessions_ended)"
            " SELECT seq, '!', 0, CONCAT('viewer', seq), '', '', CONCAT('mail', seq, '@example.com'),"
            " seq %% 1000 = 0, seq %% 200 <> 1, %s + INTERVAL seq * 60 SECOND, CONCAT('사람 ', seq),"
            f" IF(seq %% 1000 = 1, %s, NULL), '', 0 FROM seq_1_to_{users}",
            ["2025-01-01", "2026-01-01"],
        )
        cursor.execute(
            f"INSERT INTO users_groups (user_id, group_id) SELECT seq * 1000, %s FROM seq_1_to_{users // 1000}",  # noqa: S608
            [group.pk],
        )
    first = datetime.date(2026, 1, 1)
    past_fill.partitions_make(midnight(first), datetime.datetime.now(SEOUL))
    past_fill.channels_make(CHANNELS, first, DAYS, categories)
    for number in range(ZONES):
        zone_create(actor=None, zone_id=f"load-{number}", name=f"Load {number}", per_minute=600)
    with connection.cursor() as cursor:
        behind = f"UPDATE streams SET zone_id = CONCAT('load-', id DIV {BEHIND_ZONES} %% {ZONES})"  # noqa: S608
        cursor.execute(f"{behind} WHERE id %% %s = 0", [BEHIND_ZONES])
        cursor.execute("UPDATE streams SET status = 'live', ended_at = NULL WHERE id > %s", [CHANNELS * DAYS - LIVE])
    catalog_rebuild()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE TABLE users, users_groups, streams, broadcasters")
        cursor.fetchall()
    say(f"{users:,} users and {CHANNELS * DAYS:,} streams were there after {time.monotonic() - started:.0f} s")
    return operator_ensure(username="load", password="a long enough pass"), {
        "group": group.pk,
        "category": categories[3],
    }


class Desk:
    """An operator who is signed in, over a connection for each request."""

    def __init__(self, house: House, operator: "User") -> None:
        from django.middleware.csrf import _get_new_csrf_string

        from tests.waitingroom.managing import session_of

        self.house = house
        self._token: str = _get_new_csrf_string()
        self._cookies = f"sessionid={session_of(operator)}; csrftoken={self._token}"

    def get(self, path: str) -> str:
        """A page of the admin."""
        return self._send("GET", path, 200)

    def post(self, path: str, fields: dict[str, Any]) -> None:
        """Send a form that is answered with the way to another page."""
        self._send("POST", path, 302, urlencode({**fields, "csrfmiddlewaretoken": self._token}))

    def _send(self, method: str, path: str, expected: int, body: str | None = None) -> str:
        connection = http.client.HTTPConnection(self.house.address, timeout=60)
        try:
            headers = {"Cookie": self._cookies, "Origin": self.house.web.base_url}
            if body is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request(method, f"/admin/{path}", body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status != expected:
            raise RuntimeError(f"{path} was answered {answer.status}: {text[:400]}")
        return text


def _ask(desk: Desk, path: str) -> tuple[dict[str, float], int]:
    """Milliseconds, and how many rows the page shows."""
    text = desk.get(path)  # what is loaded once
    took = []
    for _ in range(ASKED):
        began = time.perf_counter()
        desk.get(path)
        took.append((time.perf_counter() - began) * 1_000)
    rows = text.count('name="_selected_action"') or text.count('"id":') or text.count('id="user_form"')
    return {"p50": round(percentile(took, 0.5), 1), "p95": round(percentile(took, 0.95), 1)}, rows


def _bans(house: House, desk: Desk) -> dict[str, float]:
    """From the POST to the close of a viewer's socket."""
    from apps.accounts.models import User
    from apps.accounts.viewers import BROWSER_COOKIE
    from apps.audience.tokens import viewer_token_make

    (stream,) = house.streams_make(1)
    took = []
    for user in User.objects.filter(is_active=True, banned_at=None, is_staff=False).order_by("pk")[:BANNED]:
        browser_id = secrets.token_hex(16)
        token = viewer_token_make(
            stream_id=stream.pk, viewer_id=user.viewer_id, session_id=secrets.token_hex(8), browser_id=browser_id
        )
        socket = connect(
            f"{house.web.ws_url}/ws/streams/{stream.pk}/?token={token}",
            origin=Origin(house.web.base_url),
            additional_headers={"Cookie": f"{BROWSER_COOKIE}={browser_id}"},
        )
        socket.recv(timeout=PATIENCE_S)
        fields = {"action": "ban_users", "_selected_action": user.pk, "confirmed": "yes", "until": "24", "reason": "x"}
        posting = threading.Thread(target=desk.post, args=("accounts/user/", fields))
        began = time.perf_counter()
        posting.start()
        try:
            while True:
                socket.recv(timeout=PATIENCE_S)
        except ConnectionClosed as closed:
            took.append((time.perf_counter() - began) * 1_000)
            if closed.rcvd is None or closed.rcvd.code != CLOSED:
                raise
        posting.join()
    return {"p50": round(percentile(took, 0.5), 1), "most": round(max(took), 1)}


SCENARIO = Scenario(
    "admin",
    "the operators' lists with very many users and streams, and how fast a ban acts",
    run,
    1_000_000,
    0,
    most=5_000_000,
    house=RankingHouse,
)
