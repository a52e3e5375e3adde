"""A table without a partition for tomorrow is told of while there is still time: on MariaDB, which has partitions."""

import datetime
from collections.abc import Iterator

import pytest
from django.db import connection

from apps.analytics.models import UserSession
from apps.analytics.partition_services import partitions_apply
from apps.operations.alert_services import rules_evaluate
from apps.operations.models import AlertEvent
from tests.analytics.partitioning import NOW, partition_anew, session_make
from tests.operations.alert_stage import rule_make

pytestmark = pytest.mark.django_db(transaction=True)
TABLE = UserSession._meta.db_table


@pytest.fixture
def partitioned(transactional_db: None) -> Iterator[None]:
    """The tables as they were made at `NOW`, a week ahead; afterwards again as the migration makes them."""
    assert connection.vendor == "mysql", "this test is about MariaDB; run it with --database=mariadb"
    partition_anew(NOW)
    yield
    partition_anew(datetime.datetime.now(datetime.UTC))


def look(moment: datetime.datetime) -> list[tuple[str, str, str]]:
    """Five looks, a quarter of a minute apart; what of partitions fires then."""
    for more in range(0, 90, 15):
        rules_evaluate(now_ms=int(moment.timestamp() + more) * 1000)
    found = AlertEvent.objects.filter(closed_at=None, subject__startswith="partition:")
    return list(found.values_list("subject", "place", "place_ko"))


def test_nobody_made_tomorrow(partitioned: None) -> None:
    rule_make(name="jobs", kind="job", limit=None, hold_s=None)
    assert look(NOW + datetime.timedelta(days=6)) == []
    at = NOW + datetime.timedelta(days=7)
    words = (f"{TABLE} has no partition for tomorrow", f"{TABLE}에 내일 자 파티션이 없음")
    assert look(at) == [(f"partition:{TABLE}", *words)]
    session_make(at + datetime.timedelta(days=1))  # it falls into the last one
    partitions_apply(now=at)
    assert look(at + datetime.timedelta(minutes=5)) == []
    assert UserSession.objects.count() == 1
