"""Short messages and calls through any provider with an HTTP interface.

In: an effect; a call of the provider with what somebody answered. Out: what the provider made of each request, for each
number of the recipient; what people want done.
Invariants: a number is plain digits; each number is told once an attempt; one that was reached is enough, so that a
number that fails does not make the others ring again; address, headers and password appear in no detail.
It knows no provider: the settings describe the request (`phone_body.py`). Replies are read as Twilio sends them.
"""

import asyncio
import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tocsin import __version__
from tocsin.domain.instant import Instant
from tocsin.notify.channel import Around, Heard, Sent
from tocsin.notify.channels.exchange import Answer, exchange, hidden_of, shown
from tocsin.notify.channels.phone_body import Body, checked_pointer, pointed
from tocsin.notify.channels.phone_reply import checked_tokens, heard
from tocsin.notify.channels.phone_text import next_of, speech_of, text_of
from tocsin.notify.channels.session import Session
from tocsin.notify.channels.webhook import checked_url, hidden_parts
from tocsin.notify.message import Message, message_of, one_line
from tocsin.stage import Effect

SMS: Final = "sms"
VOICE: Final = "voice"
CONTACT: Final = "phone"
"""Kind of contact that serves both, where there is none of the channel's own kind."""
NUMBERS_MAX: Final = 10
"""Numbers of one recipient: every one is a request of its own, and costs."""
HANDLE_MAX: Final = 300
_NUMBER: Final = re.compile(r"\+?\d{3,15}", re.ASCII)
"""ITU-T E.164 has at most 15 digits; short numbers have three and more."""
_SPACERS: Final = re.compile(r"[\s().\-/\u00a0]")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")


class Phone:
    """One number at one provider.

    Raises:
        ValueError: an option cannot be used; the message repeats no secret.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        url: str,
        *,
        sender: str = "",
        to: Sequence[str] = (),
        headers: Mapping[str, Any] | None = None,
        username: str = "",
        password: str = "",
        form: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
        secrets: Mapping[str, Any] | None = None,
        accepted: Sequence[Any] = (200, 201, 202),
        receipt: str = "",
        text_max: int = 320,
        auth_tokens: Sequence[str] = (),
        public_url: str = "",
        timeout_seconds: float = 15.0,
        in_flight_max: int = 4,
        around: Around | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.timeout_seconds = timeout_seconds
        self.in_flight_max = in_flight_max
        self._sender = sender
        self._to = tuple(_checked_number(number) for number in to)
        self._headers = _checked_headers(headers or {}, username, password)
        self._body = Body(form or {}, json or {}, secrets)
        self._accepted = _checked_statuses(accepted)
        self._receipt = checked_pointer(receipt)
        self._text_max = text_max
        self._tokens = checked_tokens(auth_tokens, public_url)
        self._public_url = checked_url(public_url) if public_url else ""
        if self._body.needs_callback and not public_url:
            raise ValueError("public_url: missing; the body has {callback}")
        shared = (*self._headers.values(), *(secrets or {}).values())
        words = (value.rpartition(" ")[2] for value in self._headers.values())  # behind Basic, Bearer and the like
        self._hidden = hidden_of(*hidden_parts(checked_url(url), password), *self._tokens, *shared, *words)
        self._around = around or Around()
        self._session = Session(
            url, connections=in_flight_max * min(NUMBERS_MAX, 4), user_agent=f"tocsin/{__version__}"
        )

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        """One request for each number of the recipient, else for each of the channel's own."""
        contacts = effect.contacts.get(self.kind) or effect.contacts.get(CONTACT) or ()
        numbers = good_numbers(contacts)[:NUMBERS_MAX] or list(self._to)[:NUMBERS_MAX]
        if not numbers:
            return Sent("refused", "no number: neither the recipient nor the channel has one")
        text = self._text(effect, possible_duplicate=possible_duplicate)
        return _of_all(await asyncio.gather(*(self._call(effect, number, text) for number in numbers)))

    async def close(self) -> None:
        await self._session.close()

    def hear(self, headers: Mapping[str, str], body: bytes, now: Instant) -> Heard:
        """A reply: see `phone_reply.heard`."""
        voice = self.kind == VOICE
        return heard(self._tokens, self._public_url, headers, body, now, voice=voice, own=self._to)

    def shown(self, effect: Effect) -> str:
        """See `Shows`."""
        return self._text(effect, possible_duplicate=False)

    def _text(self, effect: Effect, *, possible_duplicate: bool) -> str:
        message = message_of(effect.context)
        words = self._around.wording.words(self.name, self.kind, effect.context)
        reply, upcoming = bool(self._tokens), next_of(effect.context.get("next"))
        if self.kind == VOICE:
            return speech_of(message, words, reply=reply, upcoming=upcoming, possible_duplicate=possible_duplicate)
        return text_of(
            message,
            words,
            limit=self._text_max,
            reply=reply,
            link=self._link(effect, message, reply=reply),
            upcoming=upcoming,
            possible_duplicate=possible_duplicate,
        )

    def _link(self, effect: Effect, message: Message, *, reply: bool) -> str:
        """Where to answer, where no reply is heard and one is asked for; else where to look."""
        links = self._around.links
        if message.asks and not reply:
            answering = links.acknowledge(message.incident_id, effect.recipient, effect.delivery_id)
            if answering and len(answering) <= self._text_max // 2:
                return answering
        return links.page(message.incident_id) if message.incident_id else ""

    async def _call(self, effect: Effect, number: str, text: str) -> Sent:
        values = {
            "to": number,
            "from": self._sender,
            "text": text,
            "delivery_id": effect.delivery_id,
            "callback": self._public_url,
        }
        body, content_type = self._body.filled(values)
        headers = {"content-type": content_type, "idempotency-key": f"{effect.delivery_id}/{number}", **self._headers}
        answer = await exchange(self._session, body, headers, seconds=self.timeout_seconds, hidden=self._hidden)
        return self._judged(answer)

    def _judged(self, answer: Answer) -> Sent:
        sent = answer.sent
        if sent.outcome == "delivered" and answer.status not in self._accepted:
            return Sent("failed", shown(f"not an answer of the provider: {sent.detail}", self._hidden))
        if answer.status in self._accepted:
            found = pointed(answer.json(), self._receipt) if self._receipt else None
            if self._receipt and answer.whole and (found is None or found == ""):
                return Sent("failed", shown(f"no receipt at {self._receipt}: {sent.detail}", self._hidden))
            handle = one_line(found, HANDLE_MAX) if isinstance(found, str | int) else ""
            return Sent("delivered", sent.detail, handle=handle)
        return sent


