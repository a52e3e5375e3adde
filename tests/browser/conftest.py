"""What every browser test starts from: a server as `make run` starts it, people in browsers, streams to watch."""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from websockets.sync.client import connect
from websockets.typing import Origin

from apps.accounts.models import User
from apps.accounts.services import user_register
from apps.accounts.viewers import BROWSER_COOKIE
from apps.audience.tokens import viewer_token_make
from apps.operations.preparation import translations_compile
from apps.streams.models import Category, Stream
from apps.streams.services import broadcaster_ensure, category_ensure, stream_start
from tests.analytics.owned import Owned, owned_make
from tests.plugin import Stores
from tests.services.web import WebServer

House = Callable[..., WebServer]
Stage = Callable[..., Stream]

# Whether a page comes to show something is asked, and on a busy machine that may take a while.
expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def embedded_files(stores: Stores) -> dict[str, str]:
    """Environment of a server with hashed static files and compiled translations, as people are served them."""
    translations_compile()
    env = {
        "DJANGO_SETTINGS_MODULE": "config.settings.embedded",
        "FULLHOUSE_VAR": str(stores.folder / "var"),
        "FULLHOUSE_STATIC_ROOT": str(stores.folder / "static"),
    }
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity=0"]
    subprocess.run(command, env={**os.environ, **env}, check=True)
    return env


@pytest.fixture
def house(web: Callable[..., WebServer], embedded_files: dict[str, str], games: Category) -> House:
    """Factory of servers: `house(port=None)`. The tables and a category are there."""
    return lambda **options: web(env=embedded_files, **options)


@pytest.fixture
def games(transactional_db: None) -> Category:
    return category_ensure(slug="games", name="Games", name_ko="게임", position=1)


@pytest.fixture
def stage(games: Category) -> Stage:
    """Factory of live streams: `stage("Title")`, each of a broadcaster of its own."""

    def start(title: str, category: Category | None = None) -> Stream:
        broadcaster = broadcaster_ensure(name=title[:80], slug=secrets.token_hex(4))
        return stream_start(broadcaster=broadcaster, category=category or games, title=title)

    return start


@pytest.fixture
def hana(transactional_db: None) -> User:
    return user_register(username="hana", password="a walk at night 7", display_name="Hana Kim")


@pytest.fixture
def minsu(transactional_db: None) -> User:
    return user_register(username="minsu", password="a walk at night 7", display_name="최민수")


class Person:
    """Someone with a browser of their own; whatever their pages complain of on the console is kept."""

    def __init__(self, context: BrowserContext, base_url: str) -> None:
        self.context = context
        self.base_url = base_url
        self.complaints: list[str] = []
        self.forgiven: list[str] = []
        context.on("console", self._listen)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} {message.location.get('url', '')}")

    def sign_in(self, user: User) -> None:
        """As the sign-in page does, without its keyboard."""
        desk = Client()
        desk.force_login(user)
        cookie = desk.cookies[settings.SESSION_COOKIE_NAME]
        self.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": self.base_url}])

    def visit(self, path: str) -> Page:
        """Open a new tab."""
        page = self.context.new_page()
        page.goto(self.base_url + path)
        return page

    def forgive(self, pattern: str) -> None:
        """A complaint that the test itself causes, as when it stops the server."""
        self.forgiven.append(pattern)

    def unforgiven(self) -> list[str]:
        return [one for one in self.complaints if not any(re.search(pattern, one) for pattern in self.forgiven)]


@pytest.fixture
def person(browser: Browser) -> Iterator[Callable[..., Person]]:
    """Factory of people: `person(server, locale="ko-KR", width=360, ...)`. None of them may see a console error."""
    with ExitStack() as contexts:
        people: list[Person] = []

        def enter(server: WebServer, *, locale: str = "en-US", width: int = 1280, **options: Any) -> Person:
            # Motion is drawn by the processor here, sixty times a second on every open page, and no test looks at it.
            options = {"reduced_motion": "reduce"} | options
            context = browser.new_context(locale=locale, viewport={"width": width, "height": 800}, **options)
            contexts.callback(context.close)
            people.append(Person(context, server.base_url))
            return people[-1]

        yield enter
        assert [one.unforgiven() for one in people] == [[] for _ in people]


@contextmanager
def crowd(server: WebServer, stream: Stream, size: int) -> Iterator[None]:
    """So many viewers without a browser, for as long as the block lasts."""
    with ExitStack() as sockets:
        for _ in range(size):
            browser_id = secrets.token_hex(16)
            token = viewer_token_make(
                stream_id=stream.pk, viewer_id=f"a{browser_id}", session_id=secrets.token_hex(8), browser_id=browser_id
            )
            sockets.enter_context(
                connect(
                    f"{server.ws_url}/ws/streams/{stream.pk}/?token={token}",
                    origin=Origin(server.base_url),
                    additional_headers={"Cookie": f"{BROWSER_COOKIE}={browser_id}"},
                )
            )
        yield


@pytest.fixture
def owned(transactional_db: None) -> Owned:
    """Streams of the past, and Mina, who owns them."""
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
