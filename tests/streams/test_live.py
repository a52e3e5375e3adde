"""The live page: figures, token and cookie of a live stream; final figures of an ended one."""

from collections.abc import Callable

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.streams import services
from apps.streams.models import Category, Stream
from apps.streams.ports import Counts, register_audience
from tests.streams.house import PlainAudience

pytestmark = [pytest.mark.django_db, pytest.mark.database]
NewStream = Callable[..., Stream]


def test_a_live_page_carries_counts_and_what_its_socket_needs(
    client: Client, house: PlainAudience, new_stream: NewStream
):
    stream = new_stream("On air")
    house.seat(stream, 7, peak=11, total=40)
    response = client.get(f"/live/{stream.pk}/")
    browser = response.cookies["fullhouse_viewer"].value
    context = response.context
    assert response.status_code == 200
    assert context["stream"] == stream
    assert context["counts"] == Counts(current=7, peak=11, total=40)
    assert (context["is_live"], context["counts_available"], context["is_owner"]) == (True, True, False)
    assert context["socket_path"] == f"/ws/streams/{stream.pk}/"
    assert context["socket_token"] == f"token-of-a{browser}-for-{stream.pk}"
    assert context["token_url"] == f"/api/streams/{stream.pk}/token"
    assert context["viewers_url"] == f"/api/streams/{stream.pk}/viewers"
    assert "no-store" in response["Cache-Control"]


def test_the_cookie_is_given_once_and_out_of_reach_of_scripts(
    client: Client, house: PlainAudience, new_stream: NewStream
):
    stream = new_stream()
    first = client.get(f"/live/{stream.pk}/")
    cookie = first.cookies["fullhouse_viewer"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    second = client.get(f"/live/{stream.pk}/")
    assert "fullhouse_viewer" not in second.cookies
    assert second.context["socket_token"] == first.context["socket_token"]


def test_a_signed_in_viewer_is_counted_as_the_user(
    client: Client, house: PlainAudience, new_stream: NewStream, mina: User
):
    stream = new_stream()
    client.force_login(mina)
    assert client.get(f"/live/{stream.pk}/").context["socket_token"] == f"token-of-u{mina.pk}-for-{stream.pk}"


def test_without_counts_the_page_still_stands(client: Client, house: PlainAudience, new_stream: NewStream):
    stream = new_stream("On air")
    house.away = True
    response = client.get(f"/live/{stream.pk}/")
    assert response.status_code == 200
    assert "On air" in response.content.decode()
    context = response.context
    assert (context["counts"], context["counts_available"], context["socket_token"]) == (None, False, "")


def test_without_any_audience_the_page_still_stands(client: Client, house: PlainAudience, new_stream: NewStream):
    stream = new_stream()
    register_audience(None)  # the fixture puts back what was there
    response = client.get(f"/live/{stream.pk}/")
    assert (response.status_code, response.context["counts"], response.context["socket_token"]) == (200, None, "")


def test_an_ended_stream_shows_its_final_figures_and_opens_no_socket(
    client: Client, house: PlainAudience, new_stream: NewStream
):
    stream = new_stream()
    house.seat(stream, 7, peak=1234, total=45678)
    services.stream_end(stream=stream)
    house.away = True  # final figures need no Redis
    response = client.get(f"/live/{stream.pk}/")
    context = response.context
    assert response.status_code == 200
    assert (context["is_live"], context["counts"], context["counts_available"]) == (False, None, True)
    assert context["socket_token"] == ""
    assert (context["stream"].peak_viewers, context["stream"].total_viewers) == (1234, 45678)
    page = response.content.decode()
    assert "1,234" in page
    assert "45,678" in page


def test_the_owner_is_told_so(client: Client, house: PlainAudience, games: Category, mina: User):
    stream = services.stream_start(broadcaster=services.broadcaster_ensure(user=mina), category=games, title="Mine")
    client.force_login(mina)
    assert client.get(f"/live/{stream.pk}/").context["is_owner"] is True


@pytest.mark.parametrize("stream_id", ["0", "999999", "99999999999999999999999"])
def test_an_unknown_stream_is_not_found(client: Client, house: PlainAudience, new_stream: NewStream, stream_id: str):
    new_stream()
    response = client.get(f"/live/{stream_id}/")
    assert response.status_code == 404
    assert "fullhouse_viewer" not in response.cookies


@pytest.mark.parametrize(("method", "status"), [("head", 200), ("post", 405), ("put", 405), ("delete", 405)])
def test_the_live_page_is_only_read(
    client: Client, house: PlainAudience, new_stream: NewStream, method: str, status: int
):
    assert getattr(client, method)(f"/live/{new_stream().pk}/").status_code == status


def test_korean_pages_name_the_category_in_korean(client: Client, house: PlainAudience, new_stream: NewStream):
    stream = new_stream()
    assert "게임" in client.get(f"/live/{stream.pk}/", headers={"Accept-Language": "ko"}).content.decode()
    assert "게임" not in client.get(f"/live/{stream.pk}/", headers={"Accept-Language": "en"}).content.decode()
