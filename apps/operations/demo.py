"""What a fresh Fullhouse starts with: categories, broadcasters and an operator. Safe to load again."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction
from django.utils.text import slugify

from apps.accounts.models import User
from apps.accounts.services import operator_ensure
from apps.operations.replay.evening import CATEGORIES, FIRST_NAMES, SECOND_NAMES
from apps.operations.replay.stage import SLUG_PREFIX
from apps.streams.models import Broadcaster
from apps.streams.services import category_ensure

BROADCASTERS = 300
OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Login:
    """How the operator signs in."""

    username: str
    password: str


def demo_data_load() -> None:
    """Make the categories and broadcasters that are missing.

    They have the names that the generated evening plays with, so that its streams belong to them.
    """
    with transaction.atomic():
        for position, (slug, name, name_ko) in enumerate(CATEGORIES):
            category_ensure(slug=slug, name=name, name_ko=name_ko, position=position)
        names = [f"{first} {second}" for second in SECOND_NAMES for first in FIRST_NAMES][:BROADCASTERS]
        wanted = {SLUG_PREFIX + slugify(name, allow_unicode=True): name for name in names}
        known = set(Broadcaster.objects.filter(slug__in=wanted).values_list("slug", flat=True))
        Broadcaster.objects.bulk_create(
            [Broadcaster(name=name, slug=slug) for slug, name in wanted.items() if slug not in known],
            ignore_conflicts=True,  # another loader may be at it
        )


def operator_login(path: Path) -> Login:
    """The operator's login: read from ``path``, or made with a random password and kept there, for its owner alone.

    A password that was changed in the admin is left alone.
    """
    if path.exists():
        login = Login(**json.loads(path.read_text()))
        if not User.objects.filter(username=login.username).exists():
            operator_ensure(username=login.username, password=login.password)
        return login
    login = Login(username=OPERATOR, password=secrets.token_urlsafe(12))
    operator_ensure(username=login.username, password=login.password)
    path.touch(mode=0o600)
    path.write_text(json.dumps({"username": login.username, "password": login.password}))
    return login
