"""Partition the tables of the past by time where the database can: MySQL and MariaDB. SQLite stays as it is.

All rows of the three tables are written anew, and nobody else writes into them meanwhile. Afterwards the daily job, or
`manage.py partitions apply`, goes on from here.
"""

from django.db import migrations
from django.utils import timezone

from apps.analytics import partition_sql as sql
from apps.analytics.partitions import plan_make


def partition(apps, schema_editor):
    connection = schema_editor.connection
    if not sql.has_partitions(connection):
        return
    with sql.locked(connection, wait_s=60):
        for layout in sql.layouts():
            if sql.partitions_read(connection, layout) is None:
                oldest = sql.oldest(connection, layout)
                for step in plan_make(layout, None, now=timezone.now(), since=oldest):
                    sql.step_execute(connection, layout, step)


def unpartition(apps, schema_editor):
    connection = schema_editor.connection
    if not sql.has_partitions(connection):
        return
    with sql.locked(connection, wait_s=60):
        for layout in sql.layouts():
            if sql.partitions_read(connection, layout) is not None:
                schema_editor.execute(f"ALTER TABLE {connection.ops.quote_name(layout.table)} REMOVE PARTITIONING")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("analytics", "0001_initial")]

    operations = [migrations.RunPython(partition, unpartition, elidable=False)]
