"""ZoneRules: every limit, and a form in Redis that loses nothing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.waitingroom.rules import MAX_EXACT, MAX_OPENS_MS, Mode, RulesError, ZoneRules

NEEDED: dict[str, Any] = {"zone_id": "concert", "name": "Concert", "per_minute": 100, "mode": Mode.OPEN, "message": ""}


def rules(**changes: Any) -> ZoneRules:
    return ZoneRules(**{**NEEDED, **changes})


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80)


@st.composite
def any_rules(draw: st.DrawFn) -> ZoneRules:
    idle_s = draw(st.integers(10, 3_600))
    opens = draw(st.none() | st.integers(2, MAX_OPENS_MS))
    return ZoneRules(
        zone_id=draw(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)),
        name=draw(TEXT),
        per_minute=draw(st.integers(0, 10_000_000)),
        mode=draw(st.sampled_from(Mode)),
        message=draw(TEXT),
        idle_s=idle_s,
        poll_ms=draw(st.integers(1_000, min(20_000, idle_s * 500))),
        fail_open=draw(st.booleans()),
        opens_at_ms=opens,
        prequeue_from_ms=None if opens is None else draw(st.none() | st.integers(1, opens - 1)),
        seed=draw(st.integers(0, MAX_EXACT)),
        pass_s=draw(st.integers(10, 86_400)),
        single_use=draw(st.booleans()),
        epoch=draw(st.integers(1, MAX_EXACT)),
        version=draw(st.integers(1, MAX_EXACT)),
        over=tuple(draw(st.lists(st.sampled_from(["/live/1/", "/live/2/"]), max_size=20))),
        origins=tuple(draw(st.lists(st.sampled_from(["https://a.example", "http://b.example:8080"]), max_size=20))),
        name_ko=draw(TEXT),
        message_ko=draw(TEXT),
        slowed_at_ms=draw(st.integers(0, MAX_EXACT)),
    )


@given(any_rules())
def test_what_is_written_is_read_back(made: ZoneRules) -> None:
    assert ZoneRules.from_json(made.to_json()) == made
    assert ZoneRules.from_json(made.to_json().encode()) == made
    assert type(ZoneRules.from_json(made.to_json()).mode) is Mode


def test_the_form_and_the_defaults() -> None:
    assert json.loads(rules().to_json()) == {
        "zone_id": "concert",
        "name": "Concert",
        "per_minute": 100,
        "mode": "open",
        "message": "",
        "idle_s": 60,
        "poll_ms": 3000,
        "fail_open": False,
        "opens_at_ms": None,
        "prequeue_from_ms": None,
        "seed": 0,
        "pass_s": 600,
        "single_use": False,
        "epoch": 1,
        "version": 1,
        "origins": [],
        "over": [],
        "name_ko": "",
        "message_ko": "",
        "slowed_at_ms": 0,
    }
    assert rules(name="공연").to_json() == rules(name="공연").to_json()
    assert "공연" in rules(name="공연").to_json()


@pytest.mark.parametrize(
    "changes",
    [
        {"zone_id": "Z" * 64, "per_minute": 0},
        {"per_minute": 10_000_000, "pass_s": 86_400, "name": "n" * 80, "message": "m" * 500},
        {"idle_s": 10, "poll_ms": 5_000, "pass_s": 10},
        {"idle_s": 3_600, "poll_ms": 20_000},
        {"opens_at_ms": 2, "prequeue_from_ms": 1},
        {"opens_at_ms": MAX_OPENS_MS},
        {"seed": 2**53, "epoch": 2**53, "version": 2**53},
        {"origins": ("https://shop.example", "http://localhost:3000", "https://[::1]:8443")},
    ],
)
def test_what_is_just_within_the_limits(changes: dict[str, Any]) -> None:
    made = rules(**changes)
    assert {name: getattr(made, name) for name in changes} == changes


WRONG: list[tuple[str, Any, dict[str, Any]]] = [
    ("zone_id", "", {}),
    ("zone_id", "Z" * 65, {}),
    ("zone_id", "a.b", {}),
    ("zone_id", "a\n", {}),
    ("zone_id", "공연", {}),
    ("zone_id", 5, {}),
    ("per_minute", -1, {}),
    ("per_minute", 10_000_001, {}),
    ("per_minute", 1.0, {}),
    ("per_minute", True, {}),
    ("per_minute", None, {}),
    ("per_minute", "100", {}),
    ("mode", "open all night", {}),
    ("idle_s", 9, {"poll_ms": 1_000}),
    ("idle_s", 3_601, {}),
    ("poll_ms", 999, {}),
    ("poll_ms", 20_001, {}),
    ("poll_ms", 5_001, {"idle_s": 10}),
    ("pass_s", 9, {}),
    ("pass_s", 86_401, {}),
    ("seed", -1, {}),
    ("seed", 2**53 + 1, {}),
    ("epoch", 0, {}),
    ("version", 0, {}),
    ("slowed_at_ms", -1, {}),
    ("opens_at_ms", 0, {}),
    ("opens_at_ms", "soon", {}),
    ("opens_at_ms", MAX_OPENS_MS + 1, {}),
    ("prequeue_from_ms", 5, {}),
    ("prequeue_from_ms", 5, {"opens_at_ms": 5}),
    ("fail_open", 1, {}),
    ("single_use", None, {}),
    ("name", "n" * 81, {}),
    ("name_ko", "n" * 81, {}),
    ("message", "m" * 501, {}),
    ("message_ko", "m" * 501, {}),
    ("message", "a\0b", {}),
    ("message", "\ud800", {}),
    ("message", None, {}),
    ("origins", ["https://a.example/path"], {}),
    ("origins", ["https://a.example/"], {}),
    ("origins", ["javascript://a.example"], {}),
    ("origins", ["a.example"], {}),
    ("origins", ["https://a.example evil"], {}),
    ("origins", ["https://user@a.example"], {}),
    ("origins", [5], {}),
    ("origins", ["https://a.example"] * 21, {}),
    ("origins", "https://a.example", {}),
    ("over", ["/live/1/"] * 21, {}),
    ("over", "/live/1/", {}),
    ("over", [5], {}),
    ("over", ["/" * 301], {}),
]


@pytest.mark.parametrize(("field", "value", "with_"), WRONG)
def test_a_broken_limit_is_refused_however_it_comes(field: str, value: Any, with_: dict[str, Any]) -> None:
    told = {**json.loads(rules().to_json()), **with_, field: value}
    with pytest.raises(RulesError) as refused:
        ZoneRules.from_json(json.dumps(told))
    assert refused.value.field == field
    with pytest.raises(RulesError) as made:
        rules(**with_, **{field: tuple(value) if isinstance(value, list) else value})
    assert made.value.field == field


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"a"', b"\xff", "[" * 100_000, "{}", '{"mode":"open"}'])
def test_what_is_no_rules_at_all(text: str | bytes) -> None:
    with pytest.raises(RulesError):
        ZoneRules.from_json(text)


@given(st.text() | st.binary())
def test_nothing_else_is_ever_raised(text: str | bytes) -> None:
    with pytest.raises(RulesError):
        ZoneRules.from_json(text)


def test_a_field_of_a_later_release_is_left_alone() -> None:
    told = {**json.loads(rules().to_json()), "from_the_future": {"a": 1}}
    assert ZoneRules.from_json(json.dumps(told)) == rules()


@pytest.mark.parametrize("missing", list(NEEDED))
def test_a_field_without_a_default_must_be_there(missing: str) -> None:
    told = json.loads(rules().to_json())
    del told[missing]
    with pytest.raises(RulesError):
        ZoneRules.from_json(json.dumps(told))
