"""Settings whose Slack provider ends the event loop, as no provider should, at a text that says so."""

from __future__ import annotations

from notifications.channels.base import Outgoing
from notifications.channels.slack.web_api import SlackApi
from project import settings as usual

END = "End of the loop"

globals().update({name: getattr(usual, name) for name in dir(usual) if name.isupper()})
CHANNELS = {**usual.CHANNELS, "SLACK": {**usual.CHANNELS["SLACK"], "route": [f"{__name__}.Ending"]}}


class Ending(SlackApi):
    async def asend(self, notification: Outgoing) -> str:
        if notification.message == END:
            raise SystemExit
        return await super().asend(notification)
