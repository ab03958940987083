"""What the receiver of a webhook may ask for: the body of a call back, read after its signature was found right.

In: the id of the call and its body. Out: `Asked`. Invariant: a field that is not known is refused, since its writer
counts on it. Which verbs may be asked for, and whether the incident exists, is decided where commands are made.
"""

from typing import Any, Final

import orjson

from tocsin.domain.command.argument import near
from tocsin.notify.channel import Asked, Malformed
from tocsin.notify.message import clean, one_line

BODY_BYTES_MAX: Final = 64 * 1024
"""As much as a command over the API may have."""
WORD_MAX: Final = 128
REASON_MAX: Final = 1000
KNOWN: Final = ("verb", "incident", "reason", "arguments", "sender", "sender_name")


def asked_of(key: str, body: bytes) -> Asked:
    """What a call asks for: `{verb, incident (id or number), reason?, arguments?, sender?, sender_name?}`.

    Raises:
        Malformed: it is not of that form; the message names the field.
    """
    document = object_of(body)
    if unknown := [name for name in document if name not in KNOWN]:
        raise Malformed(f"unknown field {one_line(unknown[0], 60)!r}{near(unknown[0], KNOWN)}")
    verb = text_of(document, "verb", WORD_MAX)
    if not verb:
        raise Malformed("verb is missing, such as acknowledge")
    incident = text_of(document, "incident", WORD_MAX)
    if not incident:
        raise Malformed("incident is missing: an id (inc_…) or a number (INC-…)")
    arguments = document.get("arguments", {})
    if not isinstance(arguments, dict):
        raise Malformed("arguments is not an object")
    return Asked(
        key=key,
        verb=verb,
        incident=incident,
        arguments=arguments,
        reason=clean(text_of(document, "reason", REASON_MAX), REASON_MAX),
        sender=one_line(text_of(document, "sender", WORD_MAX), WORD_MAX),
        sender_name=one_line(text_of(document, "sender_name", WORD_MAX), WORD_MAX),
    )


def object_of(body: bytes) -> dict[str, Any]:
    """The object in `body`.

    Raises:
        Malformed: there is none, or it is too long.
    """
    if len(body) > BODY_BYTES_MAX:
        raise Malformed(f"the body has more than {BODY_BYTES_MAX} bytes")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Malformed("the body is not JSON") from None
    if not isinstance(document, dict):
        raise Malformed("the body is not a JSON object")
    return document


def text_of(document: dict[str, Any], name: str, limit: int) -> str:
    """The text `name`, empty when it is not there.

    Raises:
        Malformed: it is no text, or longer than `limit` characters.
    """
    value = document.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(f"{name} is not a text")
    if len(value) > limit:
        raise Malformed(f"{name} has more than {limit} characters")
    return value.strip()
