
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('analytics', '0002_partitions'),
    ]

    operations = [
        migrations.AlterField(
            model_name='usersession',
            name='reason',
            field=models.CharField(choices=[('left', 'Left'), ('expired', 'Not heard of any more'), ('ended', 'Stream ended')], max_length=8, verbose_name='reason'),
        ),
        migrations.CreateModel(
            name='Visitor',
            fields=[
                ('pk', models.CompositePrimaryKey('broadcaster_id', 'viewer_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('broadcaster_id', models.BigIntegerField(verbose_name='broadcaster')),
                ('viewer_id', models.CharField(max_length=40, verbose_name='viewer')),
                ('first_at', models.DateTimeField(verbose_name='first joined')),
                ('last_day', models.DateField(verbose_name='last seen')),
            ],
            options={
                'verbose_name': 'visitor',
                'verbose_name_plural': 'visitors',
                'db_table': 'visitors',
                'indexes': [models.Index(fields=['last_day'], name='visitors_last_seen'), models.Index(fields=['viewer_id'], name='visitors_of_viewer')],
            },
        ),
    ]
