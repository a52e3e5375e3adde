"""``manage.py viewer_data``: give out or forget what is kept of one viewer."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.analytics.claim import StatisticsBusy
from apps.analytics.session_services import SessionsWait
from apps.analytics.viewer_services import NoSuchViewer, viewer_erase, viewer_export


class Command(BaseCommand):
    """For requests under data protection law."""

    help = "Export one viewer's sessions as JSON lines, or erase the viewer from them."

    def add_arguments(self, parser: CommandParser) -> None:
        """What, and whose."""
        parser.add_argument("action", choices=["export", "erase"])
        parser.add_argument("viewer", help="u<user id>, or a<browser id>: the value of the cookie fullhouse_viewer")

    def handle(self, *, action: str, viewer: str, **options: Any) -> None:
        """Lines of JSON on the standard output; what was erased, in words."""
        try:
            if action == "export":
                for thing in viewer_export(viewer):
                    self.stdout.write(json.dumps(thing, ensure_ascii=False))
                return
            erased = viewer_erase(viewer)
        except (NoSuchViewer, SessionsWait, StatisticsBusy) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{viewer} is erased from {erased.sessions} session(s), {erased.broadcasters} broadcaster(s)"
            f" and {erased.rejected} record(s) that were set aside."
        )
        if erased.watching:
            streams = ", ".join(map(str, erased.watching))
            raise CommandError(
                f"{viewer} is watching stream {streams} now, which is written down in the end: erase again then."
            )
