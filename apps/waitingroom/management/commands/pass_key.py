"""``manage.py pass_key ZONE``: the key with which the site behind a zone checks its passes."""

import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.waitingroom.models import Zone
from apps.waitingroom.passes import pass_key
from apps.waitingroom.rules import ZONE_ID_PATTERN


class Command(BaseCommand):
    """Print a zone's pass key."""

    help = (
        "Print the key of a zone's passes, 64 hexadecimal digits, for the site that checks them."
        " It also makes passes for this zone: hand it over as you would a password."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("zone", help="the zone's id")

    def handle(self, *args: Any, **options: Any) -> None:
        zone_id: str = options["zone"]
        if not re.fullmatch(ZONE_ID_PATTERN, zone_id):
            raise CommandError("A zone's id is 1 to 64 letters, digits, - or _.")
        if not Zone.objects.filter(pk=zone_id).exists():
            raise CommandError(f"There is no zone {zone_id}: every pass would be taken for forged with its key.")
        self.stdout.write(pass_key(zone_id).hex())