def good_numbers(numbers: Sequence[str]) -> list[str]:
    """Those that can be called, without what people write between digits, each once."""
    plain = (_SPACERS.sub("", number) for number in numbers)
    return list(dict.fromkeys(number for number in plain if _NUMBER.fullmatch(number)))


def _checked_number(number: str) -> str:
    found = good_numbers([number])
    if not found:
        raise ValueError(f"to: {number!r} is not a phone number; write +4930123456")
    return found[0]


def _checked_headers(headers: Mapping[str, Any], username: str, password: str) -> dict[str, str]:
    """Names in lower case.

    Raises:
        ValueError: one cannot be sent; the message names it, not its value.
    """
    found: dict[str, str] = {}
    for name, value in headers.items():
        if not _HEADER.fullmatch(name):
            raise ValueError(f"headers: {name!r} is no name of a header")
        if not isinstance(value, str) or not value.isprintable() or not value.isascii():
            raise ValueError(f"headers.{name}: its value is no text of printable ASCII")
        found[name.lower()] = value
    if username or password:
        if "authorization" in found:
            raise ValueError("username: there is an authorization header, too; give one of them")
        pair = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
        found["authorization"] = f"Basic {pair}"
    return found


def _checked_statuses(statuses: Sequence[Any]) -> frozenset[int]:
    for status in statuses:
        if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 299:
            raise ValueError(f"accepted: {status!r} is no status of success; they are 200 to 299")
    return frozenset(statuses)


def _of_all(sents: Sequence[Sent]) -> Sent:
    """One result for all numbers: reached over one is reached."""
    if len(sents) == 1:
        return sents[0]
    reached = [sent for sent in sents if sent.outcome == "delivered"]
    failed = [sent for sent in sents if sent.outcome == "failed"]
    best = (reached or failed or sents)[0]
    waits = [sent.retry_after_seconds for sent in failed if sent.retry_after_seconds is not None]
    detail = one_line(f"{len(reached)} of {len(sents)} numbers: {'; '.join(sent.detail for sent in sents)}", 300)
    return Sent(best.outcome, detail, max(waits, default=None) if not reached else None, handle=best.handle)
