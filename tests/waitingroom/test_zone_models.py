"""The zone's row: its limits are those that gates trust, and people are told which one they broke."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils.translation import override

from apps.waitingroom.models import Zone, ZoneMode
from apps.waitingroom.rules import Mode, ZoneRules

pytestmark = [pytest.mark.django_db, pytest.mark.database]

NINE = datetime(2026, 12, 24, 9, 0, tzinfo=UTC)
TEN = datetime(2026, 12, 24, 10, 0, 0, 500_000, tzinfo=UTC)


def zone(**fields: Any) -> Zone:
    return Zone(**{"zone_id": "concert", "name": "Concert", "epoch": 7, "version": 8, **fields})


def test_every_mode_has_a_name() -> None:
    assert [mode.value for mode in ZoneMode] == [mode.value for mode in Mode]


def test_a_row_becomes_the_rules_that_gates_read() -> None:
    row = zone(
        name_ko="공연",
        per_minute=120,
        mode="queue-all",
        message="Soon",
        message_ko="곧",
        idle_s=90,
        poll_ms=4_000,
        fail_mode="open",
        opens_at=TEN,
        prequeue_from=NINE,
        seed=5,
        pass_s=60,
        single_use=True,
        origins=" https://shop.example \n\nhttp://localhost:3000\n",
        slowed_at=NINE,
    )
    row.full_clean()
    assert row.rules() == ZoneRules(
        zone_id="concert",
        name="Concert",
        per_minute=120,
        mode=Mode.QUEUE_ALL,
        message="Soon",
        idle_s=90,
        poll_ms=4_000,
        fail_open=True,
        opens_at_ms=1_798_106_400_500,
        prequeue_from_ms=1_798_102_800_000,
        seed=5,
        pass_s=60,
        single_use=True,
        epoch=7,
        version=8,
        origins=("https://shop.example", "http://localhost:3000"),
        name_ko="공연",
        message_ko="곧",
        slowed_at_ms=1_798_102_800_000,
    )


def test_the_defaults_are_those_of_the_reference() -> None:
    row = zone()
    row.full_clean()
    assert row.rules() == ZoneRules(
        zone_id="concert", name="Concert", per_minute=100, mode=Mode.OPEN, message="", epoch=7, version=8
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"zone_id": "a b"}, {"zone_id": ["1 to 64 letters, digits, _ or -."]}),
        ({"zone_id": "a\n"}, {"zone_id": ["1 to 64 letters, digits, _ or -."]}),
        ({"name": ""}, {"name": ["This field cannot be blank."]}),
        ({"per_minute": -1}, {"per_minute": ["Ensure this value is greater than or equal to 0."]}),
        ({"per_minute": 10_000_001}, {"per_minute": ["Ensure this value is less than or equal to 10000000."]}),
        ({"per_minute": None}, {"per_minute": ["This field cannot be null."]}),
        ({"mode": "ajar"}, {"mode": ["Value 'ajar' is not a valid choice."]}),
        ({"idle_s": 9, "poll_ms": 1_000}, {"idle_s": ["Ensure this value is greater than or equal to 10."]}),
        ({"poll_ms": 999}, {"poll_ms": ["Ensure this value is greater than or equal to 1000."]}),
        ({"poll_ms": 6_000, "idle_s": 10}, {"poll_ms": ["Must fit into the idle limit at least twice."]}),
        ({"pass_s": 86_401}, {"pass_s": ["Ensure this value is less than or equal to 86400."]}),
        ({"prequeue_from": NINE}, {"prequeue_from": ["Needs an opening that comes after it."]}),
        ({"prequeue_from": TEN, "opens_at": TEN}, {"prequeue_from": ["Needs an opening that comes after it."]}),
        ({"opens_at": datetime(1969, 7, 20, tzinfo=UTC)}, {"opens_at": ["Must lie between 1970 and 2200."]}),
        ({"opens_at": datetime(2200, 1, 2, tzinfo=UTC)}, {"opens_at": ["Must lie between 1970 and 2200."]}),
        (
            {"origins": "https://a.example\nhttps://shop.example/cart"},
            {"origins": ["Not an address like https://shop.example, without a path: https://shop.example/cart"]},
        ),
        (
            {"origins": "\n".join(["https://shop.example"] * 21)},
            {"origins": ["At most 20 sites, one a line."]},
        ),
        ({"message": "m" * 501}, {"message": ["must be text of at most 500 characters"]}),
    ],
)
def test_a_broken_limit_is_told_once_and_by_its_field(changes: dict[str, Any], told: dict[str, list[str]]) -> None:
    with pytest.raises(ValidationError) as refused:
        zone(**changes).full_clean()
    assert refused.value.message_dict == told


def test_line_ends_of_forms_count_once() -> None:
    row = zone(message="\r\n".join(["m" * 9] * 50))
    row.full_clean()
    assert row.message == "\n".join(["m" * 9] * 50)


def test_ids_that_differ_in_case_are_the_same() -> None:
    zone().save()
    with pytest.raises(ValidationError) as refused:
        zone(zone_id="CONCERT").full_clean()
    assert list(refused.value.message_dict) == ["zone_id"]
    Zone.objects.get(pk="concert").full_clean()


def test_the_name_follows_the_language() -> None:
    row = zone(name_ko="공연")
    with override("ko"):
        assert (str(row), str(zone())) == ("공연", "Concert")
    with override("en"):
        assert str(row) == "Concert"
