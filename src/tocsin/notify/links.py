"""Addresses of this installation for messages, signed and expiring, and what they say when somebody opens one.

In: the address of the installation, secrets, a clock. Out: addresses; from the token of one that is opened, the `Link`
that was signed. Invariants: a link allows one verb on one incident, in the name of one recipient, until one instant;
signatures are compared in constant time; the first secret signs, all of them verify, so that one can be replaced. A
link is a bearer's: who has it, may. So a link that only shows is its own verb, and no link does anything by being
opened. It knows no incident, and stores nothing: that a link works once for a cause is the command id's part.
"""

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from tocsin.domain.errors import TocsinError
from tocsin.domain.ids import short_hash
from tocsin.domain.instant import Instant

ACKNOWLEDGE: Final = "acknowledge"
VIEW: Final = "view"
FORM: Final = "form"
ACKNOWLEDGE_LASTS: Final = timedelta(hours=24)
"""A page that nobody has answered for a day has been called again, with a link of its own."""
VIEW_LASTS: Final = timedelta(days=7)
"""It only shows, and people come back to it for the review."""
FORM_LASTS: Final = timedelta(hours=12)
"""A page that was left open over a shift."""
TOKEN_MAX: Final = 1024
"""Characters: ours have some 150; nothing longer is worth a look."""
MAC_BYTES: Final = 16
"""128 bits of HMAC-SHA256 (RFC 2104 §5: not less than half): links have to fit a short message."""
_PURPOSE: Final = b"tocsin link 1"
_HOUR: Final = 3600


class Link(msgspec.Struct, frozen=True, array_like=True):
    """What a link allows."""

    verb: str
    """`acknowledge`, `view`, or `form:<verb>` for a form of the incident page."""
    incident: str
    """Id."""
    expires: int
    """Unix seconds."""
    who: str = ""
    """The recipient; of a form, the visitor that it was shown to."""
    once: str = ""
    """The delivery; of a form, its own number: the command id is made of it."""

    @property
    def command_id(self) -> str:
        """The same for every use of the link: the second one changes nothing."""
        return f"cmd_{short_hash('link', self.verb, self.incident, self.who, self.once)}"


class BadLink(TocsinError):
    """The token is none of ours. The message repeats nothing of it."""


class Expired(BadLink):
    """It was one of ours; `link` says which."""

    def __init__(self, link: Link) -> None:
        super().__init__("the link has expired")
        self.link = link


class SignedLinks:
    """Makes and reads the links of one installation (the port `Links`)."""

    def __init__(
        self,
        base: str,
        secrets: Sequence[bytes],
        now: Callable[[], Instant],
        *,
        form_secret: bytes,
        acknowledge_lasts: timedelta = ACKNOWLEDGE_LASTS,
        signs_views: bool = True,
    ) -> None:
        """
        Args:
            base: the address under which people reach tocsin, without a slash at its end; empty = no links at all.
            secrets: the first signs; none = nothing can be acknowledged or shown by a link alone.
            form_secret: signs forms where there are no secrets; may be this process's own.
            signs_views: whether an incident page is only shown to who has a link.
        """
        self._base = base
        self._keys = [_key(secret) for secret in secrets]
        self._form_keys = self._keys or [_key(form_secret)]
        self._now = now
        self._acknowledge_lasts = acknowledge_lasts
        self._signs_views = signs_views

    # ---- the port ----------------------------------------------------------------------------------------------------

    def page(self, incident_id: str) -> str:
        """The page of an incident, to be read."""
        if not self._base:
            return ""
        plain = f"{self._base}/i/{incident_id}"
        if not (self._keys and self._signs_views):
            return plain
        return f"{plain}?t={self.token(VIEW, incident_id, VIEW_LASTS)}"

    def acknowledge(self, incident_id: str, recipient: str, delivery_id: str) -> str:
        """Where `recipient` acknowledges with one tap; empty without a secret."""
        if not (self._base and self._keys):
            return ""
        lasts = self._acknowledge_lasts
        return f"{self._base}/a/{self.token(ACKNOWLEDGE, incident_id, lasts, who=recipient, once=delivery_id)}"

    # ---- tokens ------------------------------------------------------------------------------------------------------

    def form(self, verb: str, incident_id: str, who: str, once: str) -> str:
        """The one-time value of a form that does `verb`; `once` is its number."""
        return self.token(f"{FORM}:{verb}", incident_id, FORM_LASTS, who=who, once=once)

    def token(self, verb: str, incident_id: str, lasts: timedelta, *, who: str = "", once: str = "") -> str:
        """A signed token, valid for `lasts`, of an hour and more to the next full hour: the same text for a while."""
        keys = self._form_keys if verb.startswith(FORM) else self._keys
        expires = int((self._now() + lasts).timestamp()) + 1
        if lasts.total_seconds() >= _HOUR:
            expires = -(-expires // _HOUR) * _HOUR
        payload = msgspec.msgpack.encode(Link(verb, incident_id, expires, who, once))
        return f"{_text(payload)}.{_text(_mac(keys[0], payload))}"

    def opened(self, token: str) -> Link:
        """What `token` allows.

        Raises:
            Expired: it did.
            BadLink: it is forged, cut, or signed with a secret that is gone.
        """
        payload, mac = _parts(token)
        found = [hmac.compare_digest(mac, _mac(key, payload)) for key in self._form_keys]  # those of links among them
        if True not in found:
            raise BadLink("the link is not one of ours")
        link = msgspec.msgpack.decode(payload, type=Link)
        if link.expires <= self._now().timestamp():
            raise Expired(link)
        return link


def _parts(token: str) -> tuple[bytes, bytes]:
    payload, _, mac = token.partition(".")
    if len(token) > TOKEN_MAX or not (payload and mac):
        raise BadLink("the link is not one of ours")
    try:
        parts = _bytes(payload), _bytes(mac)
    except (binascii.Error, ValueError):
        raise BadLink("the link is not one of ours") from None
    if _text(parts[0]) != payload or _text(parts[1]) != mac:  # base64 has several spellings: only ours counts
        raise BadLink("the link is not one of ours")
    return parts


def _key(secret: bytes) -> bytes:
    """The key of this purpose: the secret may serve others."""
    return hmac.new(secret, _PURPOSE, hashlib.sha256).digest()


def _mac(key: bytes, payload: bytes) -> bytes:
    return hmac.new(key, payload, hashlib.sha256).digest()[:MAC_BYTES]


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).decode("ascii").rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
