"""``manage.py demo_data``: something to look at."""

from typing import Any

from django.core.management.base import BaseCommand

from apps.operations.demo import demo_data_load


class Command(BaseCommand):
    """Load the demo categories and broadcasters."""

    help = "Load demo categories and broadcasters. Repeating it changes nothing."

    def handle(self, **options: Any) -> None:
        """Load them."""
        demo_data_load()
        self.stdout.write("Demo data is loaded.")
