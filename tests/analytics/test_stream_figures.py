"""A stream as a whole: of one that the server read from does not know yet, and of one whose clocks did not agree."""

import datetime

import pytest
from django.test import Client
from django.utils import timezone

from apps.analytics.growth import StreamFigures
from apps.analytics.stream_selectors import stream_figures
from apps.streams.models import Stream
from tests.analytics.owned import owned_make, seoul

pytestmark = [pytest.mark.database, pytest.mark.django_db]

SECOND = datetime.timedelta(seconds=1)


def test_a_stream_whose_row_is_not_on_the_replica_yet_has_its_figures() -> None:
    started_at = timezone.now() - 90 * SECOND
    stream = Stream(pk=7, broadcaster_id=3, category_id=1, title="just begun", started_at=started_at, peak_viewers=4)
    assert stream_figures(stream=stream) == StreamFigures(7, "just begun", started_at, None, 4, None, None, None, 1)


def test_a_stream_that_ended_before_it_started_has_a_page(client: Client) -> None:
    owned = owned_make()
    client.force_login(owned.mina)
    Stream.objects.filter(pk=owned.first.pk).update(started_at=seoul(1, 9), ended_at=seoul(1, 9) - SECOND)
    Stream.objects.filter(pk=owned.second.pk).update(started_at=seoul(3), ended_at=seoul(3) - SECOND)
    for stream in (owned.first, owned.second):
        response = client.get(f"/live/{stream.pk}/statistics/")
        assert response.status_code == 200
        assert response.context["figures"].live_minutes == 0
        series = response.context["series_url"]
        assert client.get(series).status_code == 200
    assert client.get(f"/api/streams/{owned.second.pk}/comparison").status_code == 200
