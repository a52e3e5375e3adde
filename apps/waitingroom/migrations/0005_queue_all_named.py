from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("waitingroom", "0004_changes_by_action"),
    ]

    operations = [
        migrations.AlterField(
            model_name="zone",
            name="mode",
            field=models.CharField(
                choices=[
                    ("open", "Open: in at once while there is room"),
                    ("queue-all", "Queue all: everybody gets in line"),
                    ("paused", "Paused: the line stands still"),
                    ("blocked", "Blocked: nobody gets in line"),
                    ("bypass", "Bypass: everybody in at once"),
                    ("observe", "Observe: everybody in, count who would wait"),
                ],
                default="open",
                max_length=9,
                verbose_name="mode",
            ),
        ),
    ]
