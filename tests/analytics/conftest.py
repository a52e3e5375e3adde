"""A primary and its replica, for tests of where the past is read from."""

from collections.abc import Iterator
from typing import Any

import dj_database_url
import pytest
from django.db import connection, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.analytics import readers
from apps.analytics.models import ViewerHistory
from tests.plugin import Stores
from tests.services.replication import Replication


@pytest.fixture(scope="module")
def replication(stores: Stores) -> Iterator[Replication]:
    pair = Replication(stores.folder / "replication")
    pair.start("past")
    yield pair
    pair.remove()


@pytest.fixture
def replica(
    replication: Replication,
    transactional_db: None,
    django_db_blocker: Any,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Replication]:
    """`default` is the primary of a pair, `history` its replica, which has caught up; both have an empty table."""
    # Django lets a test use the databases only that were there when it began.
    monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", django_db_blocker._real_ensure_connection)
    monkeypatch.setattr(readers, "CHECK_EVERY_S", 0.1)
    monkeypatch.setattr(readers, "_verdicts", {})
    monkeypatch.setattr(router, "routers", [readers.ReaderRouter()])
    settings.READER_LAG_TOLERATED_S = 1.0
    own, own_settings = connections["default"], connections.settings["default"]
    added = connections.configure_settings(
        {
            "default": dict(dj_database_url.parse(replication.primary.url("past"))),
            "history": dict(dj_database_url.parse(replication.replica.url("past") + "&connect_timeout=1")),
        }
    )
    connections.settings.update(added)
    connections["default"] = connections.create_connection("default")
    context = readers._wrote_at.set(None)
    with connection.schema_editor() as editor:
        editor.create_model(ViewerHistory)
        # What is asked of streams beside snapshots; the whole table would need six others.
        editor.execute("CREATE TABLE streams (id BIGINT PRIMARY KEY, ended_at DATETIME(6))")
    replication.wait_level()
    yield replication
    readers._wrote_at.reset(context)
    if not replication.replica.is_running:
        replication.replica.start()
    replication.tell(replication.replica, "START SLAVE")
    with connection.schema_editor() as editor:
        editor.delete_model(ViewerHistory)
        editor.execute("DROP TABLE streams")
    connections["default"].close()
    connections["history"].close()
    connections["default"] = own
    connections.settings["default"] = own_settings
    del connections["history"], connections.settings["history"]
