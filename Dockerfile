# One image for every command: the web is the default, the others are named in compose.yaml and deploy/.
FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1 AS build
WORKDIR /app
RUN python -m venv /venv
ENV PATH="/venv/bin:$PATH"
COPY requirements.lock ./
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY manage.py ./
COPY project/ project/
COPY users/ users/
COPY notifications/ notifications/
COPY dlq/ dlq/
# In this stage the settings take the embedded default, which needs no secret; VAR_DIR stays here.
RUN VAR_DIR=/tmp/var python manage.py collectstatic --noinput --verbosity 0 \
    && python -m compileall -q /app

FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1
LABEL org.opencontainers.image.description="Notification platform: e-mail, Slack and SMS over Kafka"
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin app
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
# GRANIAN_LOG_CONFIG: the server logs as its application does, which it finds by PYTHONPATH.
# PYTHONTZPATH= (empty): time zones are those of the lock, not of the base image, so all processes of a version agree.
# EMBEDDED=false: without DATABASE_URL or KAFKA_BOOTSTRAP_SERVERS a container says so and ends.
ENV PATH="/venv/bin:$PATH" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 EMBEDDED=false VAR_DIR=/tmp/notifications \
    PYTHONPATH=/app PYTHONTZPATH="" GRANIAN_LOG_CONFIG=/app/project/logs/granian.json
USER 10001
EXPOSE 8020
STOPSIGNAL SIGTERM
# For the web; compose.yaml switches it off for the workers.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8020/health/live', timeout=2)"]
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8020", "--no-ws", "--workers", "1", "--http", "1", "--backpressure", "512", "--blocking-threads", "512", "--workers-kill-timeout", "20", "project.wsgi:application"]
