"""Changes nothing, but for the order in which `migrate` takes the apps: by their names.

Apps later in the alphabet may have foreign keys to accounts, such as otp_totp, which 1.0 did not have. Their tables can
be made only when users.0003 has made auth_user. Those apps' migrations know nothing of ours, and users.0003 cannot name
them in `run_before`: where they were applied before it, Django would call the history inconsistent.
"""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ("dlq", "0001_initial"),
        ("users", "0003_people_apart_from_accounts"),
    ]

    operations = []
