"""Who may do what with which zone: roles given and taken, and what is refused to whom, logged and counted."""

import logging

import pytest
from django.contrib.auth.models import AnonymousUser, Permission
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from prometheus_client import REGISTRY
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import User
from apps.accounts.services import operator_ensure, user_register
from apps.realtime import redis
from apps.waitingroom import board_store, managers
from apps.waitingroom.managers import Action, NoSuchZone, NotAllowed, Role
from apps.waitingroom.models import ChangeAction, ZoneChange, ZoneManager
from apps.waitingroom.role_services import manager_remove, manager_set
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def staff(name: str, *permissions: str) -> User:
    """Somebody of the house, with these rights in the admin."""
    user = user_register(username=name, password="a long enough pass")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return User.objects.get(pk=user.pk)


def refusals(entrance: str, reason: str) -> float:
    labels = {"entrance": entrance, "reason": reason}
    return REGISTRY.get_sample_value("fullhouse_manage_refused_total", labels) or 0.0


def tellings() -> int:
    """How often open pages were told to look again."""
    return int(redis.run_now([("GET", board_store.ROLES)])[0] or 0)


# --- what each role may -------------------------------------------------------------------------------------------

OPERATORS = {Action.RATE, Action.MODE, Action.MESSAGE, Action.SCHEDULE}


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (None, set()),
        (Role.VIEWER, {Action.LOOK}),
        (Role.OPERATOR, {Action.LOOK, *OPERATORS}),
        (Role.OWNER, set(Action)),
    ],
)
def test_what_a_role_may(role: Role | None, allowed: set[Action]) -> None:
    assert {action for action in Action if managers.may(role, action)} == allowed


def test_which_action_a_field_is() -> None:
    fields = ["per_minute", "mode", "message", "message_ko", "opens_at", "prequeue_from", "name", "origins"]
    assert [managers.action_of(field).value for field in fields] == [
        *("rate", "mode", "message", "message", "schedule", "schedule", "edit", "edit")
    ]


# --- whose zones --------------------------------------------------------------------------------------------------


def test_zones_of_a_zone_an_app_and_both(mina: User, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    for zone_id, app in (("a", "shop"), ("b", "shop"), ("c", ""), ("d", "games"), ("e", "")):
        zone_make(zone_id, app=app)
    assert managers.zones_of(mina) == {}
    manager_set(actor=None, user=mina, role=Role.OPERATOR, app="shop")
    manager_set(actor=None, user=mina, role=Role.OWNER, zone_id="a")
    manager_set(actor=None, user=mina, role=Role.VIEWER, zone_id="b")  # less than the app gives: nothing is taken
    manager_set(actor=None, user=mina, role=Role.VIEWER, zone_id="c")
    with django_assert_max_num_queries(2):
        assert managers.zones_of(mina) == {"a": Role.OWNER, "b": Role.OPERATOR, "c": Role.VIEWER}
    roles = {zone_id: managers.role_of(mina, zone_id) for zone_id in "abcde"}
    assert roles == {"a": Role.OWNER, "b": Role.OPERATOR, "c": Role.VIEWER, "d": None, "e": None}
    assert managers.apps_of(mina) == {"shop": Role.OPERATOR}


@pytest.mark.parametrize("zone_id", ["CONCERT", "concert ", "", "nowhere", "a" * 300, "컨서트"])
def test_only_the_exact_id_is_the_zone(mina: User, zone_id: str) -> None:
    zone_make()
    manager_set(actor=None, user=mina, role=Role.OWNER, zone_id="concert")
    assert managers.role_of(mina, zone_id) is None
    with pytest.raises(NoSuchZone):
        managers.zone_for(mina, zone_id)


def test_the_house_sees_all_zones(mina: User) -> None:
    zone_make("a")
    zone_make("b")
    everybody = {
        "owner": operator_ensure(username="root", password="a long enough pass"),
        "changes": staff("changes", "change_zone", "view_zone"),
        "views": staff("views", "view_zone"),
        "neither": staff("neither", "add_zone"),
        "mina": mina,
    }
    assert {name: managers.zones_of(user) for name, user in everybody.items()} == {
        "owner": {"a": Role.OWNER, "b": Role.OWNER},
        "changes": {"a": Role.OWNER, "b": Role.OWNER},
        "views": {"a": Role.VIEWER, "b": Role.VIEWER},
        "neither": {},
        "mina": {},
    }


def test_rights_without_being_staff_count_for_nothing(mina: User) -> None:
    zone_make()
    mina.user_permissions.set(Permission.objects.filter(codename="change_zone"))
    assert managers.zones_of(User.objects.get(pk=mina.pk)) == {}


def test_who_is_switched_off_has_no_zones(mina: User) -> None:
    zone_make()
    manager_set(actor=None, user=mina, role=Role.OWNER, zone_id="concert")
    mina.is_active = False
    mina.save()
    assert managers.zones_of(mina) == {}
    assert managers.role_of(mina, "concert") is None
    root = operator_ensure(username="root", password="a long enough pass")
    root.is_active = False
    assert managers.zones_of(root) == {}


def test_who_may_make_zones(mina: User) -> None:
    assert managers.apps_to_create_in(mina) == []
    manager_set(actor=None, user=mina, role=Role.OWNER, app="shop")
    manager_set(actor=None, user=mina, role=Role.OPERATOR, app="games")
    assert [managers.may_create(mina, app) for app in ("shop", "games", "", "other")] == [True, False, False, False]
    assert managers.may_create(staff("adds", "add_zone"), "") is True
    assert managers.may_create(staff("changes", "change_zone"), "shop") is False


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("zone_id", "reason"), [("concert", "foreign"), ("nowhere", "unknown")])
@pytest.mark.parametrize("entrance", ["page", "api", "socket"])
def test_anothers_zone_is_as_if_there_were_none(
    mina: User, zone_id: str, reason: str, entrance: str, caplog: pytest.LogCaptureFixture
) -> None:
    zone_make()
    zone_make("other")
    manager_set(actor=None, user=mina, role=Role.OWNER, zone_id="other")
    before = refusals(entrance, reason)
    with caplog.at_level(logging.WARNING), pytest.raises(NoSuchZone) as refused:
        managers.zone_for(mina, zone_id, entrance=entrance)
    assert str(refused.value) == "no such zone"  # nobody is told which of both it is
    assert refusals(entrance, reason) == before + 1
    assert f"user {mina.pk} was refused zone '{zone_id}' at the {entrance}: {reason}" in caplog.text


