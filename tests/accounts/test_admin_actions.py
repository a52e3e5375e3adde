"""What operators do to users in the admin: only who may, only after being asked, and never without a trace."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import User
from apps.accounts.ports import SocketsUnavailable, register_sockets

pytestmark = [pytest.mark.django_db, pytest.mark.database]
PASSWORD = "a long enough pass"
LIST = "/admin/accounts/user/"


class PlainSockets:
    """Writes down who was sent away; `away` is a house whose servers cannot be told."""

    def __init__(self) -> None:
        self.away = False
        self.closed: list[tuple[str, int | None, str]] = []

    def viewer_disconnect(self, *, viewer_id: str, stream_id: int | None, reason: str) -> None:
        if self.away:
            raise SocketsUnavailable("away")
        self.closed.append((viewer_id, stream_id, reason))


@pytest.fixture
def sockets() -> Iterator[PlainSockets]:
    plain = PlainSockets()
    before = register_sockets(plain)
    yield plain
    register_sockets(before)


@pytest.fixture
def operator() -> User:
    return services.operator_ensure(username="operator", password=PASSWORD)


@pytest.fixture
def desk(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def mina() -> User:
    return services.user_register(username="mina", password=PASSWORD)


@pytest.fixture
def jun() -> User:
    return services.user_register(username="jun", password=PASSWORD)


def helper(*rights: str) -> Client:
    """Somebody of the staff with these rights."""
    user = services.user_register(username="helper", password=PASSWORD)
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


def act(client: Client, action: str, *users: User, **posted: str) -> Any:
    chosen = [user.pk for user in users]
    return client.post(LIST, {"action": action, "_selected_action": chosen, **posted}, follow=True)


def said(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def logged() -> list[tuple[int, str, str]]:
    entries = LogEntry.objects.order_by("pk")
    return [(entry.action_flag, entry.object_id or "", entry.get_change_message()) for entry in entries]


def banned() -> set[str]:
    return {user.username for user in User.objects.all() if user.is_banned}


def test_a_ban_is_asked_first(desk: Client, mina: User):
    page = act(desk, "ban_users", mina)
    assert page.status_code == 200
    assert "mina" in page.content.decode()
    assert (banned(), logged()) == (set(), [])
    wrong = act(desk, "ban_users", mina, confirmed="yes", until="5", reason="")
    assert wrong.status_code == 200
    assert wrong.context["form"].errors.keys() == {"until"}
    assert (banned(), logged()) == (set(), [])


def test_a_ban_and_its_end_leave_a_trace(desk: Client, operator: User, mina: User, jun: User):
    response = act(desk, "ban_users", mina, jun, operator, confirmed="yes", until="0", reason="Spam")
    assert said(response) == [
        "operator cannot be banned by you: nobody bans themselves or those who run the house.",
        "2 users banned.",
    ]
    assert banned() == {"mina", "jun"}
    assert set(logged()) == {(CHANGE, str(user.pk), "Banned until: for good. Spam") for user in (mina, jun)}
    assert said(act(desk, "unban_users", mina, operator)) == ["1 ban lifted."]
    assert banned() == {"jun"}
    assert logged()[-1] == (CHANGE, str(mina.pk), "Ban lifted.")
    before = timezone.now()
    act(desk, "ban_users", mina, confirmed="yes", until="24", reason="")
    mina.refresh_from_db()
    assert mina.banned_until is not None
    assert timedelta(days=1) <= mina.banned_until - before <= timedelta(days=1, seconds=30)


def test_a_ban_of_the_house_is_lifted_by_who_may_do_everything(operator: User, mina: User, jun: User):
    User.objects.filter(pk=jun.pk).update(is_staff=True)
    for user in (mina, jun):
        services.user_ban(actor=operator, user=user, until=None)
    client, refusal = helper("view_user", "ban_user"), "The ban of jun cannot be lifted by you: they run the house."
    assert said(act(client, "unban_users", jun)) == [refusal]
    assert (banned(), logged()) == ({"mina", "jun"}, [])
    assert set(said(act(client, "unban_users", mina, jun))) == {refusal, "1 ban lifted."}
    assert (banned(), logged()) == ({"jun"}, [(CHANGE, str(mina.pk), "Ban lifted.")])


@pytest.mark.parametrize("number", ["abc", "0", "99999999999999999999", "_5F", "1.5"])
def test_an_address_that_names_nobody_leads_nowhere(desk: Client, number: str):
    for path in (f"{LIST}{number}/ban/", f"{LIST}{number}/disconnect/"):
        assert desk.get(path).status_code == 404
        assert desk.post(path, {"confirmed": "yes"}).status_code == 404
    for deed in ("feature", "disconnect"):
        assert desk.get(f"/admin/streams/stream/{number}/{deed}/").status_code == 404
    assert logged() == []


def test_users_are_disconnected(desk: Client, sockets: PlainSockets, mina: User, jun: User):
    assert act(desk, "disconnect_users", mina).status_code == 200
    assert sockets.closed == []
    response = act(desk, "disconnect_users", mina, jun, confirmed="yes", reason="Spam")
    assert said(response) == ["2 users disconnected."]
    assert set(sockets.closed) == {(mina.viewer_id, None, "Spam"), (jun.viewer_id, None, "Spam")}
    assert {entry[2] for entry in logged()} == {"Disconnected from everything. Spam"}
    sockets.away = True
    LogEntry.objects.all().delete()
    refused = act(desk, "disconnect_users", mina, jun, confirmed="yes", reason="")
    assert said(refused) == ["Servers cannot be told now; nothing was closed."]
    assert logged() == []


@pytest.mark.parametrize(
    ("rights", "may"),
    [
        (["view_user"], set()),
        (["view_user", "ban_user"], {"ban_users", "unban_users"}),
        (["view_user", "disconnect_user"], {"disconnect_users"}),
    ],
)
def test_each_action_needs_its_right(sockets: PlainSockets, mina: User, rights: list[str], may: set[str]):
    client = helper(*rights)
    page = client.get(LIST)
    form = page.context["action_form"]
    offered = {name for name, _ in form.fields["action"].choices if name} if form else set()
    assert offered == may
    for name in {"ban_users", "unban_users", "disconnect_users"} - may:
        act(client, name, mina, confirmed="yes", until="0", reason="")
    assert (banned(), sockets.closed, logged()) == (set(), [], [])
    links = {"ban_users": "ban", "disconnect_users": "disconnect"}
    for name, path in links.items():
        expected = 200 if name in may else 403
        assert client.get(f"{LIST}{mina.pk}/{path}/").status_code == expected


def test_who_may_change_users_cannot_make_operators(operator: User, mina: User):
    client = helper("view_user", "change_user")
    page = client.get(f"{LIST}{mina.pk}/change/")
    fields = set(page.context["adminform"].form.fields)
    assert fields.isdisjoint({"is_staff", "is_superuser", "groups", "user_permissions"})
    assert client.post(f"{LIST}{operator.pk}/change/", {"username": "mine"}).status_code == 403
    assert client.get(f"{LIST}{operator.pk}/password/").status_code == 403
    assert User.objects.get(pk=operator.pk).username == "operator"


def test_bans_are_listed_and_filtered(desk: Client, operator: User, mina: User, jun: User):
    services.user_ban(actor=operator, user=mina, until=None, reason="<b>Spam</b>")
    services.user_ban(actor=operator, user=jun, until=timezone.now() + timedelta(hours=1))
    User.objects.filter(pk=jun.pk).update(banned_until=timezone.now() - timedelta(seconds=1))

    def listed(value: str) -> list[str]:
        return [user.username for user in desk.get(LIST, {"banned": value}).context["cl"].result_list]

    assert (listed("yes"), listed("over")) == (["mina"], ["jun"])
    page = desk.get(f"{LIST}{mina.pk}/change/").content.decode()
    assert "&lt;b&gt;Spam" in page
    assert "<b>Spam" not in page


def test_the_trace_is_looked_at_and_never_changed(desk: Client, mina: User):
    act(desk, "ban_users", mina, confirmed="yes", until="0", reason="Spam")
    trace = "/admin/admin/logentry/"
    assert "Banned until: for good. Spam" in desk.get(trace, {"q": "opera"}).content.decode()
    entry = LogEntry.objects.get()
    assert desk.get(f"{trace}add/").status_code == 403
    assert desk.post(f"{trace}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert desk.post(trace, {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"}) is not None
    assert LogEntry.objects.count() == 1


def test_who_was_searched_for_is_still_there_after_the_ban(desk: Client) -> None:
    mina = services.user_register(username="mina", password=PASSWORD)
    found = f"{LIST}?q=min"
    chosen = {"action": "ban_users", "_selected_action": [mina.pk]}
    asked = desk.post(found, chosen).content.decode()
    assert f'action="{found}"' in asked
    assert f'<a href="{found}"' in asked
    done = desk.post(found, {**chosen, "confirmed": "yes", "until": "24", "reason": ""})
    mina.refresh_from_db()
    assert (done.status_code, done["Location"], mina.is_banned) == (302, found, True)
