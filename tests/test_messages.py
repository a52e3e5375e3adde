"""Every text that people read is there in Korean, and says what the English one does."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from django.utils.translation import gettext, override

from apps.operations.preparation import translations_compile

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("apps", "config", "templates")
KOREAN = Path("locale/ko/LC_MESSAGES/django.po")
HEADER = r"""msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=1; plural=0;\n"
"""
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")


def catalog(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale="ko")


def both(message: Message) -> tuple[list[str], list[str]]:
    """What it is in English (singular and plural), and in Korean."""

    def listed(found: object) -> list[str]:
        return [str(one) for one in found] if isinstance(found, list | tuple) else [str(found or "")]

    return listed(message.id), listed(message.string)


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """All texts of the code, as `make messages` collects them, from a copy so that no file here is touched."""
    folder = tmp_path_factory.mktemp("messages")
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "manage.py", folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / KOREAN).parent.mkdir(parents=True)
    (folder / KOREAN).write_text(HEADER, encoding="utf-8")
    command = [sys.executable, "manage.py", "makemessages", "--locale", "ko", "--no-location"]
    subprocess.run(command, cwd=folder, env={**os.environ, "FULLHOUSE_VAR": str(folder / "var")}, check=True)
    return catalog(folder / KOREAN)


def test_every_text_is_there_in_korean(collected: Catalog) -> None:
    translations_compile()
    known = catalog(ROOT / KOREAN)
    missing = []
    with override("ko"):
        for message in collected:
            if not message.id:
                continue
            english, _ = both(message)
            found = known.get(message.id, message.context)
            is_ours = found is not None and not found.fuzzy and all(both(found)[1])
            # Some are Django's own, which it translates itself.
            if not is_ours and gettext(english[0]) == english[0]:
                missing.append(english[0])
    assert len(collected) > 500
    assert missing == []


def test_a_translation_keeps_what_is_filled_in() -> None:
    wrong = []
    for message in catalog(ROOT / KOREAN):
        english, korean = both(message)
        if not message.id or not all(korean):
            continue
        asked = {name for text in english for name in PLACEHOLDER.findall(text)}
        wrong += [text for text in korean if not set(PLACEHOLDER.findall(text)) <= asked]
        # What only one of singular and plural has may be left out; what both have may not.
        needed = set.intersection(*(set(PLACEHOLDER.findall(text)) for text in english))
        wrong += [text for text in korean if not needed <= set(PLACEHOLDER.findall(text))]
    assert wrong == []


def test_nothing_in_the_catalogue_is_a_guess() -> None:
    assert [message.id for message in catalog(ROOT / KOREAN) if message.fuzzy and message.id] == []
