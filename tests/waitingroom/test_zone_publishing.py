"""What gates are told of zones: after the commit, once, and made good when Redis was away."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.realtime.redis import sync_client
from apps.waitingroom import services, store
from apps.waitingroom.models import Zone
from apps.waitingroom.rules import Mode
from tests.services.both import on_both
from tests.services.redis_server import RedisServer
from tests.waitingroom.zones import (
    ask,
    crowd_join,
    known_version,
    line_of,
    publish_failures,
    row,
    tidings,
    told,
    zone_make,
)

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
TOMORROW = timezone.now() + timedelta(days=1)


# --- publishing ---------------------------------------------------------------------------------------------------


def test_nothing_is_told_before_the_commit_and_nothing_of_what_was_rolled_back() -> None:
    first = zone_make(per_minute=60)

    def change_and_fail() -> None:
        with transaction.atomic():
            services.zone_update(actor=None, zone_id="concert", expected_version=first.version, per_minute=90)
            zone_make("other")
            services.zone_clear(actor=None, zone_id="concert")
            services.zone_delete(zone_id="concert")
            assert (told(), tidings()) == ({"concert": first.rules()}, 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change_and_fail()
    assert row().rules() == first.rules()
    assert (told(), tidings(), known_version("concert")) == ({"concert": first.rules()}, 1, first.version)
    assert connection.in_atomic_block is False


def test_what_was_saved_together_is_told_together() -> None:
    first = zone_make(per_minute=60)
    with transaction.atomic():
        second = services.zone_update(actor=None, zone_id="concert", expected_version=first.version, per_minute=90)
        services.zone_update(actor=None, zone_id="concert", expected_version=second.version, mode="blocked")
    assert (told()["concert"].per_minute, told()["concert"].mode) == (90, Mode.BLOCKED)
    assert known_version("concert") == row().version


def test_a_save_stands_without_redis_and_the_repair_makes_it_good(
    private_redis: RedisServer, use_redis: Callable[[str], str]
) -> None:
    use_redis(private_redis.url)
    first = zone_make("first", per_minute=60)
    doomed = zone_make("doomed")
    private_redis.stop()
    failed = publish_failures()
    services.zone_update(actor=None, zone_id="first", expected_version=first.version, per_minute=90)
    zone_make("second")
    services.zone_delete(zone_id=doomed.pk)
    assert (row("first").per_minute, Zone.objects.count()) == (90, 2)
    assert publish_failures() == failed + 3
    private_redis.start()
    assert services.zones_publish_all() == (2, 0)  # this Redis kept nothing
    assert told() == {zone_id: row(zone_id).rules() for zone_id in ("first", "second")}
    assert known_version("first") == row("first").version


@on_both
def test_the_repair_gives_a_wiped_redis_its_rules_but_opens_no_line(redis_url: str) -> None:
    zones = [zone_make(f"z{number}") for number in range(3)]
    crowd_join(zones[0], 100)
    for key in list(sync_client().scan_iter("*")):
        sync_client().delete(key)
    assert services.zones_publish_all() == (3, 0)
    assert told() == {zone.pk: zone.rules() for zone in zones}
    assert [known_version(zone.pk) for zone in zones] == [zone.version for zone in zones]
    assert [line_of(zone.pk) for zone in zones] == [None] * 3
    assert crowd_join(zones[0], 1, batch=2).status == "lost"


def test_a_repair_of_what_is_right_tells_nobody() -> None:
    first = zone_make()
    crowd_join(first, 100)
    assert tidings() == 1
    assert services.zones_publish_all() == (0, 0)
    assert services.zones_publish_all() == (0, 0)
    assert (tidings(), told()) == (1, {"concert": first.rules()})
    line = line_of("concert")
    assert line is not None
    assert line.waiting == 40


def test_the_repair_mends_what_is_wrong_and_takes_out_strays() -> None:
    first, second = zone_make("first"), zone_make("second")
    zone_make("stray")
    Zone.objects.filter(pk="stray").delete()
    ask(("HSET", store.CATALOG, "first", "no rules"))
    ask(("HSET", store.CATALOG, "second", first.rules().to_json()))
    ask(("DEL", "line:{second}:rules"))
    assert services.zones_publish_all() == (2, 1)
    assert told() == {"first": first.rules(), "second": second.rules()}
    assert known_version("second") == second.version
    assert line_of("stray") is None


def test_the_repair_never_puts_older_rules_over_newer_ones() -> None:
    first = zone_make(per_minute=60)
    newer = services.zone_update(actor=None, zone_id="concert", expected_version=first.version, per_minute=90)
    # As a repair finds it that read the row a moment before the change.
    Zone.objects.filter(pk="concert").update(version=first.version, per_minute=60)
    assert services.zones_publish_all() == (0, 0)
    assert told() == {"concert": newer.rules()}
    assert known_version("concert") == newer.version


def test_a_row_from_an_old_backup_wins_with_its_next_change() -> None:
    zone_make(per_minute=60)
    Zone.objects.update(version=5, per_minute=50)
    services.zone_update(actor=None, zone_id="concert", expected_version=5, per_minute=40)
    assert told()["concert"].per_minute == 40
    assert known_version("concert") == row().version


def test_one_bad_row_or_key_does_not_keep_the_others_from_being_told() -> None:
    zone_make("bad-key")
    zone_make("bad-row")
    good = zone_make("good")
    ask(("DEL", store.CATALOG))
    Zone.objects.filter(pk="bad-row").update(idle_s=1)
    ask(("DEL", "line:{bad-key}:rules"))
    ask(("SET", "line:{bad-key}:rules", "not a hash"))
    assert services.zones_publish_all() == (1, 0)
    assert told() == {"good": good.rules()}
