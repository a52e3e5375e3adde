"""What notices say."""

from datetime import UTC, datetime
from typing import Any

import pytest

from apps.operations.alert_texts import message_of, value_text
from apps.operations.alert_texts import test_message as message_of_test
from apps.operations.models import AlertEvent, AlertNotice

OPENED = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)  # noon in Seoul


def notice(told: str = "trouble", **fields: Any) -> AlertNotice:
    usual = {
        "pk": 7,
        "rule_name": "Long lines",
        "kind": "line",
        "severity": "warning",
        "subject": "concert",
        "place": "Concert (concert)",
        "place_ko": "콘서트 (concert)",
        "limit": 1_000,
        "last_value": 1_234,
        "worst_value": 20_000,
        "opened_at": OPENED,
    }
    event = AlertEvent(**{**usual, **fields})
    return AlertNotice(event=event, kind=told, value=1_234, channel_name="ops", made_at=OPENED)


def test_it_says_what_where_since_when_how_much_and_where_to_look(settings: Any) -> None:
    settings.SITE_ADDRESS = "https://live.example"
    message = message_of([notice()], language="en")
    assert message.title == "Fullhouse: [warning] A line forms: Concert (concert)"
    assert message.body.splitlines() == [
        "[warning] A line forms: Concert (concert)",
        "Since 2026-03-02 12:00:00 KST",
        "people in line: 1,234 (limit 1,000, worst 20,000)",
        "Rule: Long lines",
        "https://live.example/manage/zones/concert/",
    ]
    assert message.severity == "warning"
    of_house = notice(kind="drift", subject="", place="")
    assert message_of([of_house], language="en").body.endswith(
        "https://live.example/admin/operations/alertevent/7/change/"
    )


def test_without_an_address_of_the_site_there_is_no_link(settings: Any) -> None:
    settings.SITE_ADDRESS = ""
    assert message_of([notice()], language="en").body.splitlines()[-1] == "Rule: Long lines"


def test_it_is_over_from_when_to_when() -> None:
    message = message_of([notice("recovery", closed_at=OPENED.replace(hour=4))], language="en")
    assert message.title == "Fullhouse: over: A line forms: Concert (concert)"
    assert "From 2026-03-02 12:00:00 KST to 2026-03-02 13:00:00 KST" in message.body
    assert message.severity == ""


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("silent", "It is off the register, so nobody waits to hear of it any more (last heard of before: 9 min 45 s"),
        ("line", "It is not there any more (people in line: 585 at worst)"),
    ],
)
def test_what_is_gone_did_not_come_back(kind: str, said: str) -> None:
    gone = notice("recovery", kind=kind, closed_at=OPENED.replace(hour=4), is_gone=True, last_value=0, worst_value=585)
    body = message_of([gone], language="en").body
    assert said in body
    assert "limit" not in body


def test_it_is_still_so() -> None:
    assert message_of([notice("reminder")], language="en").title == "Fullhouse: still: A line forms: Concert (concert)"


def test_the_house_has_no_place() -> None:
    of_house = notice(kind="drift", subject="", place="", place_ko="")
    assert message_of([of_house], language="en").title == (
        "Fullhouse: [warning] Viewer counts drift from what servers hold"
    )


def test_korean_channels_get_korean_names() -> None:
    message = message_of([notice()], language="ko")
    assert "콘서트 (concert)" in message.title
    assert "콘서트 (concert)" in message.body


def test_many_are_one_message_with_the_worst_severity() -> None:
    several = [notice(), notice(severity="critical"), notice("recovery", severity="critical", closed_at=OPENED)]
    message = message_of(several, language="en")
    assert (message.title, message.severity) == ("Fullhouse: 3 alerts", "critical")
    assert message.body.count("Rule: Long lines") == 3
    assert message_of(several[::2], language="en").severity == "warning"


def test_more_than_fit_are_counted() -> None:
    message = message_of([notice() for _ in range(27)], language="en")
    assert message.body.count("Rule: Long lines") == 20
    assert message.body.endswith("\n\nand 7 more")


def test_names_are_no_markup_and_no_lines_of_their_own() -> None:
    place = "<!channel>\r\nhttps://bad.example (x)"
    message = message_of([notice(place=place, rule_name="<b>\nr")], language="en")
    assert "<" not in message.title + message.body
    assert message.body.splitlines()[0] == "[warning] A line forms: (!channel)  https://bad.example (x)"


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("line", 1_234_567, "1,234,567"),
        ("wait", 59, "59 s"),
        ("wait", 60, "1 min 0 s"),
        ("wait", 3_725, "1 h 2 min"),
        ("wait", 86_400, "a day or more"),
        ("underused", 33.34, "33%"),
        ("errors", 10, "10"),
        ("errors", 2.5, "2.5"),
        ("drift", 50.0, "50"),
    ],
)
def test_figures_have_units(kind: str, value: float, text: str) -> None:
    assert value_text(kind, value) == text


def test_a_test_says_that_it_is_one() -> None:
    assert message_of_test(language="en").title == "Fullhouse: Test notice"
