"""Zone managers and the notes of changes in the admin: given and taken through the services, and nothing rewritten."""

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import operator_ensure
from apps.waitingroom import services
from apps.waitingroom.models import Role, ZoneChange, ZoneManager
from apps.waitingroom.role_services import manager_set
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
MANAGERS = "/admin/waitingroom/zonemanager/"
CHANGES = "/admin/waitingroom/zonechange/"


@pytest.fixture
def root(transactional_db: None) -> User:
    return operator_ensure(username="root", password="a long enough pass")


@pytest.fixture
def client(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


def test_a_role_is_given_changed_and_taken(client: Client, root: User, mina: User) -> None:
    zone_make()
    assert client.get(f"{MANAGERS}add/").status_code == 200
    given = {"user": mina.pk, "zone": "concert", "app": "", "role": Role.OPERATOR.value}
    assert client.post(f"{MANAGERS}add/", given).status_code == 302
    manager = ZoneManager.objects.get()
    assert (manager.user, manager.zone_id, manager.app, manager.role, manager.created_by) == (
        *(mina, "concert", None, Role.OPERATOR, root),
    )
    assert client.post(f"{MANAGERS}{manager.pk}/change/", {"role": "1", "initial-role": "2"}).status_code == 302
    manager.refresh_from_db()
    assert manager.role == Role.VIEWER
    assert b"mina" in client.get(MANAGERS).content
    assert client.post(f"{MANAGERS}{manager.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not ZoneManager.objects.exists()
    notes = ZoneChange.objects.filter(action="role").order_by("pk")
    assert [(note.who, note.after["role"]) for note in notes] == [(root, "operator"), (root, "viewer"), (root, None)]


@pytest.mark.parametrize(
    ("zone", "app", "said"),
    [
        ("", "", "Choose either a zone or an app."),
        ("concert", "shop", "Choose either a zone or an app."),
        ("second", "", "This person has a role there already; change that one."),
    ],
)
def test_a_role_that_cannot_be_is_refused(client: Client, mina: User, zone: str, app: str, said: str) -> None:
    zone_make()
    zone_make("second")
    manager_set(actor=None, user=mina, role=Role.OWNER, zone_id="second")
    response = client.post(f"{MANAGERS}add/", {"user": mina.pk, "zone": zone, "app": app, "role": 1})
    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors.values()) == [[said]]
    assert [manager.role for manager in ZoneManager.objects.all()] == [Role.OWNER]


def test_many_roles_are_taken_at_once(client: Client, mina: User) -> None:
    pks = [manager_set(actor=None, user=mina, role=Role.OWNER, app=app).pk for app in ("a", "b")]
    chosen = {"action": "delete_selected", "_selected_action": pks, "post": "yes"}
    assert client.post(MANAGERS, chosen).status_code == 302
    assert not ZoneManager.objects.exists()
    assert ZoneChange.objects.filter(action="role").count() == 4


def test_notes_are_read_and_not_rewritten(client: Client, root: User) -> None:
    zone = zone_make(name="<b>Concert</b>")
    services.zone_update(
        actor=root, zone_id="concert", expected_version=zone.version, message="<script>alert(1)</script>", why="<i>"
    )
    note = ZoneChange.objects.latest("pk")
    page = client.get(f"{CHANGES}?q=concert").content.decode()
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page
    one = client.get(f"{CHANGES}{note.pk}/change/")
    assert (one.status_code, b"<script>alert" in one.content) == (200, False)
    assert client.post(f"{CHANGES}{note.pk}/change/", {"why": "other"}).status_code == 403
    assert client.post(f"{CHANGES}{note.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.get(f"{CHANGES}add/").status_code == 403
    note.refresh_from_db()
    assert note.why == "<i>"


def test_a_zone_deleted_in_the_admin_is_noted_with_who_did_it(client: Client, root: User) -> None:
    zone = zone_make()
    sent = {"post": "yes", "seen": f"concert:{zone.version}", "reason": "over"}
    assert client.post("/admin/waitingroom/zone/concert/delete/", sent).status_code == 302
    note = ZoneChange.objects.latest("pk")
    assert (note.action, note.who, note.zone_id, note.why) == ("deleted", root, "concert", "over")
