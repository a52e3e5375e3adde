"""Groups, rights and the trace in the admin, in the reader's language."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from apps.accounts.services import operator_ensure, user_register
from apps.operations.roles import ROLES, roles_ensure

pytestmark = [pytest.mark.database, pytest.mark.django_db]
KOREAN = {"accept-language": "ko"}


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(operator_ensure(username="operator", password="a long enough pass"))
    roles_ensure()
    Group.objects.create(name="Night shift")
    return client


def read(desk: Client, path: str) -> str:
    return desk.get(f"/admin/{path}", headers=KOREAN).content.decode()


def test_groups_have_korean_names_but_for_those_that_people_named(desk: Client) -> None:
    mina = user_register(username="mina", password="a long enough pass")
    for path in ("auth/group/", f"accounts/user/{mina.pk}/change/", "accounts/user/"):
        page = read(desk, path)
        for name in ("운영자", "고객 지원", "분석가", "구역 총괄 관리자", "Night shift"):
            assert name in page, (path, name)
        for role in ROLES:
            assert f"{role.name}<" not in page, (path, role.name)


def test_rights_say_in_korean_what_they_are(desk: Client) -> None:
    page = read(desk, f"auth/group/{Group.objects.get(name='Support').pk}/change/")
    for text in ("사용자: 차단하고 차단 해제", "방송: 보기", "방송: 목록 맨 앞에 두기"):
        assert text in page
    assert "Can " not in page
    assert (
        "User: ban and unban"
        in desk.get(f"/admin/auth/group/{Group.objects.get(name='Support').pk}/change/").content.decode()
    )


def test_the_rights_that_are_chosen_are_given(desk: Client) -> None:
    right = Permission.objects.get(codename="ban_user")
    assert desk.post("/admin/auth/group/add/", {"name": "Door", "permissions": [right.pk]}).status_code == 302
    assert list(Group.objects.get(name="Door").permissions.all()) == [right]


def test_the_trace_reads_in_korean(desk: Client) -> None:
    group = Group.objects.get(name="Night shift")
    right = Permission.objects.get(codename="ban_user")
    changed = {"name": "Day shift", "permissions": [right.pk]}
    assert desk.post(f"/admin/auth/group/{group.pk}/change/", changed).status_code == 302
    page = read(desk, "admin/logentry/")
    assert "또한" not in page
    assert "변경: " in page
    assert " 및 " in page
