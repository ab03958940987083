"""What PagerDuty calls back with: webhooks v3, checked and understood.

In: headers and the bytes as they came, the secrets that count, the instant. Out: `Heard`.
Invariants: the signature is compared in constant time before a byte is read; the id of the event is the key of what it
asks for, so that a repetition asks for the same; what concerns no incident of ours is answered with 200 and asks for
nothing: after three refusals PagerDuty would send nothing at all for a day.
Source: the vendor's pages on webhooks (overview, behaviour, signatures).
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from tocsin.domain.instant import Instant, as_utc
from tocsin.notify.channel import Asked, Forged, Heard, Malformed
from tocsin.notify.message import clean, one_line

HEADER: Final = "x-pagerduty-signature"
SECRETS_MAX: Final = 2
"""The one in force and the one that follows it, while it is changed."""
SIGNATURES_MAX: Final = 10
"""PagerDuty signs with as many secrets as a subscription has: two at the most."""
BODY_BYTES_MAX: Final = 256 * 1024
"""PagerDuty sends nothing larger."""
AHEAD_MAX: Final = timedelta(minutes=5)
AGE_MAX: Final = timedelta(hours=23)
"""How old what happened may be. Not five minutes: PagerDuty tries for 20 minutes and keeps up to 4,000 events waiting
behind one that it cannot deliver. Not more: command ids, which recognise a repetition, are remembered for 24 hours."""
NOTE_MAX: Final = 4000
WORD_MAX: Final = 200

VERBS: Final[Mapping[str, str]] = {
    "incident.acknowledged": "acknowledge",
    "incident.resolved": "resolve",
    "incident.reopened": "reopen",
    "incident.annotated": "note",
}
"""The others ask for nothing. `incident.unacknowledged` too: there is no verb for it; what is acknowledged here goes
stale by itself."""
OURS: Final = re.compile(r"inc_[a-z2-7]{3,60}")
NUMBER: Final = re.compile(r"\bINC-\d{4}-\d{2}-\d{2}-\d{3,9}\b")
PERSONLESS: Final = ("integration", "service")
"""In the type of an agent: an integration (ours among them), or a timer of the service such as its auto-resolve, which
knows nothing of what still fires here."""


def checked_secrets(secrets: Sequence[str]) -> tuple[str, ...]:
    """The secrets of the webhook subscription.

    Raises:
        ValueError: there are too many, or one is empty.
    """
    if len(secrets) > SECRETS_MAX:
        raise ValueError(f"webhook_secrets: {len(secrets)} are too many; at most {SECRETS_MAX} count at a time")
    if not all(secrets):
        raise ValueError("webhook_secrets: an empty one signs nothing")
    return tuple(secrets)


def heard(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: Instant) -> Heard:
    """What a webhook asks for.

    Raises:
        Forged: no signature of ours, or of something that happened too long ago or has yet to happen.
        Malformed: it is not of the form of a webhook v3.
    """
    if not _signed(secrets, headers.get(HEADER, ""), body):
        raise Forged("the signature of the webhook is missing or wrong")
    event = _event_of(body)
    happened_at = _instant(event.get("occurred_at"))
    if happened_at is None:
        raise Malformed("event.occurred_at is no instant")
    if not now - AGE_MAX <= happened_at <= now + AHEAD_MAX:
        raise Forged("the webhook tells of something too long ago, or of something that has yet to happen")
    asked = _asked(event)
    return Heard(body=b"{}", asked=(asked,) if asked else ())


def _signed(secrets: Sequence[str], header: str, body: bytes) -> bool:
    """Whether one of the signatures is of one of the secrets. All are compared, whichever it is."""
    words = [word.strip() for word in header.split(",", SIGNATURES_MAX)[:SIGNATURES_MAX]]
    given = [word.removeprefix("v1=").encode("utf-8", "replace") for word in words if word.startswith("v1=")]
    wanted = [hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode() for secret in secrets]
    same = [hmac.compare_digest(one, other) for one in wanted for other in given]
    return any(same)


def _event_of(body: bytes) -> dict[str, Any]:
    if len(body) > BODY_BYTES_MAX:
        raise Malformed(f"the body has more than {BODY_BYTES_MAX} bytes")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Malformed("the body is no JSON") from None
    event = document.get("event") if isinstance(document, dict) else None
    if not isinstance(event, dict):
        raise Malformed("the body has no object 'event'")
    if not isinstance(event.get("id"), str) or not event["id"] or not isinstance(event.get("event_type"), str):
        raise Malformed("the event has no id or no event_type")
    return event


def _asked(event: dict[str, Any]) -> Asked | None:
    verb = VERBS.get(event["event_type"])
    agent, content = _object(event.get("agent")), _object(event.get("data"))
    kind = agent.get("type")
    if verb is None or not isinstance(kind, str) or any(word in kind for word in PERSONLESS):
        return None
    if _object(content.get("resolve_reason")).get("type") == "merge_resolve_reason":
        return None  # merged into another incident there: that says nothing about ours
    incident, arguments = _incident_of(content), {}
    if verb == "note":
        incident = _noted(content)
        arguments = {"text": clean(content.get("content") or "", NOTE_MAX)}
        if not arguments["text"]:
            return None
    if not incident:
        return None
    return Asked(
        key=one_line(event["id"], WORD_MAX),
        verb=verb,
        incident=incident,
        arguments=arguments,
        reason="over PagerDuty",
        sender=one_line(agent.get("id") or "", WORD_MAX),
        sender_name=one_line(agent.get("summary") or "", WORD_MAX),
    )


def _incident_of(incident: Mapping[str, Any]) -> str:
    """Our id: it was the `dedup_key`, and PagerDuty makes it the key of the incident."""
    key = incident.get("incident_key")
    return key if isinstance(key, str) and OURS.fullmatch(key) else ""


def _noted(note: Mapping[str, Any]) -> str:
    """Our number: a note names its incident by PagerDuty's own id and by the title, and our titles have it."""
    title = _object(note.get("incident")).get("summary")
    found = NUMBER.search(title) if isinstance(title, str) else None
    return found.group() if found else ""


def _instant(text: object) -> Instant | None:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
        return as_utc(found) if found and found.tzinfo else None
    except (ValueError, OverflowError):  # the first hours of the year 1 have no UTC
        return None


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
