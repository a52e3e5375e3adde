"""Demo data and preparation can be repeated, and keep what people changed."""

import gettext
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate

from apps.accounts.models import User
from apps.operations.demo import Login, demo_data_load, operator_login
from apps.operations.preparation import static_collect, translations_compile
from apps.streams.models import Broadcaster, Category

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def test_demo_data_is_loaded_once_and_keeps_what_is_there() -> None:
    demo_data_load()
    assert (Category.objects.count(), Broadcaster.objects.count()) == (10, 300)
    music = Category.objects.get(slug="music")
    assert (music.name, music.name_ko) == ("Music", "음악")
    Broadcaster.objects.filter(slug="replay-ara-arcade").update(bio="Written by hand")
    before = set(Broadcaster.objects.values_list("pk", "slug", "bio"))

    demo_data_load()
    assert (Category.objects.count(), set(Broadcaster.objects.values_list("pk", "slug", "bio"))) == (10, before)
    assert Broadcaster.objects.get(slug="replay-ara-arcade").bio == "Written by hand"


def test_operator_gets_a_random_password_in_a_file_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "operator.json"
    login = operator_login(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == {"username": login.username, "password": login.password}
    assert len(login.password) >= 16
    user = authenticate(username=login.username, password=login.password)
    assert isinstance(user, User)
    assert user.is_superuser

    assert operator_login(path) == login
    assert operator_login(tmp_path / "another.json").password != login.password


def test_operator_keeps_a_password_changed_since(tmp_path: Path) -> None:
    login = operator_login(tmp_path / "operator.json")
    user = User.objects.get(username=login.username)
    user.set_password("chosen by the operator")
    user.save()
    assert operator_login(tmp_path / "operator.json") == login
    assert authenticate(username=login.username, password="chosen by the operator") == user


def test_operator_comes_back_after_the_database_was_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "operator.json"
    path.write_text(json.dumps({"username": "operator", "password": "kept in the file"}))
    assert operator_login(path) == Login("operator", "kept in the file")
    assert authenticate(username="operator", password="kept in the file") is not None


def test_translations_are_compiled_when_they_are_newer(tmp_path: Path, settings: Any) -> None:
    folder = tmp_path / "ko" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    source = folder / "django.po"
    source.write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "Live"\nmsgstr "라이브"\n'
    )
    settings.LOCALE_PATHS = [tmp_path]
    assert translations_compile() == 1
    with (folder / "django.mo").open("rb") as compiled:
        assert gettext.GNUTranslations(compiled).gettext("Live") == "라이브"
    assert translations_compile() == 0
    source.write_text(source.read_text().replace("라이브", "생방송"))
    os.utime(folder / "django.mo", (0, 0))
    assert translations_compile() == 1
    with (folder / "django.mo").open("rb") as compiled:
        assert gettext.GNUTranslations(compiled).gettext("Live") == "생방송"


def test_static_files_are_collected_when_one_changed(tmp_path: Path, settings: Any) -> None:
    source, target, stamp = tmp_path / "source", tmp_path / "collected", tmp_path / "stamp"
    source.mkdir()
    (source / "page.css").write_text("body { color: black }")
    settings.STATICFILES_DIRS, settings.STATIC_ROOT = [source], target
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    assert static_collect(stamp) is True
    assert (target / "page.css").read_text() == "body { color: black }"
    assert static_collect(stamp) is False
    (source / "page.css").write_text("body { color: white }")
    os.utime(source / "page.css", (1, 1))
    assert static_collect(stamp) is True
    assert (target / "page.css").read_text() == "body { color: white }"
