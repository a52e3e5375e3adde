"""What stands around the pages: language, metrics, and pages for addresses that are not there."""

import pytest
from django.test import Client

from apps.realtime.content_policy import CONTENT_POLICY, PACKAGES_POLICY
from tests.streams.house import PlainAudience

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_the_language_is_chosen_and_kept(client: Client, house: PlainAudience):
    response = client.post("/i18n/setlang/", {"language": "ko", "next": "/"})
    assert (response.status_code, response["Location"]) == (302, "/")
    assert '<html lang="ko"' in client.get("/").content.decode()
    client.post("/i18n/setlang/", {"language": "en", "next": "/"})
    assert '<html lang="en"' in client.get("/").content.decode()


def test_the_language_page_sends_nobody_away(client: Client):
    assert client.post("/i18n/setlang/", {"language": "ko", "next": "https://evil.example/"})["Location"] == "/"


def test_metrics_are_exported(client: Client, house: PlainAudience):
    client.get("/")
    response = client.get("/metrics")
    assert response.status_code == 200
    assert "django_http_requests_total_by_view_transport_method_total{" in response.content.decode()


def test_an_address_that_is_not_there_is_a_page(client: Client):
    response = client.get("/nothing/here/")
    assert (response.status_code, response["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("address", "policy"),
    [
        ("/", CONTENT_POLICY),
        ("/nothing/here/", CONTENT_POLICY),
        ("/accounts/sign-in/", CONTENT_POLICY),
        ("/api/streams", CONTENT_POLICY),
        ("/admin/login/", PACKAGES_POLICY),
        ("/api/docs", PACKAGES_POLICY),
    ],
)
def test_our_own_pages_say_what_they_may_load(client: Client, house: PlainAudience, address: str, policy: str):
    response = client.get(address)
    assert response.status_code in (200, 404)
    assert response["Content-Security-Policy"] == policy
    assert response["X-Frame-Options"] == "DENY"


def test_a_script_that_slipped_into_a_page_of_a_package_has_nowhere_to_send_to():
    """But for its navigations, which no policy stops."""
    allowed = dict(directive.split(" ", 1) for directive in PACKAGES_POLICY.split("; "))
    assert allowed.pop("script-src") == "'self' 'unsafe-inline' 'unsafe-eval'"
    assert allowed.pop("style-src") == "'self' 'unsafe-inline'"
    assert set(" ".join(allowed.values()).split()) == {"'none'", "'self'", "data:"}
    assert {"default-src", "img-src", "connect-src", "frame-ancestors", "base-uri", "form-action"} <= set(allowed)


def test_a_refused_post_says_it_too(house: PlainAudience):
    response = Client(enforce_csrf_checks=True).post("/accounts/sign-in/", {})
    assert (response.status_code, response["Content-Security-Policy"]) == (403, CONTENT_POLICY)
