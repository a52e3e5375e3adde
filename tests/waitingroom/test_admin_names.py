"""What the admin says of roles and of changes: names and words in the reader's language, at the time of the site."""

from datetime import datetime, timedelta
from html import unescape
from re import findall, sub
from zoneinfo import ZoneInfo

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from django.utils.translation import override

from apps.accounts.models import User
from apps.accounts.services import operator_ensure
from apps.waitingroom import services
from apps.waitingroom.models import Role, ZoneChange, ZoneManager, ZoneMode
from apps.waitingroom.role_services import manager_set
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
MANAGERS = "/admin/waitingroom/zonemanager/"
CHANGES = "/admin/waitingroom/zonechange/"
KOREAN = {"accept-language": "ko"}


@pytest.fixture
def root(transactional_db: None) -> User:
    return operator_ensure(username="root", password="a long enough pass")


@pytest.fixture
def client(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


def text_of(page: bytes) -> str:
    return " ".join(unescape(sub(r"<[^>]+>", " ", page.decode())).split())


def cell_of(page: bytes, name: str) -> list[str]:
    found = findall(rf'(?s)<td[^>]*class="[^"]*field-{name}[ "].*?</td>', page.decode())
    return [text_of(one.encode()) for one in found]


@pytest.mark.parametrize(
    ("language", "of_zone", "of_app"),
    [
        ("en", "mina: Owner of zone concert", "mina: Viewer of app Shop"),
        ("ko", "mina: 구역 concert 소유", "mina: 앱 Shop 보기"),
    ],
)
def test_a_role_is_called_by_whose_it_is(mina: User, language: str, of_zone: str, of_app: str) -> None:
    zone_make()
    roles = [
        manager_set(actor=None, user=mina, role=Role.OWNER, zone_id="concert"),
        manager_set(actor=None, user=mina, role=Role.VIEWER, app="Shop"),
    ]
    with override(language):
        assert [str(role) for role in roles] == [of_zone, of_app]


def test_pages_and_the_trace_name_the_person_and_not_a_number(client: Client, mina: User) -> None:
    zone_make()
    given = {"user": mina.pk, "zone": "concert", "app": "", "role": Role.OWNER.value}
    assert client.post(f"{MANAGERS}add/", given).status_code == 302
    assert LogEntry.objects.get().object_repr == "mina: Owner of zone concert"
    role = ZoneManager.objects.get()
    assert "mina: 구역 concert 소유" in text_of(client.get(f"{MANAGERS}{role.pk}/change/", headers=KOREAN).content)
    deleting = text_of(client.get(f"/admin/accounts/user/{mina.pk}/delete/", headers=KOREAN).content)
    assert "mina: 구역 concert 소유" in deleting


def test_a_change_is_in_words_with_what_was_before(client: Client, root: User, mina: User) -> None:
    zone = zone_make()
    opens_at = (timezone.now() + timedelta(days=2)).replace(second=0, microsecond=0)
    zone = services.zone_update(
        actor=root,
        zone_id="concert",
        expected_version=zone.version,
        mode=ZoneMode.PAUSED,
        opens_at=opens_at,
        message="x" * 400,
    )
    here = f"{opens_at.astimezone(ZoneInfo('Asia/Seoul')):%Y-%m-%d %H:%M}"
    (told, *_made) = cell_of(client.get(CHANGES).content, "shown_differences")
    assert told.startswith("mode: Open → Paused message in English: — → xxxx")
    assert told.endswith(f"opens at: — → {here}")
    assert len(told) < 250
    (korean, *_made) = cell_of(client.get(CHANGES, headers=KOREAN).content, "shown_differences")
    assert korean.startswith("상태: 열림 → 멈춤")
    one = text_of(client.get(f"{CHANGES}{ZoneChange.objects.latest('pk').pk}/change/").content)
    assert "x" * 400 in one
    assert f"opens at: — → {here}" in one
    assert "+00:00" not in one


def test_a_role_a_clear_and_an_end_are_in_words_too(client: Client, root: User, mina: User) -> None:
    zone_make(per_minute=120)
    manager_set(actor=root, user=mina, role=Role.OPERATOR, zone_id="concert")
    services.zone_clear(actor=root, zone_id="concert")
    services.zone_delete(zone_id="concert", actor=root)
    page = client.get(CHANGES).content
    assert cell_of(page, "shown_differences")[:3] == ["", "waiting: 0 → 0", "mina: — → Operator"]
    assert cell_of(page, "shown_who")[3] == "the system"
    deleted = text_of(client.get(f"{CHANGES}{ZoneChange.objects.latest('pk').pk}/change/").content)
    assert "entries a minute: 120" in deleted  # what it was like


def test_a_change_is_called_by_what_it_was_here(root: User) -> None:
    zone_make()
    change = ZoneChange.objects.latest("pk")
    change.at, change.who_name = datetime(2026, 11, 21, 15, 30, tzinfo=ZoneInfo("UTC")), "root"
    with override("en"):
        assert str(change) == "concert: Made, 2026-11-22 00:30:00"
    with override("ko"):
        assert str(change) == "concert: 만듦, 2026-11-22 00:30:00"
