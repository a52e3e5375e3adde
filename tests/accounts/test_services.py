"""Accounts are made once, with a hashed password, also when two people want the same name at the same moment."""

import threading

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from apps.accounts import services
from apps.accounts.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.database]
PASSWORD = "a long enough pass"


def test_a_registered_user_is_an_ordinary_one():
    user = services.user_register(username="mina", password=PASSWORD, display_name=" Mina ")
    stored = User.objects.get()
    assert (stored.pk, stored.username, stored.display_name, stored.shown_name) == (user.pk, "mina", "Mina", "Mina")
    assert (stored.is_active, stored.is_staff, stored.is_superuser) == (True, False, False)
    assert stored.check_password(PASSWORD)
    assert PASSWORD not in stored.password


def test_without_a_display_name_the_username_is_shown():
    assert services.user_register(username="mina", password=PASSWORD).shown_name == "mina"


def test_the_table_has_its_name():
    assert User._meta.db_table == "users"


def test_a_taken_name_is_refused_and_the_first_keeps_it():
    services.user_register(username="mina", password=PASSWORD)
    with pytest.raises(ValidationError) as refusal:
        services.user_register(username="mina", password="another pass word")
    assert list(refusal.value.message_dict) == ["username"]
    assert User.objects.get().check_password(PASSWORD)


@pytest.mark.parametrize(
    ("username", "display_name", "field"),
    [
        *((name, "", "username") for name in ("", "a b", "x" * 151)),
        ("mina", "x" * 41, "display_name"),
        # What viewers are counted by, in any case, and in wide digits, which a name is rid of.
        *((name, "", "username") for name in ("u17", "U17", "u\uff11\uff17", "a" + "0f" * 16, "A" + "0F" * 16)),
    ],
)
def test_bad_names_make_no_account(username: str, display_name: str, field: str):
    with pytest.raises(ValidationError) as refusal:
        services.user_register(username=username, password=PASSWORD, display_name=display_name)
    assert list(refusal.value.message_dict) == [field]
    assert User.objects.count() == 0


@pytest.mark.parametrize("username", ["u", "u17x", "ursula", "1u", "u-17", "a" + "0f" * 15])
def test_names_that_are_like_no_number_are_taken(username: str):
    assert services.user_register(username=username, password=PASSWORD).username == username


def test_an_operator_is_made_and_made_whole_again():
    first = services.operator_ensure(username="operator", password=PASSWORD)
    User.objects.update(is_staff=False, is_active=False)
    again = services.operator_ensure(username="operator", password="another pass word")
    stored = User.objects.get()
    assert (again.pk, stored.is_staff, stored.is_superuser, stored.is_active) == (first.pk, True, True, True)
    assert stored.check_password("another pass word")


@pytest.mark.django_db(transaction=True)
def test_of_those_who_race_for_a_name_one_gets_it():
    barrier = threading.Barrier(4)
    outcomes: list[str] = []

    def register() -> None:
        try:
            barrier.wait(timeout=20)
            services.user_register(username="mina", password=PASSWORD)
            outcomes.append("made")
        except ValidationError:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=register) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(outcomes) == ["made", "refused", "refused", "refused"]
    assert User.objects.count() == 1
