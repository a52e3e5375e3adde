"""What must be true of files and tables before the servers start. A step with nothing to do does nothing."""

import hashlib
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.utils import timezone

from apps.analytics.partition_services import past_keep

from .roles import roles_ensure


def tables_migrate() -> None:
    """Bring the tables up to date, and the roles of those who run the house."""
    call_command("migrate", interactive=False, verbosity=0)
    roles_ensure()


def past_forget() -> None:
    """What the nightly job does: a machine that is off at night would keep the past for ever."""
    past_keep(now=timezone.now())


def translations_compile() -> int:
    """Compile every translation that is newer than its compiled form; return how many. Needs no gettext tools."""
    stale = 0
    for folder in settings.LOCALE_PATHS:
        for source in Path(folder).glob("*/LC_MESSAGES/*.po"):
            compiled = source.with_suffix(".mo")
            if compiled.exists() and compiled.stat().st_mtime >= source.stat().st_mtime:
                continue
            with source.open("rb") as po:
                catalog = read_po(po, locale=source.parent.parent.name)
            with compiled.open("wb") as mo:
                write_mo(mo, catalog)
            stale += 1
    return stale


def static_collect(stamp: Path) -> bool:
    """Collect and hash the static files if any of them changed since ``stamp`` was written; return whether."""
    seen = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list(ignore_patterns=[]):
            file = Path(storage.path(name)).stat()
            seen.update(f"{name} {file.st_mtime_ns} {file.st_size}\n".encode())
    if stamp.exists() and stamp.read_text() == seen.hexdigest() and Path(settings.STATIC_ROOT).is_dir():
        return False
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    stamp.write_text(seen.hexdigest())
    return True
