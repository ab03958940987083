"""Signatures after Standard Webhooks (https://www.standardwebhooks.com): made for what goes out, checked on what
comes in.

In: keys, the id of a message, the second it is sent, its body. Out: the header's value, or the id of a message that is
genuine. Invariants: comparisons take constant time; a message older or newer than five minutes is forged; an error
repeats nothing of what came in. What was seen before it does not know: the id is the key of what follows from it.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from tocsin.domain.instant import Instant
from tocsin.notify.channel import Forged

TOLERANCE: Final = timedelta(minutes=5)
"""How far the clocks of sender and receiver may be apart: the value that the specification's own libraries use."""
KEYS_MAX: Final = 2
"""Active at once: the new one, and the one before until everybody has the new one."""
SIGNATURES_MAX: Final = 16
"""In one header: each costs a comparison."""
ID_MAX: Final = 128
"""Characters of an id: a command id is made of it."""
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the mark of a secret, not one
TOKEN_HEADER: Final = "x-tocsin-token"  # noqa: S105 - the name of a header
"""For callers that cannot sign."""

_ID: Final = re.compile(rf"[\x21-\x7e]{{1,{ID_MAX}}}")
_STAMP: Final = re.compile(r"[0-9]{1,11}")


def key_of(secret: str) -> bytes:
    """The key in a secret: base64 behind `whsec_`, else its own bytes.

    Raises:
        ValueError: behind `whsec_` there is no base64.
    """
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("secret: behind whsec_ there must be base64")
    return key


def keys_of(secrets: Sequence[str], option: str = "secret") -> tuple[bytes, ...]:
    """The keys of all secrets that are not empty, each once, in their order.

    Raises:
        ValueError: one is none, or there are more than `KEYS_MAX`; the message names the option, no secret.
    """
    try:
        keys = tuple(dict.fromkeys(key_of(secret) for secret in secrets if secret))
    except ValueError:
        raise ValueError(f"{option}: behind whsec_ there must be base64") from None
    if len(keys) > KEYS_MAX:
        raise ValueError(f"{option}: {len(keys)} keys; at most {KEYS_MAX} are active at once")
    return keys


def signature(key: bytes, identifier: str, stamp: str, body: bytes) -> str:
    """`v1,` and the base64 HMAC-SHA256 over `id.timestamp.body`."""
    signed = b".".join((identifier.encode(), stamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")


def signatures(keys: Sequence[bytes], identifier: str, stamp: str, body: bytes) -> str:
    """The header `webhook-signature`: one signature for each key, divided by blanks."""
    return " ".join(signature(key, identifier, stamp, body) for key in keys)


def verify(keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: Instant) -> str:
    """The id of a message that one of `keys` signed within `TOLERANCE` of `now`. `headers` have lower-case names; the
    body is the one that came over the wire, byte by byte.

    Raises:
        Forged: unsigned, wrongly signed, too old or too new, or there is no key to check it with.
    """
    if not keys:
        raise Forged("nothing is taken here: the channel has no key to check a signature with")
    identifier, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (_ID.fullmatch(identifier) and _STAMP.fullmatch(stamp)):
        raise Forged("webhook-id or webhook-timestamp is missing or no such value")
    given = [one.encode("utf-8", "replace") for one in headers.get("webhook-signature", "").split(" ") if one]
    if len(given) > SIGNATURES_MAX:
        raise Forged(f"webhook-signature has more than {SIGNATURES_MAX} signatures")
    right = False
    for key in keys:
        expected = signature(key, identifier, stamp, body).encode()
        for one in given:  # each is compared, so that the time tells nothing
            right |= hmac.compare_digest(expected, one)
    if not right:
        raise Forged("webhook-signature is missing or wrong")
    if abs(now.timestamp() - int(stamp)) > TOLERANCE.total_seconds():
        raise Forged(f"webhook-timestamp is more than {TOLERANCE.seconds // 60} minutes away")
    return identifier


def is_token(tokens: Sequence[str], given: str) -> bool:
    """Whether `given` is one of `tokens`, in constant time. An empty one never is."""
    digest = hashlib.sha256(given.encode("utf-8", "replace")).digest()
    found = False
    for token in tokens or ("",):
        found |= hmac.compare_digest(hashlib.sha256(token.encode()).digest(), digest) and bool(token)
    return found
