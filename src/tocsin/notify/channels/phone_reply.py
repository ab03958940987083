"""What people answer over the phone: replies to messages, and keys pressed in a call.

In: headers and the bytes as they came (a form, as Twilio sends it), the tokens that count, the address it was sent to,
the instant. Out: `Heard`, answered in TwiML.
Invariants: nothing is believed before the signature over address and fields is compared in constant time; the id of
the message or call is part of the key; an answer that names no incident does nothing: it is asked for, never guessed.
The signature has no time in it (the provider's own form): a repetition is recognised by its id, for as long as command
ids are remembered, and a code counts for a week only.
Source: the vendor's pages on validating requests and on TwiML.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from msgspec.structs import replace

from tocsin.domain.instant import Instant
from tocsin.notify.channel import Asked, Forged, Heard, Malformed
from tocsin.notify.channels.phone_text import number_of
from tocsin.notify.message import one_line

HEADER: Final = "x-twilio-signature"
TOKENS_MAX: Final = 2
"""The one in force and the one that follows it, while it is changed."""
BODY_BYTES_MAX: Final = 64 * 1024
FIELDS_MAX: Final = 200
"""A message has about 30."""
TEXT_MAX: Final = 1600
"""Characters of a message, as the vendor limits it."""
REASON_MAX: Final = 300
TWIML: Final = "text/xml"

VERBS: Final[Mapping[str, str]] = {
    "ack": "acknowledge",
    "acknowledge": "acknowledge",
    "resolve": "resolve",
    "resolved": "resolve",
}
"""First word of a reply to verb."""
SAID: Final = "<Response/>"
"""Nothing is said: whoever answers automatically is not answered, lest two programs talk all night."""


def checked_tokens(tokens: Sequence[str], public_url: str) -> tuple[str, ...]:
    """The provider's tokens.

    Raises:
        ValueError: there are too many, one is empty, or the address that they sign is missing.
    """
    if len(tokens) > TOKENS_MAX:
        raise ValueError(f"auth_tokens: {len(tokens)} are too many; at most {TOKENS_MAX} count at a time")
    if not all(tokens):
        raise ValueError("auth_tokens: an empty one signs nothing")
    if tokens and not public_url:
        raise ValueError("public_url: missing; the provider signs the address that it calls")
    return tuple(tokens)


def heard(
    tokens: Sequence[str],
    public_url: str,
    headers: Mapping[str, str],
    body: bytes,
    now: Instant,
    *,
    voice: bool,
    own: Collection[str] = (),
) -> Heard:
    """What a reply asks for. `own`: numbers that may answer although they are nobody's in the directory.

    Raises:
        Forged: no signature of ours.
        Malformed: signed, and no message and no call.
    """
    fields = _fields(body)
    if not _signed(tokens, public_url, fields, headers.get(HEADER, "")):
        raise Forged("the signature of the reply is missing or wrong")
    named = dict(fields)
    found = _called(named, now) if voice else _written(named, now)
    asked = tuple(replace(one, known_only=one.sender not in own) for one in found.asked)
    return replace(found, asked=asked)


def _fields(body: bytes) -> list[tuple[str, str]]:
    try:
        if len(body) > BODY_BYTES_MAX:
            raise ValueError
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError:  # also of decoding
        raise Forged("no form, so that nothing can be signed") from None


def signature(token: str, public_url: str, fields: Sequence[tuple[str, str]]) -> str:
    """Base64 of HMAC-SHA1 over the address and every field, sorted, name and value without anything between."""
    signed = public_url + "".join(name + value for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode("ascii")


def _signed(tokens: Sequence[str], public_url: str, fields: Sequence[tuple[str, str]], given: str) -> bool:
    wanted = [signature(token, public_url, fields).encode() for token in tokens]
    same = [hmac.compare_digest(one, given.encode("utf-8", "replace")) for one in wanted]
    return any(same)


def _written(fields: Mapping[str, str], now: Instant) -> Heard:
    """A message: `ACK 21-7`, with or without words behind."""
    key = fields.get("MessageSid") or fields.get("SmsSid")
    if not key or "From" not in fields:
        raise Malformed("the reply has no MessageSid or no From")
    words = one_line(fields.get("Body", ""), TEXT_MAX).split()
    verb = VERBS.get(words[0].lower().rstrip(".:,!")) if words else None
    if verb is None:
        return _said(SAID)
    number, rest = _number(words[1:], now)
    if not number:
        return _said(_message(f"Which one? Write {words[0]} and the code of the message, such as {words[0]} 21-7."))
    asked = _asked(key, verb, number, sender=fields["From"], reason=rest)
    return _said(_message(f"Taken: {verb} {number}."), asked)


def _called(fields: Mapping[str, str], now: Instant) -> Heard:
    """Keys pressed in a call: `21*7`."""
    key = fields.get("CallSid")
    if not key or "From" not in fields:
        raise Malformed("the reply has no CallSid or no From")
    digits = fields.get("Digits", "")
    number = number_of(digits, now)
    if not number:
        return _said(_say("Nothing was acknowledged." if digits else ""))
    called = fields.get("Direction", "").startswith("outbound")  # then From is ours, and To is the person
    asked = _asked(f"{key}/{digits}", "acknowledge", number, sender=fields.get("To" if called else "From", ""))
    return _said(_say("Thank you. Your answer is taken."), asked)


def _number(words: Sequence[str], now: Instant) -> tuple[str, str]:
    """The number that is named, and the words behind it. `21 7` is a code, too."""
    if not words:
        return "", ""
    first = words[0].strip("#.,;:!")
    if number := number_of(first, now):
        return number, " ".join(words[1:])
    if len(words) > 1 and re.fullmatch(r"\d{1,2}", first) and (second := words[1].strip("#.,;:!")).isdecimal():
        return number_of(f"{first}-{second}", now), " ".join(words[2:])
    return "", ""


def _asked(key: str, verb: str, number: str, *, sender: str, reason: str = "") -> Asked:
    return Asked(
        key=one_line(key, 200),
        verb=verb,
        incident=number,
        reason=one_line(reason or "over the phone", REASON_MAX),
        sender=one_line(sender, 64),
    )


def _said(body: str, *asked: Asked) -> Heard:
    return Heard(body=f'<?xml version="1.0" encoding="UTF-8"?>{body}'.encode(), content_type=TWIML, asked=asked)


def _message(text: str) -> str:
    return f"<Response><Message>{escape(text)}</Message></Response>"


def _say(text: str) -> str:
    return f"<Response><Say>{escape(text)}</Say></Response>" if text else SAID
