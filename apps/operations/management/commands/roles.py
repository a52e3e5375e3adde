"""`manage.py roles`: the groups Operator, Support, Analyst and Zone administrator, with exactly their rights."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.operations.roles import ROLES, roles_ensure


class Command(BaseCommand):
    help = "Makes the groups for those who run the house, and gives each exactly its rights. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            changed = roles_ensure()
        except LookupError as error:
            raise CommandError(f"{error.args[0]}. Run migrate first.") from error
        for line in changed:
            self.stdout.write(line)
        self.stdout.write(f"{len(ROLES)} roles are as they should be.")
