"""What Slack's codes mean, from a webhook (as the text of a 4xx) and from the Web API (in a 200).

Out of https://docs.slack.dev/reference/methods/chat.postMessage (errors) and
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks (errors).
"""

from __future__ import annotations

from notifications.channels.meanings import (
    ACCOUNT_REFUSED,
    ACCOUNT_THROTTLED,
    BARRED,
    GONE,
    NOT_RECEIVED,
    OPTED_OUT,
    PROVIDER_FAILED,
    RECEIVER_THROTTLED,
    REJECTED_TEXT,
    UNCERTAIN,
    WRONG_REQUEST,
    Meaning,
)

CODES: dict[str, Meaning] = {
    # The receiver.
    "cannot_dm_bot": GONE,
    "channel_is_archived": GONE,
    "channel_not_found": GONE,
    "invalid_token": GONE,  # a webhook that does not exist
    "is_archived": GONE,
    "no_active_hooks": GONE,  # the webhook was switched off
    "no_service": GONE,  # the webhook was removed
    "no_service_id": GONE,
    "no_team": GONE,
    "team_disabled": GONE,
    "user_not_found": GONE,
    "action_prohibited": OPTED_OUT,  # an administrator forbids posting there
    "messages_tab_disabled": OPTED_OUT,
    "posting_to_general_channel_denied": OPTED_OUT,
    "restricted_action": OPTED_OUT,
    "restricted_action_non_threadable_channel": OPTED_OUT,
    "restricted_action_read_only_channel": OPTED_OUT,
    "restricted_action_thread_locked": OPTED_OUT,
    "restricted_action_thread_only_channel": OPTED_OUT,
    # This receiver by our app: a person has to invite it, or let it in.
    "access_denied": BARRED,
    "no_permission": BARRED,
    "not_in_channel": BARRED,
    # The text.
    "invalid_attachments": REJECTED_TEXT,
    "invalid_blocks": REJECTED_TEXT,
    "invalid_blocks_format": REJECTED_TEXT,
    "invalid_payload": REJECTED_TEXT,
    "missing_text_or_fallback_or_attachments": REJECTED_TEXT,
    "msg_blocks_too_long": REJECTED_TEXT,
    "msg_too_long": REJECTED_TEXT,
    "no_text": REJECTED_TEXT,
    "slack_connect_file_link_sharing_blocked": REJECTED_TEXT,
    "too_many_attachments": REJECTED_TEXT,
    "too_many_contact_cards": REJECTED_TEXT,
    # Our token, app or workspace.
    "accesslimited": ACCOUNT_REFUSED,  # not from our network
    "account_inactive": ACCOUNT_REFUSED,  # of a webhook it is about that one: see web_api.py
    "ekm_access_denied": ACCOUNT_REFUSED,
    "enterprise_is_restricted": ACCOUNT_REFUSED,
    "invalid_auth": ACCOUNT_REFUSED,
    "missing_scope": ACCOUNT_REFUSED,
    "not_allowed_token_type": ACCOUNT_REFUSED,
    "not_authed": ACCOUNT_REFUSED,
    "org_login_required": ACCOUNT_REFUSED,  # the workspace is being moved
    "team_access_not_granted": ACCOUNT_REFUSED,
    "token_expired": ACCOUNT_REFUSED,
    "token_revoked": ACCOUNT_REFUSED,
    "two_factor_setup_required": ACCOUNT_REFUSED,
    # Limits. One message a second for each channel is what Slack names; the workspace's own is far above it.
    "rate_limited": RECEIVER_THROTTLED,
    "ratelimited": RECEIVER_THROTTLED,
    "message_limit_exceeded": ACCOUNT_THROTTLED,  # the workspace's plan
    # How we ask.
    "as_user_not_supported": WRONG_REQUEST,
    "deprecated_endpoint": WRONG_REQUEST,
    "duplicate_channel_not_found": WRONG_REQUEST,
    "duplicate_message_not_found": WRONG_REQUEST,
    "invalid_arg_name": WRONG_REQUEST,
    "invalid_arguments": WRONG_REQUEST,
    "invalid_array_arg": WRONG_REQUEST,
    "invalid_charset": WRONG_REQUEST,
    "invalid_form_data": WRONG_REQUEST,
    "invalid_metadata_format": WRONG_REQUEST,
    "invalid_metadata_schema": WRONG_REQUEST,
    "invalid_post_type": WRONG_REQUEST,
    "metadata_must_be_sent_from_app": WRONG_REQUEST,
    "metadata_too_large": WRONG_REQUEST,
    "method_deprecated": WRONG_REQUEST,
    "missing_post_type": WRONG_REQUEST,
    # Slack itself.
    "request_timeout": NOT_RECEIVED,
    "rollup_error": PROVIDER_FAILED,
    "service_unavailable": PROVIDER_FAILED,
    "team_added_to_org": PROVIDER_FAILED,  # the workspace is being moved, and out of order at times
    "fatal_error": UNCERTAIN,  # "It is possible some aspect of the operation succeeded", say Slack's pages
    "internal_error": UNCERTAIN,
}
