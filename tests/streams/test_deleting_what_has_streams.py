"""A category or broadcaster with streams stays, and to say so only some of them are read: there may be a million."""

from collections.abc import Callable

import pytest
from django.db.models import ProtectedError
from django.test import Client

from apps.accounts.services import operator_ensure
from apps.streams import models, services
from apps.streams.models import Broadcaster, Category, Stream
from tests.streams.house import PlainAudience

pytestmark = [pytest.mark.django_db, pytest.mark.database]
NewStream = Callable[..., Stream]
PAGES = ("category", "broadcaster")


@pytest.fixture
def desk(client: Client, house: PlainAudience) -> Client:
    client.force_login(operator_ensure(username="operator", password="a long enough pass"))
    return client


@pytest.fixture
def of_them(games: Category, new_stream: NewStream) -> dict[str, Category | Broadcaster]:
    """A category and a broadcaster with many streams."""
    first = new_stream("Stream 0", name="Jun")
    services.stream_end(stream=first)
    first.refresh_from_db()
    Stream.objects.bulk_create(
        Stream(
            broadcaster=first.broadcaster,
            category=games,
            title=f"Stream {number}",
            status="ended",
            started_at=first.started_at,
            ended_at=first.ended_at,
        )
        for number in range(1, 40)
    )
    return {"category": games, "broadcaster": first.broadcaster}


@pytest.mark.parametrize("page", PAGES)
def test_the_question_names_some_and_reads_no_more(
    desk: Client, of_them: dict[str, Category | Broadcaster], page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    made = Stream.from_db.__func__  # type: ignore[attr-defined]

    def counted(cls: type[Stream], *args: object) -> Stream:
        read.append(1)
        stream: Stream = made(cls, *args)
        return stream

    monkeypatch.setattr(Stream, "from_db", classmethod(counted))
    row = of_them[page]
    one = desk.get(f"/admin/streams/{page}/{row.pk}/delete/")
    assert (len(one.context["protected"]), one.context["perms_lacking"]) == (models.PROTECTED_SHOWN, {"stream"})
    assert len(read) <= models.PROTECTED_SHOWN
    read.clear()
    listed = desk.post(f"/admin/streams/{page}/", {"action": "delete_selected", "_selected_action": [row.pk]})
    assert listed.context["protected"]
    assert len(read) <= models.PROTECTED_SHOWN


@pytest.mark.parametrize("page", PAGES)
def test_it_stays(desk: Client, of_them: dict[str, Category | Broadcaster], page: str) -> None:
    row = of_them[page]
    desk.post(f"/admin/streams/{page}/{row.pk}/delete/", {"post": "yes"})
    desk.post(f"/admin/streams/{page}/", {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    with pytest.raises(ProtectedError):
        row.delete()
    with pytest.raises(ProtectedError):
        type(row).objects.filter(pk=row.pk).delete()
    assert (type(row).objects.filter(pk=row.pk).exists(), Stream.objects.count()) == (True, 40)


@pytest.mark.parametrize("page", PAGES)
def test_one_without_streams_goes(desk: Client, games: Category, page: str) -> None:
    row = games if page == "category" else services.broadcaster_ensure(name="Silent", slug="silent")
    assert not desk.get(f"/admin/streams/{page}/{row.pk}/delete/").context["protected"]
    assert desk.post(f"/admin/streams/{page}/{row.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not type(row).objects.filter(pk=row.pk).exists()
