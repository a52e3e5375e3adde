"""A zone changes its app by those who may make zones in both: nobody takes it away, or puts it before strangers."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import operator_ensure
from apps.operations import roles
from apps.waitingroom.manage.settings_forms import SettingsForm
from apps.waitingroom.models import Role, Zone, ZoneChange
from apps.waitingroom.role_services import manager_set
from apps.waitingroom.services import zone_update
from tests.waitingroom.desks import fields_of
from tests.waitingroom.managing import person
from tests.waitingroom.test_house_staff import member
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
SETTINGS = "/manage/zones/concert/settings/"
ADMIN = "/admin/waitingroom/zone/concert/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def row() -> Zone:
    return Zone.objects.get(pk="concert")


def sent(**typed: Any) -> dict[str, Any]:
    """The settings as their page would send them now, with what was typed."""
    shown = {name: value for name, value in SettingsForm.initial_of(row()).items() if value not in (None, False)}
    return {**shown, **{f"initial-{name}": value for name, value in shown.items()}, "why": "", **typed}


def sent_in_admin(shown: str) -> dict[str, Any]:
    """What a browser sends of the zone's form in the admin."""
    return fields_of(shown[shown.index('id="zone_form"') :])


@pytest.fixture
def noor(transactional_db: None) -> User:
    """The owner of the app shop, and of books."""
    user = person("noor")
    for app in ("shop", "books"):
        manager_set(actor=None, user=user, role=Role.OWNER, app=app)
    return user


@pytest.fixture
def minsu(transactional_db: None) -> User:
    """The owner of one zone of the shop."""
    user = person("minsu")
    zone_make(app="shop")
    manager_set(actor=None, user=user, role=Role.OWNER, zone_id="concert")
    return user


@pytest.mark.parametrize("app", ["", "bank", "books"])
def test_the_owner_of_a_zone_leaves_it_in_its_app(noor: User, minsu: User, app: str) -> None:
    client, before = signed_in(minsu), row().version
    assert client.post(SETTINGS, sent(app=app, name="Mine")).status_code == 400
    forged = sent(app=app, **{"initial-app": app})  # as if the page had shown it: then it is no change
    assert client.post(SETTINGS, forged).status_code == 302
    assert (row().app, row().name, row().version) == ("shop", "Concert", before)
    assert signed_in(noor).get("/manage/zones/concert/").status_code == 200
    assert client.post(SETTINGS, sent(name="Mine")).status_code == 302
    assert (row().app, row().name) == ("shop", "Mine")


@pytest.mark.parametrize(("app", "status"), [("", 400), ("bank", 400), ("books", 302)])
def test_the_owner_of_apps_moves_zones_between_them(noor: User, minsu: User, app: str, status: int) -> None:
    client = signed_in(noor)
    assert client.post(SETTINGS, sent(app=app)).status_code == status
    assert row().app == (app if status == 302 else "shop")
    assert client.get("/manage/zones/concert/").status_code == 200


def test_a_zone_of_no_app_is_taken_into_ones_own(noor: User) -> None:
    zone_make()
    manager_set(actor=None, user=noor, role=Role.OWNER, zone_id="concert")
    client = signed_in(noor)
    shown = client.get(SETTINGS).content.decode()
    assert '<option value="" selected>none</option>' in shown
    assert client.post(SETTINGS, sent(app="bank")).status_code == 400
    assert client.post(SETTINGS, sent(app="", name="Still of none")).status_code == 302
    assert client.post(SETTINGS, sent(app="shop")).status_code == 302
    assert row().app == "shop"


def test_who_runs_the_house_moves_zones_anywhere(minsu: User) -> None:
    staff = person("yuna")
    User.objects.filter(pk=staff.pk).update(is_staff=True)
    rights = ["change_zone", "add_zonemanager", "change_zonemanager", "delete_zonemanager"]
    staff.user_permissions.add(*Permission.objects.filter(codename__in=rights))
    for user, app in ((operator_ensure(username="boss", password="a long enough pass"), "bank"), (staff, "")):
        assert signed_in(user).post(SETTINGS, sent(app=app)).status_code == 302
        assert row().app == app


@pytest.mark.parametrize("app", ["", "bank", "books"])
def test_who_runs_zones_and_gives_no_roles_gives_none_by_moving_one(minsu: User, app: str) -> None:
    """Another app's owner would own the zone then, and the shop's no longer."""
    olga = member(roles.OPERATOR)
    client, before = signed_in(olga), row().version
    assert client.post(SETTINGS, sent(app=app, name="Mine")).status_code == 400
    assert (row().app, row().version) == ("shop", before)
    shown = client.get(f"{ADMIN}change/").content.decode()
    assert 'name="app"' not in shown
    assert 'name="name"' in shown
    posted = {**sent_in_admin(shown), "app": app, "initial-app": "shop", "name": "Renamed"}
    assert client.post(f"{ADMIN}change/", posted).status_code == 302
    assert (row().app, row().name) == ("shop", "Renamed")
    moved = zone_update(actor=None, zone_id="concert", expected_version=row().version, app="books")
    change = ZoneChange.objects.filter(action="changed")[0]
    path = f"/manage/zones/concert/changes/{change.pk}/undo/"
    assert client.post(path, {"version": moved.version}).status_code == 403
    assert row().app == "books"


def test_who_gives_roles_moves_zones_in_the_admin_as_well(minsu: User) -> None:
    client = signed_in(member(roles.ZONE_ADMINISTRATOR))
    posted = {**sent_in_admin(client.get(f"{ADMIN}change/").content.decode()), "app": "books"}
    assert client.post(f"{ADMIN}change/", posted).status_code == 302
    assert row().app == "books"


def test_what_the_other_moved_meanwhile_stays_there_and_what_was_chosen_is_kept(noor: User, minsu: User) -> None:
    client = signed_in(noor)
    form = sent(app="books", name="The Concert")
    zone_update(actor=None, zone_id="concert", expected_version=row().version, idle_s=90)
    response = client.post(SETTINGS, form)
    assert (response.status_code, row().app) == (409, "shop")
    assert '<option value="books" selected>books</option>' in response.content.decode()
    form = sent(name="The Concert")
    zone_update(actor=None, zone_id="concert", expected_version=row().version, app="zoo")
    manager_set(actor=None, user=noor, role=Role.OWNER, zone_id="concert")
    response = client.post(SETTINGS, form)
    assert response.status_code == 409
    assert '<option value="zoo" selected>zoo</option>' in response.content.decode()
    assert 'value="books"' not in response.content.decode()


def test_a_move_is_undone_by_who_may_move_it_back(noor: User, minsu: User) -> None:
    zone_update(actor=None, zone_id="concert", expected_version=row().version, app="books")
    zone_update(actor=None, zone_id="concert", expected_version=row().version, app="shop")
    into_shop, _into_books = ZoneChange.objects.filter(action="changed")

    def undo(user: User) -> int:
        path = f"/manage/zones/concert/changes/{into_shop.pk}/undo/"
        return signed_in(user).post(path, {"version": row().version}).status_code

    before = row().version
    assert undo(minsu) == 403
    assert (row().app, row().version) == ("shop", before)
    assert undo(noor) == 302
    assert row().app == "books"
