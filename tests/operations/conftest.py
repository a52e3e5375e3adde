"""What tests of alerts and of the admin's pages about them begin with."""

from collections.abc import Iterator

import pytest
from django.test import Client

from apps.accounts.services import operator_ensure
from tests.operations.alert_stage import Endpoint, endpoint_open


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """Where notices arrive."""
    with endpoint_open() as opened:
        yield opened


@pytest.fixture
def desk(client: Client) -> Client:
    """An operator's browser."""
    client.force_login(operator_ensure(username="operator", password="a long enough pass"))
    return client
