"""Zones made on the managers' pages, and roles given and taken there."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import operator_ensure
from apps.waitingroom.models import Role, Zone, ZoneManager
from apps.waitingroom.role_services import manager_set
from tests.waitingroom.desks import Desk, fields_of, page, person, role_form, row, take_form
from tests.waitingroom.zones import told, zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_staff_make_zones(client: Client) -> None:
    user = person("yuna")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client.force_login(user)
    form = {"zone_id": "sale", "name": "Sale", "per_minute": "500", "mode": "open", "origins": "https://shop.example"}
    assert client.post("/manage/new/", form).status_code == 403
    assert not Zone.objects.exists()
    user.user_permissions.add(*Permission.objects.filter(codename__in=["add_zone", "change_zone"]))
    response = client.post("/manage/new/", form)
    assert (response.status_code, response["Location"]) == (302, "/manage/zones/sale/")
    assert (row("sale").per_minute, told()["sale"].origins) == (500, ("https://shop.example",))
    shown = page(client, "zones/sale/")
    assert "http://testserver/wait/sale/?next=/" in shown
    assert (
        "http://testserver/static/js/gate.js&quot; data-zone=&quot;sale&quot;" in shown or 'data-zone="sale"' in shown
    )
    for wrong, message in (
        ({}, "There is a zone with this id"),
        ({"zone_id": "a b"}, "letters, digits"),
        ({"zone_id": "SALE"}, "differs only"),
    ):
        response = client.post("/manage/new/", {**form, **wrong})
        assert response.status_code == 400
        assert re.search(message, response.content.decode())
    # All that is wrong is said at once.
    shown = client.post("/manage/new/", {**form, "zone_id": "a b", "per_minute": "-5"}).content.decode()
    assert "letters, digits, _ or -." in shown
    assert "greater than or equal to 0" in shown
    assert Zone.objects.count() == 1


def test_the_owner_of_an_app_makes_zones_in_it(desk: Desk) -> None:
    client = desk(None, "noor")
    manager_set(actor=None, user=person("noor"), role=Role.OWNER, app="shop")
    form = {"zone_id": "sale", "name": "Sale", "per_minute": "500", "mode": "open"}
    assert '<option value="shop">shop</option>' in page(client, "new/")
    for app in ("bank", ""):
        assert client.post("/manage/new/", {**form, "app": app}).status_code == 403
    assert not Zone.objects.exists()
    assert client.post("/manage/new/", {**form, "app": "shop"}).status_code == 302
    assert 'data-zone="sale"' in page(client, "")
    assert desk(None, "mallory").get("/manage/new/").status_code == 403


def test_who_makes_a_zone_owns_it(client: Client) -> None:
    user = person("yuna")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="add_zone"))
    client.force_login(user)
    form = {"zone_id": "sale", "name": "Sale", "per_minute": "500", "mode": "open"}
    response = client.post("/manage/new/", form, follow=True)
    assert response.status_code == 200
    assert ZoneManager.objects.values_list("user", "zone", "role").get() == (user.pk, "sale", Role.OWNER)


def test_an_owner_gives_and_takes_roles(desk: Desk) -> None:
    zone_make()
    client = desk(Role.OWNER)
    person("minsu")
    path = "/manage/zones/concert/people/"
    assert client.post(path, {"username": "nobody", "role": "2"}).status_code == 400
    assert client.post(path, {"username": "minsu", "role": "9"}).status_code == 400
    assert client.post(path, {"username": "minsu", "role": "2"}).status_code == 302
    given = ZoneManager.objects.get(user__username="minsu")
    assert given.role == Role.OPERATOR
    assert "minsu" in page(client, "zones/concert/people/")
    zone_make("other")
    foreign = manager_set(actor=None, user=person("minsu"), role=Role.OWNER, zone_id="other")
    assert client.post(f"{path}{foreign.pk}/remove/").status_code == 404
    assert client.post(f"{path}{given.pk}/remove/", take_form(client, given.pk)).status_code == 302
    assert list(ZoneManager.objects.values_list("user__username", "zone_id")) == [
        ("hana", "concert"),
        ("minsu", "other"),
    ]


def test_who_takes_from_themselves_is_shown_what_is_left(desk: Desk) -> None:
    zone_make(app="shop")
    client = desk(Role.OWNER)
    path = "/manage/zones/concert/people/"
    mine = ZoneManager.objects.get()
    manager_set(actor=None, user=person("minsu"), role=Role.OWNER, zone_id="concert")
    assert "This is your own role." in page(client, "zones/concert/people/")
    response = client.post(path, role_form(client, username="hana", role="1", is_sure="yes"), follow=True)
    assert (response.status_code, response.redirect_chain) == (200, [("/manage/zones/concert/", 302)])
    manager_set(actor=None, user=person("hana"), role=Role.OWNER, app="shop")
    response = client.post(f"{path}{mine.pk}/remove/", take_form(client, mine.pk), follow=True)
    assert (response.status_code, response.redirect_chain) == (200, [(path, 302)])
    last = manager_set(actor=None, user=person("hana"), role=Role.OWNER, zone_id="concert")
    ZoneManager.objects.filter(user=person("hana")).exclude(pk=last.pk).delete()
    response = client.post(f"{path}{last.pk}/remove/", take_form(client, last.pk), follow=True)
    assert (response.status_code, response.redirect_chain) == (200, [("/manage/", 302)])
    assert "No zone is yours yet" in response.content.decode()


def test_the_owners_of_an_app_have_so_many_zones(desk: Desk, client: Client) -> None:
    full = "This app has 200 zones, as many as its owners may make. Ask whoever runs this site for more."
    Zone.objects.bulk_create([Zone(zone_id=f"z{number}", name="Z", app="shop") for number in range(199)])
    theirs = desk(None, "noor")
    for app in ("shop", "books"):
        manager_set(actor=None, user=person("noor"), role=Role.OWNER, app=app)
    form = {"name": "Sale", "per_minute": "500", "mode": "open", "app": "shop"}
    assert theirs.post("/manage/new/", {**form, "zone_id": "last"}).status_code == 302
    refused = theirs.post("/manage/new/", {**form, "zone_id": "more"})
    assert (refused.status_code, full in refused.content.decode()) == (400, True)
    assert 'value="Sale"' in refused.content.decode()
    assert theirs.post("/manage/new/", {**form, "zone_id": "more", "app": "books"}).status_code == 302
    markup = page(theirs, "zones/more/settings/")
    moved = {**fields_of(markup[markup.index('class="panel form"') :]), "app": "shop"}
    refused = theirs.post("/manage/zones/more/settings/", moved)
    assert (refused.status_code, full in refused.content.decode()) == (400, True)
    assert row("more").app == "books"
    kept = {**moved, "app": "books", "name": "Sales"}
    assert theirs.post("/manage/zones/more/settings/", kept).status_code == 302
    client.force_login(operator_ensure(username="boss", password="a long enough pass"))
    assert client.post("/manage/new/", {**form, "zone_id": "house"}).status_code == 302
