from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('waitingroom', '0003_waits'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='zonechange',
            index=models.Index(fields=['zone_id', 'action'], name='zone_changes_by_action'),
        ),
    ]
