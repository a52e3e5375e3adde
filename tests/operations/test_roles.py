"""Roles have exactly their rights, however often they are made and whatever somebody did to them."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.test import Client

from apps.accounts.services import operator_ensure, user_register
from apps.operations.roles import ANALYST, OPERATOR, ROLES, SUPPORT, ZONE_ADMINISTRATOR, Role, roles_ensure

pytestmark = [pytest.mark.django_db, pytest.mark.database]
PASSWORD = "a long enough pass"


def rights_of(name: str) -> set[str]:
    found = Permission.objects.filter(group__name=name).values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in found}


def member(role: Role) -> Client:
    user = user_register(username=role.name.split()[0].lower() + "-one", password=PASSWORD)
    user.is_staff = True
    user.save()
    user.groups.add(Group.objects.get(name=role.name))
    client = Client()
    client.force_login(user)
    return client


def test_roles_are_made_once_and_set_right_again(capsys: pytest.CaptureFixture[str]):
    call_command("roles")
    assert {role.name: rights_of(role.name) for role in ROLES} == {role.name: set(role.rights) for role in ROLES}
    assert roles_ensure() == []
    support = Group.objects.get(name="Support")
    support.permissions.add(Permission.objects.get(codename="change_user"))
    support.permissions.remove(Permission.objects.get(codename="view_user"))
    assert roles_ensure() == ["Support: 1 rights given, 1 taken"]
    assert rights_of("Support") == set(SUPPORT.rights)
    assert "4 roles are as they should be." in capsys.readouterr().out


def test_a_right_that_is_not_there_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    Permission.objects.filter(codename="ban_user").delete()
    with pytest.raises(CommandError, match=r"accounts\.ban_user.*migrate"):
        call_command("roles")
    assert Group.objects.count() == 0


def test_no_role_can_make_itself_more():
    for role in ROLES:
        assert not {right for right in role.rights if right.startswith("auth.")}
        assert role.rights.isdisjoint({"accounts.change_user", "accounts.add_user", "accounts.delete_user"})


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        (OPERATOR, ["accounts/user/", "streams/stream/add/", "waitingroom/zone/add/"], ["accounts/user/add/"]),
        (SUPPORT, ["accounts/user/", "streams/stream/"], ["streams/stream/add/", "auth/group/"]),
        (ANALYST, ["streams/stream/", "waitingroom/zone/"], ["accounts/user/", "admin/logentry/"]),
        (ZONE_ADMINISTRATOR, ["waitingroom/zone/add/"], ["accounts/user/", "streams/stream/add/"]),
    ],
)
def test_what_each_may_open(role: Role, may: list[str], may_not: list[str]):
    operator_ensure(username="operator", password=PASSWORD)
    roles_ensure()
    client = member(role)
    assert client.get("/admin/").status_code == 200
    assert {path: client.get(f"/admin/{path}").status_code for path in may} == dict.fromkeys(may, 200)
    assert {path: client.get(f"/admin/{path}").status_code for path in may_not} == dict.fromkeys(may_not, 403)
