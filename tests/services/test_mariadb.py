"""The database parts really are what they claim to be."""

import os
import subprocess
import sys

import pytest
from django.db import connection, transaction

from tests.plugin import Stores
from tests.services.mariadb import MariaDBServer
from tests.services.process import REPOSITORY


@pytest.mark.database
@pytest.mark.django_db
def test_django_is_connected_to_the_chosen_database(stores: Stores) -> None:
    if stores.database == "sqlite":
        assert connection.vendor == "sqlite"
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT VERSION(), @@socket, @@skip_networking, @@innodb_flush_log_at_trx_commit, @@sql_mode")
        version, socket, skip_networking, flush, sql_mode = cursor.fetchone()
    assert version.startswith("10.11.")
    assert "MariaDB" in version
    assert socket == str(stores.mariadb.socket)
    assert (skip_networking, flush) == (1, 2)
    assert "STRICT_TRANS_TABLES" in sql_mode


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_another_process_sees_what_is_committed(database_url: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE TABLE parts_probe (number INTEGER)")
        cursor.execute("INSERT INTO parts_probe VALUES (42)")
    code = (
        "import django; django.setup()\n"
        "from django.db import connection\n"
        "c = connection.cursor(); c.execute('SELECT number FROM parts_probe'); print(c.fetchall()[0][0])"
    )
    try:
        seen = subprocess.run(
            [sys.executable, "-c", code],
            cwd=REPOSITORY,
            env={**os.environ, "DATABASE_URL": database_url},
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE parts_probe")
    assert seen.stdout.strip() == "42"


def test_data_outlives_a_stop(stores: Stores) -> None:
    server = MariaDBServer(stores.folder / "mariadb-private")
    try:
        server.start()
        with server.connect() as db:
            db.cursor().execute("CREATE DATABASE kept")
        server.stop()
        assert not server.is_running
        server.start()
        with server.connect(database="kept") as db, db.cursor() as cursor:
            cursor.execute("SELECT DATABASE()")
            assert cursor.fetchone() == ("kept",)
    finally:
        server.remove()
    assert not server.folder.exists()
