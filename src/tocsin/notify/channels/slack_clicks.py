"""What people press in Slack: the check of its signature, and what it asks for.

In: a call of Slack's, or the payload of an interaction. Out: `Heard`, `Asked`. Invariants: nothing is read before its
signature is checked (https://docs.slack.dev/authentication/verifying-requests-from-slack); one click has one key,
however often Slack tells of it; what is no button of ours asks for nothing.
It answers nobody in Slack, and does not know who a member is.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

import orjson
from slack_sdk.signature import Clock, SignatureVerifier

from tocsin.domain.instant import Instant
from tocsin.notify.channel import Asked, Forged, Heard, Malformed
from tocsin.notify.channels.slack_blocks import VERBS
from tocsin.notify.message import one_line

SECRETS_MAX: Final = 2
"""Signing secrets at once: Slack signs with the old one for some hours after a new one is made."""
ACTIONS_MAX: Final = 25
"""Of one interaction: as many as an actions block can have elements."""
INCIDENT_MAX: Final = 200
"""Characters of an incident's id in a button."""

_STAMP: Final = re.compile(r"[0-9]{1,11}")
_SIGNATURE: Final = re.compile(r"v0=[0-9a-f]{64}")
_WORD: Final = re.compile(r"[\x21-\x7e]{1,64}")


class _At(Clock):
    """The instant of the call, for the SDK's check of its age."""

    def __init__(self, now: Instant) -> None:
        self._now = now

    def now(self) -> float:
        return self._now.timestamp()


def heard(headers: Mapping[str, str], body: bytes, now: Instant, secrets: tuple[str, ...]) -> Heard:
    """What a call of Slack's asks for. Slack is answered with nothing: whatever the page says changes by an update.

    Raises:
        Forged: the signature is of none of `secrets`, or more than five minutes off.
        Malformed: signed, but no interaction and no challenge.
    """
    check(headers, body, now, secrets)
    if body.lstrip()[:1] == b"{":
        return _challenge(_json(body))
    try:
        fields = parse_qs(body.decode("utf-8"), strict_parsing=True, max_num_fields=100)
    except ValueError:
        raise Malformed("neither a form nor JSON") from None
    if len(fields.get("payload", ())) != 1:
        raise Malformed("the form has no field 'payload'")
    return Heard(body=b"", asked=asked_in(_json(fields["payload"][0].encode("utf-8", "replace"))))


def check(headers: Mapping[str, str], body: bytes, now: Instant, secrets: tuple[str, ...]) -> None:
    """Nothing when the call is Slack's.

    Raises:
        Forged: it is not, or there is no secret to tell by.
    """
    stamp, signature = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
    if not secrets:
        raise Forged("the channel has no signing_secrets")
    if not _STAMP.fullmatch(stamp) or not _SIGNATURE.fullmatch(signature):
        raise Forged("no signature of Slack's form")
    try:
        genuine = [SignatureVerifier(secret, _At(now)).is_valid(body, stamp, signature) for secret in secrets]
    except UnicodeDecodeError:
        raise Forged("a body that is not UTF-8 is none of Slack's") from None
    if not any(genuine):
        raise Forged("the signature is wrong or too old")


def asked_in(payload: Mapping[str, Any]) -> tuple[Asked, ...]:
    """The requests in an interaction's payload (https://docs.slack.dev/reference/interaction-payloads); none for what
    is no button with a verb.

    Raises:
        Malformed: it is not of Slack's form.
    """
    if not isinstance(payload.get("type"), str):
        raise Malformed("the payload has no type")
    if payload["type"] != "block_actions":
        return ()
    user, actions = payload.get("user"), payload.get("actions")
    if not isinstance(user, Mapping) or not isinstance(actions, list) or len(actions) > ACTIONS_MAX:
        raise Malformed("the payload names no user, or no actions")
    sender = _word(user, "id")
    return tuple(_asked(action, user, sender) for action in actions if _is_ours(action))


def place_of(payload: Mapping[str, Any]) -> tuple[str, str]:
    """Channel and thread that an interaction happened in; empty where the payload does not say."""
    container, channel = payload.get("container"), payload.get("channel")
    inside: Mapping[str, Any] = container if isinstance(container, Mapping) else {}
    where: Mapping[str, Any] = channel if isinstance(channel, Mapping) else {}
    return str(inside.get("channel_id") or where.get("id") or ""), str(inside.get("thread_ts") or "")


def _is_ours(action: object) -> bool:
    return isinstance(action, Mapping) and action.get("type") == "button" and action.get("action_id") in VERBS


def _asked(action: Mapping[str, Any], user: Mapping[str, Any], sender: str) -> Asked:
    incident = action.get("value")
    if not isinstance(incident, str) or not 0 < len(incident) <= INCIDENT_MAX:
        raise Malformed("the button names no incident")
    verb = str(action["action_id"])
    name = one_line(user.get("name") or user.get("username") or "", 100)
    key = f"{sender}.{_word(action, 'action_ts')}.{verb}"
    return Asked(key=key, verb=verb, incident=incident, sender=sender, sender_name=name)


def _word(given: Mapping[str, Any], name: str) -> str:
    word = given.get(name)
    if not isinstance(word, str) or not _WORD.fullmatch(word):
        raise Malformed(f"the payload has no {name}")
    return word


def _challenge(given: Mapping[str, Any]) -> Heard:
    """Slack's question when the address is set; other events are taken and ask for nothing."""
    challenge = given.get("challenge")
    if given.get("type") == "url_verification" and isinstance(challenge, str):
        return Heard(body=orjson.dumps({"challenge": challenge[:1000]}))
    return Heard(body=b"")


def _json(text: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Malformed("the payload is not JSON") from None
    if not isinstance(found, dict):
        raise Malformed("the payload is no object")
    return found
