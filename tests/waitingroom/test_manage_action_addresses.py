"""What only a form is sent to, opened as a page: after signing in anew, or in another language, nobody sees a blank."""

import pytest
from django.test import Client

from apps.waitingroom.models import Role
from tests.waitingroom.desks import PASSWORD, Desk, act, posted, row
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
PAGE = "/manage/zones/concert/"
NOTHING = "Nothing was changed. If you sent something, send it again from here."


def test_what_was_sent_by_somebody_signed_out_leads_back_to_the_zone(desk: Desk) -> None:
    zone = zone_make(per_minute=60)
    client = desk(Role.OPERATOR)
    form = posted(client, "zones/concert/", "/rate/", per_minute="90")
    client.logout()
    asked = client.post(f"{PAGE}rate/", form)
    signed_in = client.post(asked["Location"], {"username": "hana", "password": PASSWORD}, follow=True)
    assert (signed_in.status_code, signed_in.redirect_chain[-1]) == (200, (PAGE, 302))
    assert NOTHING in signed_in.content.decode()
    assert row().version == zone.version
    assert NOTHING not in client.get(PAGE).content.decode()


def test_another_language_on_a_refused_form_leads_back_to_the_zone(desk: Desk) -> None:
    zone_make(per_minute=60)
    client = desk(Role.OPERATOR)
    refused = act(client, "rate", per_minute="-1").content.decode()
    assert f'name="next" value="{PAGE}rate/"' in refused
    answer = client.post("/i18n/setlang/", {"language": "ko", "next": f"{PAGE}rate/"}, follow=True)
    assert (answer.status_code, answer.redirect_chain[-1]) == (200, (PAGE, 302))
    shown = answer.content.decode()
    assert ('<html lang="ko">' in shown, 'class="notice warning"' in shown) == (True, True)


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("schedule/", PAGE),
        ("clear/", PAGE),
        ("changes/1/undo/", PAGE),
        ("people/1/remove/", f"{PAGE}people/"),
    ],
)
def test_each_address_leads_to_the_page_of_its_form(desk: Desk, path: str, leads_to: str) -> None:
    zone_make()
    client = desk(Role.OWNER)
    answer = client.get(f"{PAGE}{path}", follow=True)
    assert (answer.status_code, answer.redirect_chain) == (200, [(leads_to, 302)])
    assert NOTHING in answer.content.decode()
    assert client.head(f"{PAGE}{path}")["Location"] == leads_to
    assert NOTHING not in client.get(leads_to).content.decode()  # a mere look says nothing
    for method in ("put", "delete", "options"):
        refused = getattr(client, method)(f"{PAGE}{path}")
        assert (refused.status_code, refused["Allow"]) == (405, "GET, HEAD, POST")


def test_who_may_not_is_told_no_more_than_by_the_page(desk: Desk, client: Client) -> None:
    zone_make()
    viewer, stranger = desk(Role.VIEWER), desk(None, "mallory")
    assert viewer.get(f"{PAGE}people/1/remove/").status_code == 403
    assert viewer.get(f"{PAGE}rate/", follow=True).status_code == 200
    assert viewer.get(f"{PAGE}nonsense/").status_code == 404
    for path in ("rate/", "changes/1/undo/", "people/1/remove/"):
        assert stranger.get(f"{PAGE}{path}").status_code == 404
        assert client.get(f"{PAGE}{path}")["Location"].startswith("/accounts/sign-in/?next=")
    assert NOTHING not in stranger.get("/manage/").content.decode()
