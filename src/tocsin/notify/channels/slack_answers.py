"""What Slack's refusals mean: whether another attempt is worth it, and what a person has to do about it.

In: the answer of a Web API call that failed. Out: `Sent`. Invariant: a detail is made of our own words and of Slack's
error word, so that no token can be in it. Source of the words: "Errors" of the methods' pages, https://docs.slack.dev.
It decides on no retry: that is done in notify.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from slack_sdk.errors import SlackApiError

from tocsin.notify.channel import Sent
from tocsin.notify.channels.webhook import judged, retry_after

GONE: Final = frozenset({"message_not_found", "thread_not_found", "cant_update_message"})
"""The message that was to be changed is not there any more, or was another app's: it is posted anew."""
FIXED: Final = frozenset({"edit_window_closed"})
"""The message is there and may not be changed any more: what is new stands in its thread."""
NOT_PERMITTED: Final = frozenset({"missing_scope", "not_in_channel", "channel_not_found", "not_allowed_token_type"})
"""What keeps a bot that may post from reading what it has posted."""
ANOTHER_SECONDS: Final = 30.0
"""What Slack asks for when it names no time: the least of its rate limits are counted by the minute."""

_TOKEN: Final = "copy the Bot User OAuth Token of the app (xoxb-…) into the option token"  # noqa: S105 - no token
_REMEDIES: Final[Mapping[str, str]] = {
    "invalid_auth": _TOKEN,
    "not_authed": _TOKEN,
    "token_expired": _TOKEN,
    "token_revoked": f"install the app again and {_TOKEN}",
    "account_inactive": f"the app was removed from the workspace: install it again and {_TOKEN}",
    "not_allowed_token_type": _TOKEN,
    "missing_scope": "give the app the scope and install it again",
    "channel_not_found": "there is no such channel, or it is private and the bot is not in it: take the channel's id "
    "and invite the bot with /invite",
    "user_not_found": "there is no such member: take the member id of the person's profile",
    "users_not_found": "there is no such member: take the member id of the person's profile",
    "not_in_channel": "invite the bot into the channel with /invite, or give the app the scope chat:write.public",
    "is_archived": "the channel is archived: unarchive it or take another",
    "restricted_action": "the workspace lets only some people post there: allow the app, or take another channel",
    "cannot_dm_bot": "the contact is a bot: take the member id of a person",
    "messages_tab_disabled": "switch on the Messages Tab in the App Home of the app",
    "ip_not_allowed": "allow the address of this server in the app's settings",
    "access_denied": "an administrator of the workspace has to allow the app",
    "ekm_access_denied": "an administrator of the workspace has to allow the app",
    "org_login_required": "an administrator of the workspace has to allow the app",
    "team_access_not_granted": "an administrator of the organisation has to add the app to the workspace",
    "no_permission": "an administrator of the workspace has to allow the app",
    "invalid_blocks": "this is a mistake of tocsin: please report it",
    "invalid_blocks_format": "this is a mistake of tocsin: please report it",
    "msg_too_long": "this is a mistake of tocsin: please report it",
    "msg_blocks_too_long": "this is a mistake of tocsin: please report it",
    "no_text": "this is a mistake of tocsin: please report it",
}
"""Slack's word to what has to be done: the same message would be refused again until then."""
_LOGIN: Final = frozenset({"invalid_auth", "not_authed", "token_expired", "token_revoked", "account_inactive"})
"""The token is wrong: no message is taken, whatever it says."""
_LIMITED: Final = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_WORD: Final = re.compile(r"[a-z0-9_:,.]{1,80}")


def word_of(error: SlackApiError) -> str:
    """Slack's word for what is wrong; empty when the answer was none of Slack's."""
    body = getattr(error.response, "data", None)
    word = body.get("error", "") if isinstance(body, Mapping) else ""
    return word if isinstance(word, str) and _WORD.fullmatch(word) else ""


def sent_of(error: SlackApiError) -> Sent:
    """What became of a send that Slack did not take. A word that is not known is worth another attempt: those that
    last are given up when the attempts are used up, and one that passes costs no page."""
    status, headers = _status_of(error), _headers_of(error)
    word = word_of(error)
    if word in _LIMITED or status == 429:
        return Sent("failed", f"slack: {word or 'ratelimited'}", _seconds(headers))
    if status != 200:
        found = judged(status, headers)
        return Sent(found.outcome, f"slack: {found.detail}{': ' if word else ''}{word}", found.retry_after_seconds)
    if not word:
        return Sent("failed", "slack: the answer is not Slack's")
    if remedy := _REMEDIES.get(word):
        return Sent("denied" if word in _LOGIN else "refused", f"slack: {word}{_needed(error)}: {remedy}")
    return Sent("failed", f"slack: {word}")


def _needed(error: SlackApiError) -> str:
    body: Any = getattr(error.response, "data", None)
    needed = str(body.get("needed", "")) if isinstance(body, Mapping) else ""
    return f" ({needed})" if _WORD.fullmatch(needed) else ""


def _status_of(error: SlackApiError) -> int:
    """The SDK gives its own response, or aiohttp's where the body could not be read."""
    status = getattr(error.response, "status_code", None) or getattr(error.response, "status", None)
    return status if isinstance(status, int) else 0


def _headers_of(error: SlackApiError) -> dict[str, str]:
    headers = getattr(error.response, "headers", None) or {}
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _seconds(headers: Mapping[str, str]) -> float:
    seconds = retry_after(headers)
    return ANOTHER_SECONDS if seconds is None else seconds
