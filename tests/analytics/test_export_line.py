"""An export over a real line: it comes in parts, and stops when its reader leaves."""

import datetime
import http.client
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from django.test import Client

from apps.analytics.models import ViewerHistory
from tests.analytics.owned import Owned, owned_make, seoul
from tests.services.waiting import eventually
from tests.services.web import WebServer

pytestmark = [pytest.mark.database]

QUERY = "since=2026-03-01&until=2026-03-04"

MANY = 60_000


@pytest.fixture
def long_history(transactional_db: None) -> Owned:
    """So many snapshots that no line takes them all at once."""
    owned = owned_make()
    first = seoul(1, 9) + datetime.timedelta(hours=6)
    ViewerHistory.objects.bulk_create(
        [
            ViewerHistory(
                stream_id=owned.first.pk,
                captured_at=first + n * datetime.timedelta(seconds=2),
                current=n,
                peak=n,
                total=n,
                unique_today=n,
            )
            for n in range(MANY)
        ],
        batch_size=5_000,
    )
    return owned


@contextmanager
def line(server: WebServer, client: Client, owned: Owned, method: str = "GET") -> Iterator[http.client.HTTPResponse]:
    """What the server answers Mina, as far as its head; the body is still to be read. Hangs up at the end."""
    client.force_login(owned.mina)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    connection.request(method, f"/api/broadcasters/mina/export?{QUERY}", headers={"Cookie": cookie})
    with closing(connection), connection.getresponse() as response:
        yield response


def is_free(server: WebServer, client: Client, owned: Owned) -> bool:
    with line(server, client, owned, "HEAD") as response:
        return response.status == 200


@pytest.mark.slow
def test_a_long_export_over_http_stops_when_its_reader_leaves(
    client: Client, long_history: Owned, web: Callable[..., WebServer]
):
    server = web()
    with line(server, client, long_history) as running:
        assert running.headers["X-Total-Rows"] == str(MANY + 36)
        assert running.read(13) == b"captured_at,s"
        with line(server, client, long_history) as refused:
            assert (refused.status, refused.headers["Retry-After"]) == (429, "10")
    # It has hung up long before the end: its place is free at once.
    eventually(lambda: is_free(server, client, long_history))
    with line(server, client, long_history) as whole:
        lines = whole.read().decode().splitlines()
    assert len(lines) == MANY + 37
    assert lines[13].startswith(f"2026-03-01T15:00:00+09:00,{long_history.first.pk},Morning,0,")
    assert len(set(lines)) == len(lines)
