"""Signing up, in and out in a browser, and the limit on guesses."""

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from apps.accounts import services, throttle
from apps.accounts.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.database]
PASSWORD = "a long enough pass"
UP, IN, OUT = "/accounts/sign-up/", "/accounts/sign-in/", "/accounts/sign-out/"


@pytest.fixture
def mina() -> User:
    return services.user_register(username="mina", password=PASSWORD, display_name="Mina")


def signing_up(**changes: str) -> dict[str, str]:
    return {"username": "jun", "display_name": "Jun", "password1": PASSWORD, "password2": PASSWORD, **changes}


def signed_in(client: Client) -> str | None:
    return client.session.get("_auth_user_id")


def test_signing_up_makes_an_account_and_signs_in(client: Client):
    response = client.post(UP, signing_up())
    user = User.objects.get()
    assert (response.status_code, response["Location"]) == (302, "/")
    assert (user.username, user.display_name, signed_in(client)) == ("jun", "Jun", str(user.pk))
    assert [str(message) for message in get_messages(response.wsgi_request)] == ["Welcome, Jun."]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "MINA"}, "username"),
        ({"username": "a b"}, "username"),
        ({"username": "u17"}, "username"),
        ({"display_name": "x" * 41}, "display_name"),
        ({"password2": "something else"}, "password2"),
        ({"password1": "short", "password2": "short"}, "password2"),
        ({"password1": "password123", "password2": "password123"}, "password2"),
    ],
)
def test_a_bad_sign_up_says_what_is_wrong_and_makes_nothing(
    client: Client, mina: User, changes: dict[str, str], field: str
):
    response = client.post(UP, signing_up(**changes))
    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    assert (User.objects.count(), signed_in(client)) == (1, None)


@pytest.mark.parametrize(
    ("asked", "where"),
    [("/studio/", "/studio/"), ("https://evil.example/", "/"), ("//evil.example/", "/"), ("javascript:alert(1)", "/")],
)
def test_afterwards_one_goes_where_one_wanted_but_never_away(client: Client, mina: User, asked: str, where: str):
    assert client.get(IN, {"next": asked}).context["next"] == ("" if where == "/" else where)
    assert client.post(IN, {"username": "mina", "password": PASSWORD, "next": asked})["Location"] == where
    client.logout()
    assert client.post(UP, signing_up(next=asked))["Location"] == where


def test_who_is_signed_in_is_not_asked_again(client: Client, mina: User):
    client.force_login(mina)
    for address in (IN, UP):
        assert client.get(address)["Location"] == "/"
    assert client.post(UP, signing_up())["Location"] == "/"
    assert User.objects.count() == 1


def test_a_wrong_password_signs_nobody_in(client: Client, mina: User):
    response = client.post(IN, {"username": "mina", "password": "wrong"})
    assert (response.status_code, signed_in(client)) == (200, None)
    assert len(response.context["form"].non_field_errors()) == 1


def test_signing_out_takes_a_post(client: Client, mina: User):
    client.force_login(mina)
    assert client.get(OUT).status_code == 405
    assert signed_in(client) == str(mina.pk)
    response = client.post(OUT)
    assert (response.status_code, response["Location"], signed_in(client)) == (302, "/", None)
    assert [str(m) for m in get_messages(response.wsgi_request)] == ["You are signed out."]  # type: ignore[attr-defined]


@pytest.mark.parametrize("address", [UP, IN])
@pytest.mark.parametrize(("method", "status"), [("get", 200), ("head", 200), ("put", 405), ("delete", 405)])
def test_each_address_takes_its_own_methods(client: Client, address: str, method: str, status: int):
    assert getattr(client, method)(address).status_code == status


@pytest.mark.parametrize("address", [UP, IN, OUT])
def test_a_post_without_its_csrf_token_is_refused(mina: User, address: str):
    strict = Client(enforce_csrf_checks=True)
    posted = {**signing_up(), "username": "mina", "password": PASSWORD}
    assert strict.post(address, posted).status_code == 403
    assert User.objects.count() == 1


# --- the limit on guesses -----------------------------------------------------------------------------------------


def guess(client: Client, **changes: Any) -> int:
    posted = {"username": "mina", "password": "wrong", **changes}
    return client.post(IN, posted, REMOTE_ADDR=posted.pop("address", "192.0.2.1")).status_code


