"""A zone that is made under the id of a deleted one: whoever has it now is told nothing of what was another's."""

import time
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.waitingroom import report_events, reports, services
from apps.waitingroom.changes import NotUndoable, change_undo, changes_of, mode_change_of
from apps.waitingroom.manage.selectors import zone_now
from apps.waitingroom.models import Role, Zone, ZoneChange, ZoneStatistic
from apps.waitingroom.role_services import manager_set
from apps.waitingroom.statistics import statistics_write
from tests.waitingroom.managing import person
from tests.waitingroom.zones import ask, crowd_join, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
COUNTS = ("joins", "entries", "evicted", "left", "refused", "would_wait", "waiting")


@pytest.fixture
def bora(redis_url: str, transactional_db: None) -> User:
    """The owner of a zone that another had before: with a message, an opening, and a crowd in both stores."""
    now = timezone.now()
    zone = zone_make(app="shop", opens_at=now + timedelta(hours=1))
    keeper = person("shopkeeper")
    for changes in ({"message": "Our secret sale", "mode": "paused"}, {"per_minute": 77}):
        zone = services.zone_update(
            actor=keeper, zone_id="concert", expected_version=zone.version, why="secret", **changes
        )
    opened = (now - timedelta(minutes=20)).isoformat()
    ZoneChange.objects.filter(action="created").update(at=now - timedelta(hours=2), after={"opens_at": opened})
    minute = now.replace(second=0, microsecond=0)
    for ago in (10, 20):
        past = minute - timedelta(minutes=ago)
        ZoneStatistic.objects.create(zone_id="concert", minute=past, **dict.fromkeys(COUNTS, 500))
    for ago in (2, 3, 4):  # no job has written these, and Redis keeps them
        stats = f"line:{{concert}}:stats:{int(time.time()) // 60 - ago}"
        ask(("HSET", stats, "joins", 300, "entries", 300, "waiting", 900, "wait:60", 300))
    services.zone_delete(zone_id="concert", why="secret")
    made = zone_make(app="bank")
    user = person("bora")
    manager_set(actor=None, user=user, role=Role.OWNER, zone_id="concert")
    crowd_join(made, 7)
    return user


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_its_changes_begin_with_its_making(bora: User) -> None:
    assert [change.action for change in changes_of("concert", 50)] == ["role", "created"]
    set_by = mode_change_of("concert")
    assert set_by is not None
    assert (set_by.action, set_by.after["mode"]) == ("created", "open")
    client = client_of(bora)
    for path in ("", "changes/", "changes/?part=1", "report/"):
        shown = client.get(f"/manage/zones/concert/{path}").content.decode()
        assert "<" in shown
        for told in ("secret", "shopkeeper", "77"):
            assert f">{told}" not in shown, (path, told)
            assert f"“{told}" not in shown, (path, told)
    assert ZoneChange.objects.filter(zone_id="concert").count() == 6  # all of it is still there for the house


def test_what_was_done_to_the_other_is_not_undone(bora: User) -> None:
    zone = Zone.objects.get(pk="concert")
    services.zone_update(actor=None, zone_id="concert", expected_version=zone.version, per_minute=77)
    now = Zone.objects.get(pk="concert")
    slower = ZoneChange.objects.filter(action="changed", why="secret").first()
    assert slower is not None
    assert slower.before == {"per_minute": 60}
    with pytest.raises(NotUndoable):
        change_undo(actor=bora, change_id=slower.pk, expected_version=now.version)
    client_of(bora).post(f"/manage/zones/concert/changes/{slower.pk}/undo/", {"version": now.version})
    assert Zone.objects.get(pk="concert").version == now.version
    slower.refresh_from_db()
    assert slower.undone_by is None


def test_a_conflict_tells_of_this_zone_alone(bora: User) -> None:
    with pytest.raises(services.Conflict) as raised:
        services.zone_update(actor=bora, zone_id="concert", expected_version=1, per_minute=5)
    assert [change.action for change in raised.value.changes] == ["role", "created"]


@pytest.mark.parametrize("is_written", [False, True])
def test_its_figures_begin_with_its_making(bora: User, is_written: bool) -> None:
    now = timezone.now()
    if is_written:
        statistics_write(now=now)  # what Redis still has of the other goes into the table, as always
        assert ZoneStatistic.objects.filter(joins=300).count() == 3
    past = zone_now("concert").past
    assert (past.funnel.joined, past.funnel.entered) == (7, 7)
    assert sum(minute.joins for minute in past.history) == 7
    assert past.waits.p99 == 0
    end = now + timedelta(minutes=2)
    found = reports.report(zone_id="concert", start=now - timedelta(days=1), end=end, now=now)
    assert (found.arrivals, found.admitted, found.peak) == (7, 7, 0)
    assert report_events.openings_of(zone_id="concert", now=now) == []
