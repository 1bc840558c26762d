"""Every setting of the product, read from the environment once. Names and meanings: docs/reference.md."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from project import VERSION, production
from project import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = env.directory("VAR_DIR", BASE_DIR / "var")

# The embedded default: no database, no broker. Everything that eases a first try hangs on this one fact.
EMBEDDED = env.embedded("EMBEDDED", ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"))

DEBUG = env.boolean("DEBUG", default=False)
DEFAULT_EXCEPTION_REPORTER_FILTER = "project.debug.NoSettings"
DATABASES = {"default": env.database("DATABASE_URL", VAR_DIR / "notifications.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if not env.text("DATABASE_URL"):
    env.made("VAR_DIR", VAR_DIR)
SECRET_KEY = env.text("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS", [])
if not SECRET_KEY:
    if not EMBEDDED:
        env.end_process("SECRET_KEY", "must be set: a long random string that all processes share.")
    SECRET_KEY = env.kept_secret(VAR_DIR / "secret_key")
# The keys of receivers' hashes: the first is for new ones, the others find rows. 1.0 had none, so that is the last.
HASH_KEY = env.random_key("HASH_KEY")
HASH_KEY_FALLBACKS = env.random_keys("HASH_KEY_FALLBACKS")
_SECRETS = [HASH_KEY, *HASH_KEY_FALLBACKS, SECRET_KEY, *SECRET_KEY_FALLBACKS]
HASH_KEYS = (*map(env.hash_key, filter(None, _SECRETS)), b"")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS", [])
PUBLIC_URL = env.public_url("PUBLIC_URL")
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")
DEFAULT_TIME_ZONE = env.time_zone("DEFAULT_TIME_ZONE", "UTC")
ANSWER_LANGUAGE = env.file_in("ANSWER_LANGUAGE", "en", BASE_DIR / "dlq" / "story" / "answers", ".toml")
USE_TZ = True

if not EMBEDDED:
    production.require_safe_settings(
        debug=DEBUG,
        secret_keys=[("SECRET_KEY", SECRET_KEY), *(("SECRET_KEY_FALLBACKS", key) for key in SECRET_KEY_FALLBACKS)],
        allowed_hosts=ALLOWED_HOSTS,
        email_url=env.text("EMAIL_URL"),
    )

# Kafka; without servers the ledger itself is the queue.
KAFKA_BOOTSTRAP_SERVERS = env.text("KAFKA_BOOTSTRAP_SERVERS")
KAFKA_SECURITY_PROTOCOL = env.choice(
    "KAFKA_SECURITY_PROTOCOL", "PLAINTEXT", ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
)
KAFKA_SASL_MECHANISM = env.choice("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512", ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"))
KAFKA_USERNAME = env.text("KAFKA_USERNAME")
KAFKA_PASSWORD = env.text("KAFKA_PASSWORD")
KAFKA_CA_FILE = env.file("KAFKA_CA_FILE")
if KAFKA_SECURITY_PROTOCOL.startswith("SASL") and not (KAFKA_USERNAME and KAFKA_PASSWORD):
    env.end_process("KAFKA_USERNAME", f"and KAFKA_PASSWORD must be set for {KAFKA_SECURITY_PROTOCOL}.")
TOPIC_PREFIX = env.topic_prefix("TOPIC_PREFIX", "notifications.")

# Channels: the rules of each, and its providers in the order in which they are asked. One without its settings is
# left out; docs/channels.md says how to add a channel or a provider.
CHANNELS: dict[str, dict[str, Any]] = {
    "EMAIL": {
        "rules": "notifications.channels.email.rules.Email",
        "route": ["notifications.channels.email.smtp.OverSmtp", "notifications.channels.email.backend.OverBackend"],
    },
    "SLACK": {
        "rules": "notifications.channels.slack.rules.Slack",
        "route": ["notifications.channels.slack.web_api.SlackApi"],
    },
    "SMS": {
        "rules": "notifications.channels.sms.rules.Sms",
        "route": ["notifications.channels.sms.twilio.Twilio"],
    },
}
SANDBOX_ALLOWED = EMBEDDED
EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD, EMAIL_USE_TLS, EMAIL_USE_SSL = env.email_url("EMAIL_URL")
EMAIL_CONFIGURED = bool(env.text("EMAIL_URL") or env.text("EMAIL_BACKEND"))
EMAIL_BACKEND = env.text("EMAIL_BACKEND", "django.core.mail.backends.smtp.EmailBackend")
ANYMAIL = env.prefixed("ANYMAIL_")
EMAIL_HELO = env.helo("EMAIL_HELO")
DEFAULT_FROM_EMAIL = env.sender("DEFAULT_FROM_EMAIL", "notifications@localhost")
EMAIL_SUBJECT = env.text("EMAIL_SUBJECT", "Notification")
SLACK_WEBHOOK_PREFIXES = env.prefixes("SLACK_WEBHOOK_PREFIXES", "https://hooks.slack.com/services/")
SLACK_BOT_TOKEN = env.text("SLACK_BOT_TOKEN")
SLACK_CONFIGURED = bool(SLACK_BOT_TOKEN or env.text("SLACK_WEBHOOK_PREFIXES"))
SLACK_BASE_URL = env.provider_url("SLACK_BASE_URL", "https://slack.com/api/")
TWILIO_ACCOUNT_SID = env.text("TWILIO_ACCOUNT_SID")
TWILIO_AUTH_TOKEN = env.text("TWILIO_AUTH_TOKEN")
TWILIO_FROM = env.text("TWILIO_FROM")
SMS_COUNTRIES = env.countries("SMS_COUNTRIES")
TWILIO_BASE_URL = env.provider_url("TWILIO_BASE_URL", "https://api.twilio.com")

# Delivery.
RETRY_SCHEDULE = env.retry_schedule("RETRY_SCHEDULE", "2,4,8,15,30" if EMBEDDED else "30,120,600,1800,7200")
OUTAGE_PATIENCE = env.seconds("OUTAGE_PATIENCE", 86_400)
LEASE_SECONDS = env.seconds("LEASE_SECONDS", 60, at_least=1)
SEND_TIMEOUT_SECONDS = env.seconds("SEND_TIMEOUT_SECONDS", 20, at_least=0.1)
if SEND_TIMEOUT_SECONDS > LEASE_SECONDS / 2:
    env.end_process("SEND_TIMEOUT_SECONDS", f"must be at most half of LEASE_SECONDS ({LEASE_SECONDS:g}).")
RETENTION_DAYS = env.whole("RETENTION_DAYS", 90, at_most=36_500)
RETENTION_TEXT_DAYS = env.whole("RETENTION_TEXT_DAYS", min(30, RETENTION_DAYS), at_most=36_500)
if RETENTION_TEXT_DAYS > RETENTION_DAYS > 0:
    env.end_process(
        "RETENTION_TEXT_DAYS", f"must be at most RETENTION_DAYS ({RETENTION_DAYS}): texts go with their rows."
    )
NEW_CATEGORIES = env.boolean("NEW_CATEGORIES", default=False)  # callers may name what nobody has described
REPLAY_FEW = env.whole("REPLAY_FEW", 100, at_least=1, at_most=5_000)
DESK_APPROVAL_ABOVE = env.whole("DESK_APPROVAL_ABOVE", 1_000)
SENDER_THREADS = env.whole("SENDER_THREADS", 0, at_least=1, at_most=1024) or None  # what suits the providers
LEDGER_PARTITION = env.choice("LEDGER_PARTITION", "week", ("day", "week"))
METRICS_PORT = env.whole("METRICS_PORT", 0, at_most=65_535)
METRICS_HOST = env.text("METRICS_HOST", "127.0.0.1")

API_KEYS_REQUIRED = env.boolean("API_KEYS_REQUIRED", default=not EMBEDDED)
if not API_KEYS_REQUIRED and not EMBEDDED:
    env.end_process("API_KEYS_REQUIRED", "can be false only without DATABASE_URL and KAFKA_BOOTSTRAP_SERVERS.")

# Django.
INSTALLED_APPS = [
    "project",  # before unfold, a few of whose templates it replaces
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin.apps.SimpleAdminConfig",  # its pages are loaded in project/urls.py
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "anymail",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "users",
    "notifications",
    "dlq",
    "django.contrib.staticfiles",  # behind ours, whose runserver is meant
]
MIDDLEWARE = [
    "project.web.middleware.AnswerHeaders",
    "project.web.middleware.KnownHosts",
    "project.operations.read_only.RefuseWrites",
    "project.web.middleware.StraightToTheView",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "users.access.admin.login.EndedSession",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "users.access.admin.second_factor.SecondFactor",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "project.operations.read_only.banner",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# Logging in to the admin. Ten wrong passwords from one address or for one name, none more than a quarter of an hour
# after the last, lock it for as long. A right one resets nothing, or one account would free its address for guesses at
# others. Tries meanwhile do not make it longer, or a stranger could keep somebody out for good.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_LOCKOUT_PARAMETERS = ["ip_address", "username"]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_ENABLE_ACCESS_FAILURE_LOG = True
AXES_CLIENT_IP_CALLABLE = "users.access.addresses.client_address"
AXES_LOCKOUT_CALLABLE = "users.access.admin.login.locked_out"
AXES_ENABLE_ADMIN = False  # its lists answer any question; ours are in users/access/admin/login.py
AXES_VERBOSE = False  # so that logs name neither who nor from where
STAFF_SECOND_FACTOR = env.boolean("STAFF_SECOND_FACTOR", default=False)
OTP_TOTP_ISSUER = "Notifications"
SESSION_COOKIE_AGE = 10 * 3600  # a working day, from the log-in

LANGUAGE_CODE = "en-us"
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = EMBEDDED or DEBUG
APPEND_SLASH = False
CSRF_FAILURE_VIEW = "project.web.errors.csrf_failure"

# Behind a TLS-terminating proxy; the embedded default speaks plain HTTP on loopback.
SECURE_PROXY_SSL_HEADER = None if EMBEDDED else ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not EMBEDDED
SECURE_HSTS_SECONDS = 0 if EMBEDDED else 365 * 86_400  # of what came over TLS, as pages do
# That proxy also redirects to HTTPS (W008); health checks and callers inside speak plain HTTP to us. Other names below
# ours (W005), and browsers' lists of domains (W021), are for whoever owns the domain to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]

OTEL = env.prefixed("OTEL_")  # OpenTelemetry's SDK reads them itself; they say whether there is something to trace for

# Logs: docs/logs.md names every line about a notification.
LOG_FORMAT = env.choice("LOG_FORMAT", "text" if EMBEDDED else "json", ("text", "json"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    # Django logs the path of each refused request, which may be an address (/users/<e-mail>); tracebacks are kept.
    "filters": {"unexpected": {"()": "django.utils.log.CallbackFilter", "callback": lambda record: record.exc_info}},
    "formatters": {"line": {"()": f"project.logs.formats.{'Text' if LOG_FORMAT == 'text' else 'Json'}"}},
    "handlers": {"stderr": {"class": "project.logs.handler.ToWriter", "formatter": "line"}},
    "loggers": {
        "django.request": {"filters": ["unexpected"]},
        "opentelemetry.exporter": {"level": "ERROR"},  # it warns of each try while its collector is away
        "_granian": {"handlers": ["stderr"], "propagate": False},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["users.access.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["users.access.authentication.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "project.web.negotiation.First",
    "DEFAULT_METADATA_CLASS": "project.web.negotiation.AllowOnly",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "project.web.errors.handle",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Notifications",
    "VERSION": VERSION,
    "DESCRIPTION": (
        f"Notifications on {', '.join(CHANNELS)}. "
        'Errors are `{"field": ["why"]}` or `{"detail": "why", "code": "…"}`; '
        "times are RFC 3339 in UTC."
    ),
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    # Enums of "" or null alone are valid OpenAPI, but what generators make of them compiles in no language.
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "ENUM_NAME_OVERRIDES": {
        "Status": "notifications.api.schemas.STATUSES",
        "Reason": "notifications.api.schemas.REASONS",
        "Cause": "notifications.api.schemas.CAUSES",
        "Outcome": "notifications.api.schemas.OUTCOMES",
        "DeliveryState": "notifications.api.schemas.DELIVERY_STATES",
        "AcceptedStatus": ["accepted"],
        "TypeEnum": list(CHANNELS),
        "SuppressedFor": "users.recipients.suppression.REASONS",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "notifications.api.openapi.describe_requests",
        "notifications.api.openapi.name_the_words",
    ],
}

# The admin's frame (django-unfold); its pages are in notifications/admin, dlq/admin, users/people and users/access.
UNFOLD = {
    "SITE_TITLE": "Notifications",
    "SITE_HEADER": "Notifications",
    "SITE_SUBHEADER": "Support desk",
    "SITE_SYMBOL": "notifications",
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "project.operations.dashboard.dashboard",
    "STYLES": ["project.desk.base.stylesheet", "project.desk.assets.find_styles"],
    "SCRIPTS": ["project.desk.assets.find_script", "project.desk.assets.names_script"],
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "project.desk.base.favicon"}],
    "SIDEBAR": {"navigation": "project.operations.navigation.navigation"},
}
LOGIN_REDIRECT_URL = "admin:index"

# The support desk.
DESK_PHONE_COUNTRY = env.country("DESK_PHONE_COUNTRY")  # of the numbers that staff type without a country's code
