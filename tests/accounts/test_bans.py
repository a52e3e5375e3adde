"""A ban holds from its first moment to its last: no sign-in, no session, not even one from before."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from apps.accounts import services, signals
from apps.accounts.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.database]
PASSWORD = "a long enough pass"
SIGN_IN = "/accounts/sign-in/"
MEMBERS_ONLY = "/studio/"


@pytest.fixture
def operator() -> User:
    return services.operator_ensure(username="operator", password=PASSWORD)


@pytest.fixture
def mina() -> User:
    return services.user_register(username="mina", password=PASSWORD)


def sign_in(client: Client, password: str = PASSWORD) -> Any:
    return client.post(SIGN_IN, {"username": "mina", "password": password})


def is_in(client: Client) -> bool:
    return client.get(MEMBERS_ONLY).status_code == 200


def test_a_ban_ends_every_session_and_keeps_out_until_its_end(operator: User, mina: User):
    sessions = [Client(), Client()]
    for session in sessions:
        assert sign_in(session).status_code == 302
        assert is_in(session)
    services.user_ban(actor=operator, user=mina, until=timezone.now() + timedelta(hours=1), reason=" Spam ")
    assert [is_in(session) for session in sessions] == [False, False]
    assert (mina.is_banned, mina.ban_reason, mina.sessions_ended) == (True, "Spam", 1)
    refused = sign_in(Client())
    assert refused.status_code == 200
    assert "This account is banned until" in refused.content.decode()
    User.objects.filter(pk=mina.pk).update(banned_until=timezone.now() - timedelta(seconds=1))
    assert [is_in(session) for session in sessions] == [False, False]  # what was ended stays ended
    again = Client()
    assert sign_in(again).status_code == 302
    assert is_in(again)


def test_a_ban_for_good_ends_when_it_is_lifted(operator: User, mina: User):
    services.user_ban(actor=operator, user=mina, until=None)
    client = Client()
    assert "This account is banned." in sign_in(client).content.decode()
    assert services.user_unban(actor=operator, user=mina) is True
    assert services.user_unban(actor=operator, user=mina) is False
    assert not mina.is_banned
    assert sign_in(client).status_code == 302
    assert is_in(client)


def test_that_an_account_is_banned_is_told_to_its_owner_alone(operator: User, mina: User):
    services.user_ban(actor=operator, user=mina, until=None)
    assert "banned" not in sign_in(Client(), password="a wrong password").content.decode()


def test_the_admin_door_is_shut_too(operator: User):
    other = services.operator_ensure(username="other", password=PASSWORD)
    services.user_ban(actor=operator, user=other, until=None)
    client = Client()
    told = {"username": "other", "password": PASSWORD}
    assert client.post("/admin/login/?next=/admin/", told).status_code == 200
    assert client.get("/admin/").status_code == 302
    client.force_login(operator)
    assert client.get("/admin/").status_code == 200


def test_who_may_not_be_banned(operator: User, mina: User):
    helper = services.user_register(username="helper", password=PASSWORD)
    helper.is_staff = True
    helper.save()
    for actor, user in ((helper, helper), (operator, operator), (helper, operator)):
        with pytest.raises(services.BanRefused):
            services.user_ban(actor=actor, user=user, until=None)
    with pytest.raises(ValidationError):
        services.user_ban(actor=helper, user=mina, until=timezone.now() - timedelta(seconds=1))
    assert not User.objects.filter(banned_at__isnull=False).exists()
    services.user_ban(actor=operator, user=helper, until=None)
    assert helper.is_banned


def test_who_may_not_lift_a_ban(operator: User, mina: User):
    """Who could not have laid it."""
    helper, other = (services.user_register(username=name, password=PASSWORD) for name in ("helper", "other"))
    User.objects.filter(pk__in=[helper.pk, other.pk]).update(is_staff=True)
    helper.refresh_from_db()
    other.refresh_from_db()
    for user in (helper, mina):
        services.user_ban(actor=operator, user=user, until=None)
    for actor in (other, helper):
        with pytest.raises(services.BanRefused):
            services.user_unban(actor=actor, user=helper)
    assert set(User.objects.filter(banned_at__isnull=False)) == {helper, mina}
    assert services.user_unban(actor=other, user=mina)
    assert services.user_unban(actor=operator, user=helper)


def test_both_are_announced_once_they_are_committed(
    operator: User, mina: User, django_capture_on_commit_callbacks: Any
):
    heard: list[str] = []

    def on_ban(user: User, **_: Any) -> None:
        heard.append(f"banned {user.username}")

    def on_unban(user: User, **_: Any) -> None:
        heard.append(f"unbanned {user.username}")

    signals.user_banned.connect(on_ban)
    signals.user_unbanned.connect(on_unban)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            services.user_ban(actor=operator, user=mina, until=None)
            assert heard == []
        with django_capture_on_commit_callbacks(execute=True):
            services.user_unban(actor=operator, user=mina)
    finally:
        signals.user_banned.disconnect(on_ban)
        signals.user_unbanned.disconnect(on_unban)
    assert heard == ["banned mina", "unbanned mina"]


def test_nobody_else_is_signed_out_by_the_new_proof(mina: User):
    """Sessions from before there were bans are checked against Django's own proof."""
    assert mina.get_session_auth_hash() == super(User, mina).get_session_auth_hash()
    before = mina.get_session_auth_hash()
    mina.sessions_ended = 1
    first = mina.get_session_auth_hash()
    mina.sessions_ended = 2
    assert len({before, first, mina.get_session_auth_hash()}) == 3
