"""A message longer than it may be is refused and kept, never cut."""

import pytest

from apps.waitingroom.models import Role
from tests.waitingroom.desks import Desk, act, page, row
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("what", ["message", "block"])
def test_what_is_too_long_is_refused_and_still_there(desk: Desk, what: str) -> None:
    zone_make()
    client = desk(Role.OPERATOR)
    assert 'maxlength="500"' not in page(client)
    answer = act(client, what, message="m" * 499 + "wxyz")
    assert answer.status_code == 400
    assert "at most 500 characters (it has 503)" in answer.content.decode()
    assert "mmwxyz</textarea>" in answer.content.decode()
    assert row().message == ""


def test_the_end_of_a_line_counts_once(desk: Desk) -> None:
    zone_make()
    assert act(desk(Role.OPERATOR), "message", message="\r\n".join(["m" * 49] * 10) + "!").status_code == 302
    assert len(row().message) == 500