def test_what_the_role_does_not_allow_is_refused(mina: User, caplog: pytest.LogCaptureFixture) -> None:
    zone_make()
    manager_set(actor=None, user=mina, role=Role.VIEWER, zone_id="concert")
    zone, role = managers.zone_for(mina, "concert")
    assert (zone.pk, role) == ("concert", Role.VIEWER)
    before = refusals("page", "role")
    with caplog.at_level(logging.WARNING), pytest.raises(NotAllowed, match="operator"):
        managers.zone_for(mina, "concert", Action.RATE)
    assert refusals("page", "role") == before + 1
    assert "refused zone 'concert' at the page: role" in caplog.text


def test_nobody_has_no_zone() -> None:
    zone_make()
    with pytest.raises(NoSuchZone):
        managers.zone_for(AnonymousUser(), "concert")  # type: ignore[arg-type]


# --- giving and taking --------------------------------------------------------------------------------------------


def test_a_role_is_given_raised_and_taken_and_each_is_noted(mina: User) -> None:
    zone = zone_make()
    root = operator_ensure(username="root", password="a long enough pass")
    given = manager_set(actor=root, user=mina, role=Role.VIEWER, zone_id="concert", why="new here")
    raised = manager_set(actor=root, user=mina, role=Role.OWNER, zone_id="concert")
    assert (raised.pk, ZoneManager.objects.get().role) == (given.pk, Role.OWNER)
    manager_set(actor=root, user=mina, role=Role.OWNER, zone_id="concert")  # so already
    assert manager_remove(actor=root, manager_id=given.pk, why="has left") is True
    assert manager_remove(actor=root, manager_id=given.pk) is False
    assert not ZoneManager.objects.exists()
    notes = ZoneChange.objects.filter(action=ChangeAction.ROLE).order_by("pk")
    assert [(note.who, note.before["role"], note.after["role"], note.why) for note in notes] == [
        (root, None, "viewer", "new here"),
        (root, "viewer", "owner", ""),
        (root, "owner", None, "has left"),
    ]
    assert {(note.zone_id, note.version, note.after["user"]) for note in notes} == {("concert", zone.version, "mina")}
    assert tellings() == 3


def test_a_role_for_an_app_is_noted_without_a_zone(mina: User) -> None:
    manager_set(actor=None, user=mina, role=Role.OWNER, app="shop")
    note = ZoneChange.objects.get()
    assert (note.zone_id, note.version, note.who_name) == ("", 0, "")
    assert note.after == {"user": "mina", "app": "shop", "role": "owner"}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"zone_id": "concert", "app": "shop"},
        {"zone_id": "nowhere"},
        {"zone_id": "concert", "role": 4},
        {"app": "x" * 41},
    ],
)
def test_a_role_that_cannot_be_is_refused(mina: User, wrong: dict[str, object]) -> None:
    zone_make()
    with pytest.raises(ValidationError):
        manager_set(actor=None, user=mina, **{"role": Role.VIEWER, **wrong})  # type: ignore[arg-type]
    assert not ZoneManager.objects.exists()
    assert not ZoneChange.objects.filter(action=ChangeAction.ROLE).exists()


@pytest.mark.parametrize("wrong", [{}, {"zone_id": "concert", "app": "shop"}, {"app": ""}])
def test_the_table_holds_exactly_one_of_zone_and_app(mina: User, wrong: dict[str, str]) -> None:
    zone_make()
    with pytest.raises(IntegrityError), transaction.atomic():
        ZoneManager.objects.create(user=mina, role=Role.VIEWER, **wrong)


def test_nothing_is_noted_or_told_of_a_role_that_was_rolled_back(mina: User) -> None:
    zone_make()

    def give_and_fail() -> None:
        with transaction.atomic():
            manager_set(actor=None, user=mina, role=Role.OWNER, zone_id="concert")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        give_and_fail()
    assert not ZoneManager.objects.exists()
    assert not ZoneChange.objects.filter(action=ChangeAction.ROLE).exists()
    assert tellings() == 0


def test_a_zone_takes_its_roles_with_it_and_not_those_of_its_app(mina: User) -> None:
    zone = zone_make(app="shop")
    manager_set(actor=None, user=mina, role=Role.OWNER, zone_id="concert")
    manager_set(actor=None, user=mina, role=Role.VIEWER, app="shop")
    zone.delete()
    assert [manager.app for manager in ZoneManager.objects.all()] == ["shop"]
