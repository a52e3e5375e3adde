from django.db import migrations, models

KINDS = [
    ("line", "A line forms"),
    ("still", "The front stands still while the line grows"),
    ("wait", "The wait is long"),
    ("underused", "Entries stay unused while a line stands"),
    ("errors", "Errors"),
    ("drift", "Viewer counts drift from what servers hold"),
    ("late", "The five-minute snapshot is late"),
    ("silent", "A server has stopped reporting"),
    ("job", "A periodic job is late or fails"),
    ("unread", "What alerts look at cannot be read"),
]


class Migration(migrations.Migration):
    dependencies = [("operations", "0001_alerts")]

    operations = [
        migrations.AlterField(
            model_name="alertrule",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=9, verbose_name="kind"),
        ),
        migrations.AlterField(
            model_name="alertevent",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=9, verbose_name="kind"),
        ),
        migrations.AddField(
            model_name="alertevent",
            name="is_gone",
            field=models.BooleanField(db_default=False, default=False, verbose_name="subject gone"),
        ),
        migrations.AddIndex(
            model_name="alertevent", index=models.Index(fields=["subject"], name="alert_events_subject")
        ),
        migrations.AddIndex(model_name="alertevent", index=models.Index(fields=["place"], name="alert_events_place")),
        migrations.AddIndex(
            model_name="alertevent", index=models.Index(fields=["place_ko"], name="alert_events_place_ko")
        ),
        migrations.AddIndex(
            model_name="alertevent", index=models.Index(fields=["rule_name"], name="alert_events_rule_name")
        ),
    ]
