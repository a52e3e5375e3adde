"""The zone that a crowd is sent to: made through the service that an operator's form uses, and gone afterwards."""

import secrets

from django.db import close_old_connections

from apps.waitingroom.services import zone_create, zone_delete

ID_PREFIX = "replay-"  # so that a replay never touches a zone that somebody made


class GateStage:
    """Its methods block on the database; call them in a thread."""

    def __init__(self) -> None:
        self.zone_id = ""

    def open(self, per_minute: int) -> str:
        """Make a zone that admits so many a minute; its id."""
        close_old_connections()
        zone_id = f"{ID_PREFIX}{secrets.token_hex(4)}"
        zone_create(actor=None, zone_id=zone_id, name="Replay", per_minute=per_minute)
        self.zone_id = zone_id
        return zone_id

    def close(self) -> None:
        """Take the zone away again, if one was made."""
        close_old_connections()
        if self.zone_id:
            zone_delete(zone_id=self.zone_id)
