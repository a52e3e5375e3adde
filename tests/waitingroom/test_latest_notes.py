"""What is looked for among a zone's notes is looked for among the latest: a long past does not make pages slow."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.waitingroom import audit
from apps.waitingroom.changes import mode_change_of
from apps.waitingroom.models import ZoneChange
from apps.waitingroom.report_events import openings_of
from tests.waitingroom.desks import other_changes
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_who_set_the_mode_is_found_among_the_latest_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "LOOKED_THROUGH", 5)
    zone_make(mode="paused")
    for number in range(4):
        other_changes(per_minute=100 + number)
    assert mode_change_of("concert") == ZoneChange.objects.get(action="created")
    other_changes(per_minute=99)
    assert mode_change_of("concert") is None
    assert [note.after for note in audit.latest_notes_of("concert")][-1] == {"per_minute": 100}
    other_changes(mode="open")
    assert mode_change_of("concert") == ZoneChange.objects.first()


def test_openings_are_found_among_the_latest_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    zone_make(opens_at=now + timedelta(minutes=10))
    other_changes(per_minute=1)
    ZoneChange.objects.update(at=now - timedelta(minutes=1))
    later = now + timedelta(minutes=11)
    assert [one.opens_at for one in openings_of(zone_id="concert", now=later)] == [now + timedelta(minutes=10)]
    monkeypatch.setattr(audit, "LOOKED_THROUGH", 1)
    assert openings_of(zone_id="concert", now=later) == []
