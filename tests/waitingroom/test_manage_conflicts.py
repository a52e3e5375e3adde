"""Two managers at once: nothing is lost or overwritten unseen; and what was done is undone."""

import re

import pytest

from apps.accounts.models import User
from apps.waitingroom.manage.zone_sight import changes_read
from apps.waitingroom.models import Role, ZoneChange
from tests.waitingroom.desks import Desk, act, fields_of, other_changes, page, person, posted, row, said
from tests.waitingroom.zones import zone_make

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_the_second_sees_that_the_first_changed_it(desk: Desk) -> None:
    zone_make(per_minute=60)
    client = desk(Role.OPERATOR)
    form = posted(client, "zones/concert/", "/rate/", per_minute="90", why="mine")
    other_changes(per_minute=30)
    response = client.post("/manage/zones/concert/rate/", form)
    shown = response.content.decode()
    assert response.status_code == 409
    assert row().per_minute == 30
    assert "Somebody else changed this zone first. Nothing of yours was saved." in shown
    conflict = shown[shown.index('class="conflict"') : shown.index('class="truth')]
    assert all(part in conflict for part in ("minsu", "too full", "<del>60</del>", "<ins>30</ins>"))
    # Nothing typed is lost, and sent again it means the zone as it is.
    again = fields_of(re.search(r'<form[^>]*action="[^"]*/rate/"(.*?)</form>', shown, re.S)[1])  # type: ignore[index]
    assert (again["per_minute"], again["why"], again["version"]) == ("90", "mine", str(row().version))
    assert client.post("/manage/zones/concert/rate/", again).status_code == 302
    assert row().per_minute == 90


def test_an_n_that_was_sent_is_kept_even_if_the_page_showed_it(desk: Desk) -> None:
    """Filled in to look ahead without a script, or sent as it stood, to make sure: it is what somebody wants."""
    zone_make(per_minute=60)
    client = desk(Role.OPERATOR)
    for query, wanted in (({"per_minute": "1200"}, "1200"), ({}, "60")):
        shown = page(client, **query)
        form = fields_of(re.search(r'<form[^>]*action="[^"]*/rate/"(.*?)</form>', shown, re.S)[1])  # type: ignore[index]
        assert form["per_minute"] == wanted
        other_changes(per_minute=30)
        response = client.post("/manage/zones/concert/rate/", form)
        assert (response.status_code, row().per_minute) == (409, 30)
        again = fields_of(re.search(r'<form[^>]*action="[^"]*/rate/"(.*?)</form>', response.content.decode(), re.S)[1])  # type: ignore[index]
        assert again["per_minute"] == wanted
        assert client.post("/manage/zones/concert/rate/", again).status_code == 302
        assert row().per_minute == int(wanted)
        other_changes(per_minute=60)


def test_of_two_fields_only_the_touched_one_is_written(desk: Desk) -> None:
    zone_make(message="Hello", message_ko="안녕하세요")
    client = desk(Role.OPERATOR)
    form = posted(client, "zones/concert/", "/message/", message="Soon")
    other_changes(message_ko="잠시만요", per_minute=10)
    response = client.post("/manage/zones/concert/message/", form)
    assert response.status_code == 409
    again = fields_of(re.search(r'<form[^>]*action="[^"]*/message/"(.*?)</form>', response.content.decode(), re.S)[1])  # type: ignore[index]
    assert (again["message"], again["message_ko"]) == ("Soon", "잠시만요")
    assert client.post("/manage/zones/concert/message/", again).status_code == 302
    assert (row().message, row().message_ko, row().per_minute) == ("Soon", "잠시만요", 10)


def test_settings_keep_what_was_typed_and_what_the_other_changed(desk: Desk) -> None:
    zone_make(name="Concert", single_use=True, origins="https://a.example")
    client = desk(Role.OWNER)
    markup = page(client, "zones/concert/settings/")
    form = {**fields_of(markup[markup.index('class="panel form"') :]), "name": "The Concert", "idle_s": "120"}
    other_changes(origins="https://b.example", single_use=False, idle_s=90)
    response = client.post("/manage/zones/concert/settings/", form)
    shown = response.content.decode()
    assert response.status_code == 409
    assert row().name == "Concert"
    again = fields_of(shown[shown.index('class="panel form"') :])
    assert (again["name"], again["origins"], again["idle_s"]) == ("The Concert", "https://b.example", "120")
    assert "single_use" not in again
    assert client.post("/manage/zones/concert/settings/", again).status_code == 302
    found = row()
    assert (found.name, found.origins, found.idle_s, found.single_use) == (
        "The Concert",
        "https://b.example",
        120,
        False,
    )
    change = ZoneChange.objects.first()
    assert change is not None
    assert change.after == {"name": "The Concert", "idle_s": 120}


def test_settings_say_what_is_wrong(desk: Desk) -> None:
    zone = zone_make()
    client = desk(Role.OWNER)
    markup = page(client, "zones/concert/settings/")
    form = fields_of(markup[markup.index('class="panel form"') :])
    for typed, message in (
        ({"idle_s": "5"}, "greater than or equal to 10"),
        ({"poll_ms": "20000", "idle_s": "30"}, "Must fit into the idle limit at least twice."),
        ({"origins": "javascript:alert(1)"}, "without a path: javascript:alert(1)"),
        ({"name": ""}, "required"),
    ):
        response = client.post("/manage/zones/concert/settings/", {**form, **typed})
        assert response.status_code == 400
        assert message in response.content.decode()
    assert row().version == zone.version


