"""Whether a channel works: by what was last sent there, a notice or a test."""

from datetime import timedelta
from re import search

import pytest
from django.test import Client
from django.utils import timezone

from apps.operations.alert_sending import channel_test
from apps.operations.models import AlertChannel
from tests.operations.alert_stage import Endpoint, channel_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
CHANNELS = "/admin/operations/alertchannel/"


def state(desk: Client) -> str:
    """As the list shows it."""
    found = search(r'(?s)class="[^"]*field-how[ "].*?<span[^>]*>\s*(.*?)\s*<', desk.get(CHANNELS).content.decode())
    assert found is not None
    return found[1]


def test_a_channel_is_as_its_last_test_was(desk: Client, endpoint: Endpoint) -> None:
    channel = channel_make(endpoint.url)
    assert state(desk) == "nothing sent yet"
    endpoint.answer = 404
    assert channel_test(channel) is not None
    assert state(desk) == "fails"
    endpoint.answer = 200
    assert channel_test(channel) is None
    assert state(desk) == "works"
    endpoint.answer = 404
    assert channel_test(channel) is not None
    assert state(desk) == "fails"


def test_a_notice_that_was_taken_after_a_failed_test_is_news(desk: Client) -> None:
    now = timezone.now()
    channel_make(last_error="404", last_error_at=now - timedelta(minutes=2), last_sent_at=now)
    assert state(desk) == "works"


def test_another_address_has_not_failed_yet(desk: Client, endpoint: Endpoint) -> None:
    endpoint.answer = 404
    channel = channel_make(endpoint.url)
    channel_test(channel)
    typed = {"name": "ops", "address": "jsons://127.0.0.1/other", "language": "en", "enabled": "on"}
    assert desk.post(f"{CHANNELS}{channel.pk}/change/", typed).status_code == 302
    channel = AlertChannel.objects.get()
    assert (channel.last_error, channel.last_error_at, state(desk)) == ("", None, "nothing sent yet")
