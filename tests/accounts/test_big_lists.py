"""Lists of large tables: what they find, how far they count, and what they ask of the database."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts import big_lists, services
from apps.accounts.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.database]
LIST = "/admin/accounts/user/"


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(services.operator_ensure(username="operator", password="a long enough pass"))
    return client


def people(count: int, **changes: Any) -> None:
    now = timezone.now()
    User.objects.bulk_create(
        [User(username=f"user{n:04}", display_name=f"사람 {n}", date_joined=now, **changes) for n in range(count)]
    )


def listed(client: Client, **query: str) -> list[str]:
    return [user.username for user in client.get(LIST, query).context["cl"].result_list]


def test_a_list_counts_so_far_and_no_further(desk: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(big_lists, "COUNTED", 60)
    people(59)
    page = desk.get(LIST)
    assert (page.context["cl"].result_count, page.context["cl"].paginator.num_pages) == (60, 2)
    assert "more than" not in page.content.decode()
    services.user_register(username="one-more", password="a long enough pass")
    page = desk.get(LIST)
    assert (page.context["cl"].result_count, page.context["cl"].paginator.num_pages) == (60, 2)
    assert "more than 60; search or filter to see fewer" in page.content.decode()
    assert len(listed(desk, p="2")) == 10


def test_a_search_finds_beginnings_in_each_field_with_the_filters_of_the_list(desk: Client):
    people(3)
    User.objects.filter(username="user0001").update(email="mina@example.com", is_staff=True)
    assert listed(desk, q="USER000") == ["user0002", "user0001", "user0000"]
    assert listed(desk, q="ser0001") == []
    assert listed(desk, q="사람 1") == ["user0001"]
    assert listed(desk, q="mina@") == ["user0001"]
    assert listed(desk, q="user000", is_staff__exact="1") == ["user0001"]
    number = User.objects.get(username="user0002").pk
    assert listed(desk, q=str(number)) == listed(desk, q=f"u{number}") == ["user0002"]
    for odd in ("%", "_", "\\", "user%", "'", "9" * 30, "²"):
        assert listed(desk, q=odd) == [], odd


def test_a_search_finds_no_more_than_so_many_of_a_field(desk: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(big_lists, "FOUND_PER_FIELD", 5)
    people(8)
    assert len(listed(desk, q="user")) == 5


def test_a_page_of_users_takes_few_queries(desk: Client, django_assert_max_num_queries: Any):
    people(50)
    desk.get(LIST)
    with django_assert_max_num_queries(7):
        desk.get(LIST)
    with django_assert_max_num_queries(10):
        desk.get(LIST, {"q": "user"})


def test_an_action_is_done_to_so_many_rows_and_no_more(desk: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(big_lists, "CHOSEN", 5)
    people(6)
    ids = [user.pk for user in User.objects.filter(username__startswith="user")]
    ban = {"action": "ban_users", "confirmed": "yes", "until": "0", "reason": ""}

    def ban_these(chosen: list[int], **more: str) -> tuple[str, int]:
        response = desk.post(LIST, {**ban, "_selected_action": chosen, **more}, follow=True)
        said = " ".join(str(message) for message in response.context["messages"])
        return said, User.objects.filter(banned_at__isnull=False).count()

    refused = "Choose no more than 5 rows at once; search or filter to see fewer. Nothing was done."
    assert ban_these(ids) == (refused, 0)
    assert ban_these(ids[:1], select_across="1") == (refused, 0)
    unasked = desk.post(LIST, {"action": "ban_users", "_selected_action": ids[:1], "select_across": "1"}, follow=True)
    assert [str(message) for message in unasked.context["messages"]] == [refused]
    assert ban_these(ids[:5], select_across="0") == ("5 users banned.", 5)
    User.objects.filter(pk=ids[5]).update(is_staff=True)  # a filter that leaves few is as good as choosing them
    assert len(listed(desk, is_staff__exact="1")) == 2
    response = desk.post(f"{LIST}?is_staff__exact=1", {**ban, "_selected_action": ids[5:], "select_across": "1"})
    assert (response.status_code, User.objects.filter(banned_at__isnull=False).count()) == (302, 6)