def test_a_change_is_undone_unless_it_was_changed_again(desk: Desk) -> None:
    zone_make(per_minute=60)
    client = desk(Role.OPERATOR)
    act(client, "rate", per_minute="600")
    wrong = ZoneChange.objects.first()
    assert wrong is not None
    undo = f"/manage/zones/concert/changes/{wrong.pk}/undo/"
    stale = client.post(undo, {"version": row().version - 1})
    assert (stale.status_code, row().per_minute) == (409, 600)
    assert said(client.post(undo, {"version": row().version})) == ["Undone."]
    assert row().per_minute == 60
    again = client.post(undo, {"version": row().version})
    assert (again.status_code, row().per_minute) == (409, 60)
    made = ZoneChange.objects.get(action="created")
    assert said(client.post(f"/manage/zones/concert/changes/{made.pk}/undo/", {"version": 1})) == [
        "This cannot be undone."
    ]
    zone_make("other")
    foreign = ZoneChange.objects.get(zone_id="other")
    assert client.post(f"/manage/zones/concert/changes/{foreign.pk}/undo/", {"version": 1}).status_code == 404


def test_an_undo_that_opens_the_doors_is_asked_about(desk: Desk) -> None:
    """Back to bypass takes the two steps of bypass, and says why; back from it takes one."""
    zone_make(mode="open")
    other_changes(mode="bypass")
    other_changes(mode="paused")
    client = desk(Role.OPERATOR)
    shown = page(client, "zones/concert/changes/")
    to_bypass, to_open = ZoneChange.objects.filter(action="changed")
    forms = {}
    for change in (to_bypass, to_open):
        item = next(part for part in re.findall(r"<li.*?</li>", shown, re.S) if f"changes/{change.pk}/undo/" in part)
        fold = re.search(r'<details class="sure">\s*<summary.*?</details>', item, re.S)
        forms[change.pk] = fields_of(item)
        if change == to_open:
            assert fold is None
            continue
        assert fold is not None
        assert " open" not in fold[0].partition(">")[0]
        assert "<b>Bypass</b> Everybody in at once" in fold[0]
        assert 'class="button danger small"' in fold[0]
    assert forms[to_open.pk].keys() == {"version", "why"}
    assert forms[to_bypass.pk].keys() == {"version", "why"}
    path = f"/manage/zones/concert/changes/{to_bypass.pk}/undo/"
    assert client.post(path, {**forms[to_bypass.pk], "why": "the hall is empty"}).status_code == 302
    note = ZoneChange.objects.first()
    assert note is not None
    assert (row().mode, note.action, note.why) == ("bypass", "undone", "the hall is empty")


def test_an_operator_does_not_undo_what_only_an_owner_does(desk: Desk) -> None:
    zone_make(name="Concert")
    other_changes(name="Another")
    change = ZoneChange.objects.filter(action="changed").get()
    answer = desk(Role.OPERATOR).post(f"/manage/zones/concert/changes/{change.pk}/undo/", {"version": row().version})
    assert (answer.status_code, row().name) == (403, "Another")


def test_what_is_so_already_is_said_to_be(desk: Desk) -> None:
    zone = zone_make(per_minute=60, mode="open")
    client = desk(Role.OWNER)
    nothing = ["It is so already: nothing was to be changed."]
    assert said(act(client, "rate", per_minute="60")) == nothing
    assert said(act(client, "mode", mode="open")) == nothing
    assert said(act(client, "message")) == nothing
    markup = page(client, "zones/concert/settings/")
    form = fields_of(markup[markup.index('class="panel form"') :])
    assert said(client.post("/manage/zones/concert/settings/", form)) == nothing
    assert row().version == zone.version
    assert said(act(client, "rate", per_minute="61")) == ["Entries a minute: changed."]


def test_what_one_changed_oneself_meanwhile_is_not_somebody_elses(desk: Desk) -> None:
    own = "You changed this zone yourself meanwhile. What you sent now was not saved."
    zone_make(per_minute=60)
    client = desk(Role.OPERATOR)
    first, second = (posted(client, "zones/concert/", "/rate/", per_minute=n) for n in ("90", "95"))
    assert client.post("/manage/zones/concert/rate/", first).status_code == 302
    answer = client.post("/manage/zones/concert/rate/", second)
    assert (answer.status_code, own in answer.content.decode()) == (409, True)
    other_changes(per_minute=30)
    answer = client.post("/manage/zones/concert/rate/", second)
    assert (answer.status_code, own in answer.content.decode()) == (409, False)
    assert "Somebody else changed this zone first." in answer.content.decode()
    # Of more than is told nobody knows who did it.
    for number in range(20):
        act(client, "rate", per_minute=str(number + 1))
    assert own not in client.post("/manage/zones/concert/rate/", second).content.decode()


def test_who_did_it_is_told_by_a_name_that_nobody_else_can_take(desk: Desk) -> None:
    zone_make(per_minute=60)
    User.objects.filter(pk=person("mallory").pk).update(display_name="minsu")
    client = desk(Role.OPERATOR, "mallory")
    act(client, "mode", mode="paused")
    other_changes(per_minute=30)  # by minsu, who chose no other name
    shown = page(client)
    assert re.findall(r'class="who"><span>([^<]*)<', shown) == ["minsu", "minsu (mallory)", "the system", "the system"]
    assert re.search(r"Paused since \d\d:\d\d, set by minsu \(mallory\)<", shown)
    assert [change.who for change in changes_read("concert")] == ["minsu", "minsu (mallory)", "", ""]
