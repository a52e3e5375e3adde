"""Settings shared by every mode. embedded, test and production import this and differ in a few lines.

Everything that a deployment decides comes from the environment; docs/operations.md lists the variables.
"""

import os
from pathlib import Path
from typing import Any

import dj_database_url
from django.utils.translation import gettext_lazy as _

from config.readers import reader_databases

BASE_DIR = Path(__file__).resolve().parent.parent.parent

# all | core | gate | admin: which tier this process serves.
ROLE = os.environ.get("FULLHOUSE_ROLE", "all")

SECRET_KEY = os.environ.get("SECRET_KEY", "")
SECRET_KEY_FALLBACKS = [key for key in os.environ.get("SECRET_KEY_FALLBACKS", "").split(",") if key]
DEBUG = False
ALLOWED_HOSTS = [host for host in os.environ.get("ALLOWED_HOSTS", "").split(",") if host]
CSRF_TRUSTED_ORIGINS = [origin for origin in os.environ.get("CSRF_TRUSTED_ORIGINS", "").split(",") if origin]

INSTALLED_APPS = [
    "daphne",  # first, so that runserver is Channels' own server
    "unfold",  # before django.contrib.admin, whose templates it replaces
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "django_prometheus",
    "ninja",  # its API page is served from our own static files
    "apps.realtime",
    "apps.accounts",
    "apps.waitingroom",
    "apps.streams",
    "apps.audience",
    "apps.analytics",
    "apps.operations",
]

MIDDLEWARE = [
    "apps.operations.middleware.health_checks",
    "apps.operations.middleware.rankings_of_the_moment",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "apps.operations.middleware.content_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "apps.operations.admin_addresses.admin_addresses",  # before who leads /admin to /admin/
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.operations.admin_addresses.house_addresses",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
    "apps.operations.middleware.in_one_thread",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- stores -------------------------------------------------------------------------------------------------------

DATABASES: dict[str, Any] = {"default": dj_database_url.config(env="DATABASE_URL", default="sqlite://:memory:")}
# Replicas to read the past from, by purpose: see apps.analytics.readers. Without any, none of it is there.
READERS = reader_databases(
    {
        "ranking": os.environ.get("RANKING_DATABASE_URL", ""),
        "history": os.environ.get("HISTORY_DATABASE_URL", ""),
        "analytics": os.environ.get("ANALYTICS_DATABASE_URL", ""),
    }
)
if READERS:
    DATABASES |= READERS
    DATABASE_ROUTERS = ["apps.analytics.readers.ReaderRouter"]
    MIDDLEWARE.insert(-1, "apps.analytics.readers.own_writes")
# A replica further behind than this is not read from.
READER_LAG_TOLERATED_S = float(os.environ.get("READER_LAG_TOLERATED_S", "10"))

# The data Redis: counts and lines. redis://, rediss:// or redis+cluster://host:port,host:port
REDIS_URL = os.environ.get("REDIS_URL", "")
# The support Redis: channel layer, Celery and cache, none of which speaks Cluster.
SUPPORT_REDIS_URL = os.environ.get("SUPPORT_REDIS_URL", "") or REDIS_URL

# A cache that cannot be reached is an empty cache: pages and sign-in go on, slower, from the database.
CACHES: dict[str, Any] = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": SUPPORT_REDIS_URL,
        "OPTIONS": {"IGNORE_EXCEPTIONS": True},
    },
    # What everybody sees alike, for a second: counts on it then move by the page's socket.
    "moment": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "moment", "TIMEOUT": 1},
}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
# Control events between processes only: one channel a process. Publish/subscribe re-subscribes by itself after Redis
# restarts empty, and a lost event is made good by the next heartbeat.
CHANNEL_LAYERS: dict[str, Any] = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [SUPPORT_REDIS_URL], "prefix": "fullhouse"},
    }
}

CELERY_BROKER_URL = SUPPORT_REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TIMEZONE = "Asia/Seoul"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# --- sockets ------------------------------------------------------------------------------------------------------

# Accepted sockets a process; past it new ones are told to come back later. The reference planned for 50,000 a server.
REALTIME_MAX_SOCKETS = int(os.environ.get("REALTIME_MAX_SOCKETS", "50000"))
# Drift between Redis and the servers that is put down to joins and leaves under way.
AUDIENCE_DRIFT_TOLERATED = 5
AUDIENCE_DRIFT_TOLERATED_SHARE = 0.01
# For how long an answer of /api/rankings serves everybody who asks the same: figures are read as often for the sockets.
RANKINGS_KEPT_S = 0.5

# --- the past -----------------------------------------------------------------------------------------------------

# Whole months, days and years that are kept before the one that runs; 0 keeps all of them.
HISTORY_KEPT_MONTHS = int(os.environ.get("HISTORY_KEPT_MONTHS", "24"))
SESSIONS_KEPT_DAYS = int(os.environ.get("SESSIONS_KEPT_DAYS", "30"))
# Days after which a broadcaster has forgotten a viewer, who then is new again; 0: never. Not before the sessions go.
VISITORS_KEPT_DAYS = int(os.environ.get("VISITORS_KEPT_DAYS", "90"))
# Sessions that are over and wait in Redis for the database; past it they are dropped, counted and complained about.
SESSIONS_WAITING_MAX = int(os.environ.get("SESSIONS_WAITING_MAX", "2000000"))
STATISTICS_KEPT_YEARS = int(os.environ.get("STATISTICS_KEPT_YEARS", "0"))