def test_the_eleventh_guess_is_refused_even_if_it_is_right(client: Client, mina: User):
    assert [guess(client) for _ in range(10)] == [200] * 10
    response = client.post(IN, {"username": "MINA ", "password": PASSWORD}, REMOTE_ADDR="192.0.2.1")
    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= throttle.WINDOW_SECONDS
    assert response.context["retry_after"] == int(response["Retry-After"])
    assert signed_in(client) is None


def test_another_name_and_another_address_are_not_held_up(client: Client, mina: User):
    assert [guess(client) for _ in range(11)] == [200] * 10 + [429]
    assert guess(client, username="jun") == 200
    assert guess(client, address="192.0.2.2", password=PASSWORD) == 302


def test_a_right_password_starts_the_count_afresh(client: Client, mina: User):
    assert [guess(client) for _ in range(9)] == [200] * 9
    assert guess(client, password=PASSWORD) == 302
    client.logout()
    assert [guess(client) for _ in range(11)] == [200] * 10 + [429]


def test_one_address_cannot_go_through_many_names(client: Client, mina: User):
    codes = [guess(client, username=f"name{number}") for number in range(51)]
    assert codes == [200] * 50 + [429]
    assert guess(client, password=PASSWORD) == 429
    assert signed_in(client) is None
    assert guess(client, address="192.0.2.2", password=PASSWORD) == 302


def test_an_account_of_ones_own_does_not_clear_the_address(client: Client, mina: User):
    for number in range(50):
        assert guess(client, username=f"name{number}") == 200
        if number % 10 == 0:
            assert guess(client, password=PASSWORD) == 302
            client.logout()
    assert guess(client, username="another") == 429


@pytest.mark.parametrize("username", ["mina", ""])
def test_the_admin_has_the_same_limit_and_the_same_counters(client: Client, mina: User, username: str):
    admin = "/admin/login/"
    posted = {"username": username, "password": "wrong"}
    assert guess(client, username=username) == 200
    codes = [client.post(admin, posted, REMOTE_ADDR="192.0.2.1").status_code for _ in range(10)]
    assert codes == [200] * 9 + [429]
    assert guess(client, username=username) == 429
    assert client.get(admin, REMOTE_ADDR="192.0.2.1").status_code == 200


def test_an_operator_signs_in_to_the_admin_and_starts_afresh(client: Client):
    services.operator_ensure(username="operator", password=PASSWORD)
    for _ in range(2):
        for _ in range(9):
            assert client.post("/admin/login/", {"username": "operator", "password": "wrong"}).status_code == 200
        response = client.post("/admin/login/?next=/admin/", {"username": "operator", "password": PASSWORD})
        assert (response.status_code, response["Location"]) == (302, "/admin/")
        client.logout()


def test_sign_up_is_limited_by_address_and_counts_by_itself(client: Client, mina: User):
    assert [guess(client) for _ in range(11)][-1] == 429
    bad = [signing_up(username="mina", display_name=f"{number}") for number in range(19)]
    codes = [client.post(UP, each, REMOTE_ADDR="192.0.2.1").status_code for each in [*bad, signing_up(username="a b")]]
    assert codes == [200] * 20
    assert client.post(UP, signing_up(), REMOTE_ADDR="192.0.2.1").status_code == 429
    assert (User.objects.count(), signed_in(client)) == (1, None)
    assert client.post(UP, signing_up(), REMOTE_ADDR="192.0.2.2").status_code == 302


def test_the_window_ends(redis_server: Any):
    attempt = {"action": "sign-in", "address": "192.0.2.1", "name": "mina"}
    for _ in range(10):
        assert throttle.attempt_record(**attempt) == 0
    assert throttle.attempt_record(**attempt) > 0
    # Both keys carry an end, so the count cannot outlive its window.
    with redis_server.client() as client:
        ends = [client.ttl(key) for key in client.scan_iter("*throttle:sign-in:*")]
    assert len(ends) == 4  # the name's and the address's
    assert all(0 < end <= throttle.WINDOW_SECONDS for end in ends)
    throttle.attempts_forget(**attempt)
    assert throttle.attempt_record(**attempt) == 0


def test_without_the_cache_people_still_sign_in(client: Client, mina: User, settings: Any):
    away = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {"default": away}
    assert [guess(client) for _ in range(11)] == [200] * 11
    assert guess(client, password=PASSWORD) == 302
    assert client.get("/studio/").status_code == 200
