"""`manage.py pass_key`, whose output opens a zone."""

import pytest
from django.core.management import CommandError, call_command

from apps.waitingroom import fullhouse_pass
from apps.waitingroom.passes import pass_key, pass_sign

from .zones import zone_make

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_the_key_checks_passes_of_its_zone(capsys: pytest.CaptureFixture[str]) -> None:
    zone = zone_make()
    call_command("pass_key", zone.zone_id)
    key = capsys.readouterr().out
    assert key == pass_key(zone.zone_id).hex() + "\n"
    assert len(key) == 65
    assert pass_key(zone.zone_id) != pass_key("stadium")
    signed = pass_sign(
        zone_id=zone.zone_id, epoch=1, place=3, client="YKoUBW7F06I", issued_ms=1_800_000_000_000, pass_s=600
    )
    assert fullhouse_pass.verify(signed, key, zone.zone_id, now=1_800_000_001).place == 3


@pytest.mark.parametrize(
    ("zone", "reason"),
    [
        ("nosuch", "There is no zone nosuch"),
        *((wrong, "A zone's id is") for wrong in ("", "a.b", "콘서트", "x" * 65, "concert\n")),
    ],
)
def test_no_key_is_printed_for_what_is_no_zone(zone: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match=reason):
        call_command("pass_key", zone)
    assert capsys.readouterr().out == ""