# --- waiting room -------------------------------------------------------------------------------------------------

# New places a second that one client address may ask of one process, ten seconds' worth at once; 0: as many as it
# likes. An app's own servers, which ask for all their users, need more or 0.
GATE_JOINS_PER_ADDRESS_S = int(os.environ.get("GATE_JOINS_PER_ADDRESS_S", "500"))
# Days that the minutes of zone_statistics are kept; 0 keeps all of them.
ZONE_STATISTICS_KEPT_DAYS = int(os.environ.get("ZONE_STATISTICS_KEPT_DAYS", "400"))

# --- alerts -------------------------------------------------------------------------------------------------------

# Where this site is, for links in notices, such as https://live.example; empty: notices have no links.
SITE_ADDRESS = os.environ.get("SITE_ADDRESS", "").rstrip("/")
# Services that notices may be sent through, by the scheme of an Apprise address.
ALERT_SCHEMES = [
    scheme.strip()
    for scheme in os.environ.get("ALERT_SCHEMES", "slack,workflow,workflows,mailto,mailtos,jsons").lower().split(",")
    if scheme.strip()
]
# Hosts that notices may be sent to although they aren't public ones, such as the company's own mail server.
ALERT_INTERNAL_HOSTS = [
    host.strip() for host in os.environ.get("ALERT_INTERNAL_HOSTS", "").lower().split(",") if host.strip()
]
# Days that alerts which are over are kept; 0 keeps all of them.
ALERTS_KEPT_DAYS = int(os.environ.get("ALERTS_KEPT_DAYS", "400"))

# --- accounts, languages, files -----------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["apps.accounts.backends.AccountBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "accounts:sign-in"
LOGIN_REDIRECT_URL = "streams:directory"
LOGOUT_REDIRECT_URL = "streams:directory"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("ko", _("Korean"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
# Dates as operators write them, the same in both languages.
FORMAT_MODULE_PATH = ["config.formats"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Asia/Seoul"

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(os.environ.get("FULLHOUSE_STATIC_ROOT", BASE_DIR / "var" / "staticfiles"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.storage.ModuleStaticFilesStorage"},
}

# The API's limits go by the peer's address. Whose forwarded header is to be believed is the server's business.
NINJA_NUM_PROXIES = 0

UNFOLD = {
    "SITE_TITLE": "Fullhouse",
    "SITE_HEADER": "Fullhouse",
    "SITE_ICON": "apps.operations.admin_sidebar.icon",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "apps.operations.admin_sidebar.icon"}],
    "SITE_URL": "/",
    "SHOW_LANGUAGES": True,
    # The blue of the site's own pages; red is for what is live and for what cannot be undone.
    "COLORS": {
        "primary": {
            "50": "#eff4ff",
            "100": "#dbe5ff",
            "200": "#bfd0ff",
            "300": "#9db7ff",
            "400": "#8ba5ff",
            "500": "#6d8dff",
            "600": "#1f4fff",
            "700": "#1a3fd6",
            "800": "#1a37aa",
            "900": "#1b3285",
            "950": "#141f52",
        },
    },
    "SIDEBAR": {"navigation": "apps.operations.admin_sidebar.sidebar"},
    "STYLES": ["apps.operations.admin_sidebar.style"],
    "SCRIPTS": ["apps.operations.admin_sidebar.script"],
    "DASHBOARD_CALLBACK": "apps.operations.dashboard_views.dashboard_context",
}

# --- security -----------------------------------------------------------------------------------------------------

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
# Networks from which the admin can be reached; none: from everywhere.
ADMIN_ALLOWED_ADDRESSES = [one for one in os.environ.get("ADMIN_ALLOWED_ADDRESSES", "").split(",") if one.strip()]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
# A page of the admin's list of zones is 250 fields, and a question about zones chosen across pages one a zone.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000

# --- logging ------------------------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("LOG_LEVEL", "INFO")},
    # At lower levels these tell whole addresses of alert channels, which are secrets.
    "loggers": {"apprise": {"level": "WARNING"}, "urllib3": {"level": "WARNING"}},
}

# --- role gate ----------------------------------------------------------------------------------------------------

if ROLE == "gate":
    # The waiting room's tier has no database, no accounts and no cache to be slowed down by: zones come from Redis, all
    # else from the tokens that people hold. apps.waitingroom isn't installed, because that would load its models.
    DATABASES = {}
    DATABASE_ROUTERS = []
    INSTALLED_APPS = ["django.contrib.staticfiles", "django_prometheus", "apps.realtime"]
    # Django itself serves health and metrics here. The waiting page says what the rest of the middleware would.
    MIDDLEWARE = [
        "apps.operations.middleware.health_checks",
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "apps.operations.middleware.in_one_thread",
    ]
    ROOT_URLCONF = "config.gate_urls"
    TEMPLATES[0]["OPTIONS"] = {}
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    CHANNEL_LAYERS = {}
