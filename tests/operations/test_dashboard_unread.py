"""The operators' dashboard while Redis is away and there are zones: how many wait is not known, and not nobody."""

from collections.abc import Callable

import pytest
from django.test import Client

from apps.accounts.services import operator_ensure
from apps.operations.dashboard import dashboard_read
from tests.services.redis_server import RedisServer
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_lines_that_cannot_be_read_are_a_dash(private_redis: RedisServer, use_redis: Callable[[str], str]) -> None:
    use_redis(private_redis.url)
    zone_make(per_minute=60)
    desk = Client()
    desk.force_login(operator_ensure(username="boss", password="a long enough pass"))
    private_redis.stop()
    zones = dashboard_read().zones
    assert zones is not None
    assert (zones.total, zones.waiting, zones.troubled) == (1, None, 1)
    assert [(zone.waiting, zone.entering, zone.wait_s) for zone in zones.worst] == [(None, None, None)]
    page = desk.get("/admin/").content.decode()
    assert '<dd data-total="waiting">—</dd>' in page
    assert "The line cannot be read now" in page
