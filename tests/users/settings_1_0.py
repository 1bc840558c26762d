"""Settings in which users.User is AUTH_USER_MODEL, as up to version 1.0. For tests/users/version_1_0.py alone."""

from __future__ import annotations

from tests import settings_postgresql as today

globals().update({name: getattr(today, name) for name in dir(today) if name.isupper()})
AUTH_USER_MODEL = "users.User"
INSTALLED_APPS = [
    "django.contrib.admin.apps.SimpleAdminConfig",  # which imports no admin pages: they are for today's accounts
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "users",
    "notifications",
    "dlq",
]
