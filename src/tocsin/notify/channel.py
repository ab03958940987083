"""The port to the outside: one channel sends one message, and may hear what people do with it. One contract suite runs
over every implementation.

In: effects, and what a provider calls back with. Out: what became of a send; commands that people asked for over the
channel. Invariants: a channel never raises for what the outside does; whatever came in unsigned is `Forged`.
It writes no command: that is done by who holds the log (`api/inbound.py`, `runtime/listening.py`).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from tocsin.domain.errors import TocsinError
from tocsin.domain.instant import Instant
from tocsin.stage import Effect

NOT_THROUGH: Final = frozenset({"failed", "denied"})
"""Outcomes of a send that say that the channel is down, not what it makes of the message."""


class Sent(msgspec.Struct, frozen=True):
    """What became of one send."""

    outcome: str
    """`delivered`, `failed` (worth another attempt), `refused` (will never work), or `denied`: the login is wrong, so
    that every message fails until somebody mends the settings."""
    detail: str = ""
    """The receiver's answer or the error, at most 300 characters, without secrets."""
    retry_after_seconds: float | None = None
    handle: str = ""
    """The provider's name of what was made (a message's place, a ticket's id), at most 300 characters: the next effect
    for the same incident, channel and recipient brings it back, so that it is changed instead of made anew."""


class Channel(Protocol):
    """One configured way out. `send` never raises for what the outside does, and ends within `timeout_seconds`."""

    name: str
    kind: str
    in_flight_max: int
    """How many sends may run at once."""
    timeout_seconds: float

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        """Send one message. The delivery id is its idempotency key; a possible duplicate says so."""

    async def close(self) -> None: ...


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a person, or another system, wants done to an incident, as a channel heard it."""

    key: str
    """Of this request, unique within the channel, the same when the provider sends it again: the command id is made of
    it."""
    verb: str
    incident: str
    """Id or number."""
    arguments: dict[str, Any] = {}
    reason: str = ""
    sender: str = ""
    """Address of the person in the terms of the channel's kind (a Slack user id, a phone number): the user whose
    contacts have it is the actor."""
    sender_name: str = ""
    """As the provider calls them, for who is in no directory."""
    known_only: bool = False
    """The channel vouches for the address and not for the person: who is in no directory is refused. Anybody can send
    a short message to a number."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a call from outside, and what it asks for."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    asked: tuple[Asked, ...] = ()


class Forged(TocsinError):
    """The signature of a call from outside is missing, wrong, or too old. The message repeats nothing of it."""


class Malformed(TocsinError):
    """A signed call from outside cannot be understood."""


@runtime_checkable
class Hears(Protocol):
    """A channel that its provider calls back: `POST /api/v1/inbound/<channel>`."""

    def hear(self, headers: Mapping[str, str], body: bytes, now: Instant) -> Heard:
        """Check the signature in constant time, then read. `headers` have lower-case names.

        Raises:
            Forged: unsigned, wrongly signed, older or newer than five minutes.
            Malformed: signed, but not of the provider's form.
        """


@runtime_checkable
class Listens(Protocol):
    """A channel that keeps a connection open over which its provider tells what people do."""

    async def listen(self, take: Callable[[Asked], Awaitable[str]]) -> None:
        """Runs until cancelled; connects again by itself. `take` gives one line about what became of the request."""


@runtime_checkable
class Shows(Protocol):
    """A channel that tells what it would send."""

    def shown(self, effect: Effect) -> str:
        """What would go out for `effect`, as people can read it: the text, or the document as JSON. Nothing is sent."""


class Links(Protocol):
    """Addresses of this installation, as people open them. Empty when it has no `external_url`."""

    def page(self, incident_id: str) -> str:
        """The page of an incident."""

    def acknowledge(self, incident_id: str, recipient: str, delivery_id: str) -> str:
        """Signed and expiring: who opens it and confirms has acknowledged as `recipient`."""


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """What a template of the settings made of a message. Plain text: escaping is the channel's part."""

    subject: str = ""
    body: str = ""


class Wording(Protocol):
    """The templates in force."""

    def words(self, channel: str, kind: str, context: Mapping[str, Any]) -> Words | None:
        """For a message over `channel`, whose type is `kind`; None where no template applies: then the built-in text is
        right. Never raises: a template that fails is reported and gives None."""


class NoLinks:
    """For an installation without `external_url`, and for tests."""

    def page(self, incident_id: str) -> str:
        return ""

    def acknowledge(self, incident_id: str, recipient: str, delivery_id: str) -> str:
        return ""


class BuiltIn:
    """No templates."""

    def words(self, channel: str, kind: str, context: Mapping[str, Any]) -> Words | None:
        return None


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What channels are made with besides their own options."""

    instance: str = "tocsin"
    links: Links = msgspec.field(default_factory=NoLinks)
    wording: Wording = msgspec.field(default_factory=BuiltIn)
