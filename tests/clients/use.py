"""Uses a generated Python client: `python use.py URL KEY`."""

from __future__ import annotations

import sys

import openapi_client as api

url, key = sys.argv[1:]
with api.ApiClient(api.Configuration(host=url, access_token=key)) as client:
    notifications, users = api.NotificationsApi(client), api.UsersApi(client)
    request = api.SubmissionRequest(type="EMAIL", receiver="ann@example.com", message="Hello")
    sent = notifications.submit_notification(request, idempotency_key="python")
    row = notifications.read_notification(sent.id)
    page = notifications.list_notifications(page_size=1)
    ann = api.UserEntryRequest(devices=[api.DeviceShapeRequest(type="EMAIL", address="ann@example.com")])
    users.put_user("python", ann)
    device = users.read_user("python").devices[0]
    sys.stdout.write(f"{sent.id} {row.type.value} {row.status.value} {len(page.results)} {device.address}\n")
