"""An index of when streams ended: a day's statistics are of those that were live on it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("streams", "0002_zone"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="stream",
            index=models.Index(fields=["ended_at", "started_at"], name="streams_ended"),
        ),
    ]
