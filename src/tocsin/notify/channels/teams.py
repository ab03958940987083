"""Microsoft Teams: one adaptive card a message, posted to a workflow's webhook.

In: an effect. Out: what the workflow made of it: 202 (or 200 with nothing but `1` or blanks) is delivered; a 200 that
tells of an error, as the connectors did, is what that error is.
Invariants: whatever a source wrote stays text: it stands in text runs, which read no Markdown and no HTML; the body is
within what Teams takes; the address, which is the secret, appears in no detail.
A card cannot be changed afterwards over a webhook: each message is one of its own.
Source: the vendor's pages on incoming webhooks and on the adaptive card schema 1.5.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import orjson

from tocsin import __version__
from tocsin.notify.channel import Around, Sent, Words
from tocsin.notify.channels.exchange import Answer, exchange, shown
from tocsin.notify.channels.session import Session
from tocsin.notify.channels.webhook import checked_url, hidden_parts
from tocsin.notify.message import Message, clean, message_of, one_line
from tocsin.stage import Effect

BODY_BYTES_MAX: Final = 28_000
"""Microsoft's limit for a message is 28 KB; it does not say which thousand."""
ACTIONS_MAX: Final = 6
"""More buttons Teams hides or refuses."""
TEXT_MAX: Final = 4000
"""Characters of a template's body."""
ROWS_MAX: Final = 20
"""Incidents of a digest; the others are counted."""
COLOURS: Final = {"emergency": "Attention", "critical": "Attention", "high": "Warning"}
"""Severity to the colour of its line."""
SCHEMA: Final = "http://adaptivecards.io/schemas/adaptive-card.json"
CARD_TYPE: Final = "application/vnd.microsoft.card.adaptive"
SCHEMA_VERSION: Final = "1.5"
TAKEN: Final = frozenset({"", "1"})
"""Bodies of a 200 that say that all is well."""

_STATUS: Final = re.compile(r"HTTP error (\d{3})")
"""How Teams names the error of the endpoint behind the webhook."""


class Teams:
    """One workflow of one team, chat or channel.

    Raises:
        ValueError: the address cannot be used; the message does not repeat it.
    """

    kind = "teams"

    def __init__(
        self,
        name: str,
        url: str,
        *,
        timeout_seconds: float = 15.0,
        in_flight_max: int = 4,
        around: Around | None = None,
    ) -> None:
        self.name = name
        self.timeout_seconds = timeout_seconds
        self.in_flight_max = in_flight_max
        self._around = around or Around()
        self._hidden = hidden_parts(checked_url(url), "")
        self._session = Session(url, connections=in_flight_max, user_agent=f"tocsin/{__version__}")

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        """Post the card once."""
        body = self.body(effect, possible_duplicate=possible_duplicate)
        headers = {
            "content-type": "application/json; charset=utf-8",  # without it Teams counts two bytes a character
            "idempotency-key": effect.delivery_id,
        }
        answer = await exchange(self._session, body, headers, seconds=self.timeout_seconds, hidden=self._hidden)
        return self._judged(answer)

    async def close(self) -> None:
        await self._session.close()

    def shown(self, effect: Effect) -> str:
        """See `Shows`."""
        return orjson.dumps(
            orjson.loads(self.body(effect, possible_duplicate=False)), option=orjson.OPT_INDENT_2
        ).decode()

    def body(self, effect: Effect, *, possible_duplicate: bool) -> bytes:
        """The message with its card, within the limit: the longest texts go first, then links."""
        message = message_of(effect.context)
        words = self._around.wording.words(self.name, self.kind, effect.context)
        links = self._links(effect, message)
        body = b""
        for shorter in _shorter(message, words, links):
            card = card_of(*shorter, delivery_id=effect.delivery_id, possible_duplicate=possible_duplicate)
            attachment = {"contentType": CARD_TYPE, "contentUrl": None, "content": card}
            body = orjson.dumps({"type": "message", "attachments": [attachment]})
            if len(body) <= BODY_BYTES_MAX:
                break
        return body

    def _links(self, effect: Effect, message: Message) -> list[tuple[str, str]]:
        """What the buttons open: the page of the incident, an acknowledgement where one is asked for, then the rest."""
        links = self._around.links
        found = [("Open incident", links.page(message.incident_id))] if message.incident_id else []
        if message.asks:
            found.append(("Acknowledge", links.acknowledge(message.incident_id, effect.recipient, effect.delivery_id)))
        return [(name, address) for name, address in (*found, *message.links) if address][:ACTIONS_MAX]

    def _judged(self, answer: Answer) -> Sent:
        sent = answer.sent
        if answer.status != 200 or answer.text.strip() in TAKEN or not answer.whole:
            return sent
        found = _STATUS.search(answer.text)
        status = int(found.group(1)) if found else 0
        if found or "error" in answer.text.lower():
            never = 400 <= status < 500 and status not in (408, 425, 429)
            outcome = "denied" if status == 401 else "refused" if never else "failed"
            return Sent(outcome, shown(f"Teams: {answer.text}", self._hidden))
        return sent


def card_of(
    message: Message,
    words: Words | None,
    links: Sequence[tuple[str, str]],
    *,
    delivery_id: str,
    possible_duplicate: bool,
) -> dict[str, Any]:
    """The adaptive card of a message; with `words` of a template instead of the built-in text."""
    if words and words.body:
        blocks = [_text(one_line(words.subject) or message.subject, size="Large", weight="Bolder")]
        blocks += [_text(line) for line in clean(words.body, TEXT_MAX).split("\n") if line.strip()]
    else:
        blocks = list(_built_in(message, (words and one_line(words.subject)) or message.title or message.subject))
    small = f"Delivery {delivery_id}"
    if possible_duplicate:
        small += "; it may have arrived before (possible duplicate)"
    card: dict[str, Any] = {
        "$schema": SCHEMA,
        "type": "AdaptiveCard",
        "version": SCHEMA_VERSION,
        "fallbackText": message.subject,
        "msteams": {"width": "Full"},
        "body": [*blocks, _text(small, size="Small", subtle=True)],
    }
    if links:
        card["actions"] = [{"type": "Action.OpenUrl", "title": name, "url": address} for name, address in links]
    return card


def _built_in(message: Message, title: str) -> Iterator[dict[str, Any]]:
    colour = "Good" if message.good else COLOURS.get(message.grade, "Default")
    head = " ".join(part for part in (message.severity, message.number) if part)
    if head:
        yield _text(head, color=colour, weight="Bolder")
    if title:
        yield _text(title, size="Large", weight="Bolder")
    if message.headline:
        yield _text(message.headline)
    for label, value in message.facts:
        yield _block([_run(f"{label}: ", weight="Bolder"), _run(value)], spacing="Small")
    for row in message.rows[:ROWS_MAX]:
        yield _text(" ".join(word for word in (row.severity, row.number, row.title) if word), spacing="Small")
    if more := message.more + len(message.rows[ROWS_MAX:]):
        yield _text(f"and {more} more", spacing="Small")
    for text in (message.summary, message.note):
        for line in text.split("\n"):
            if line.strip():
                yield _text(line)
    if message.upcoming:
        yield _text(message.upcoming, weight="Bolder")


def _text(text: str, *, subtle: bool = False, spacing: str = "Default", **style: str) -> dict[str, Any]:
    return _block([_run(text, **({"isSubtle": True} if subtle else {}), **style)], spacing=spacing)


def _block(runs: list[dict[str, Any]], **style: str) -> dict[str, Any]:
    """Text runs: unlike text blocks and facts they read no Markdown."""
    return {"type": "RichTextBlock", "inlines": runs, **style}


def _run(text: str, **style: Any) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **style}


def _shorter(
    message: Message, words: Words | None, links: list[tuple[str, str]]
) -> Iterator[tuple[Message, Words | None, list[tuple[str, str]]]]:
    """The message in full, then less and less of it; the last one fits whatever it says."""
    yield message, words, links
    short = msgspec.structs.replace(message, summary=clean(message.summary, 300), note=clean(message.note, 300))
    brief = words and msgspec.structs.replace(words, body=clean(words.body, 1000))
    yield short, brief, links
    yield short, brief, links[:2]
    least = msgspec.structs.replace(short, summary="", note="", facts=message.facts[:4], rows=())
    yield least, words and Words(subject=clean(words.subject, 200), body=clean(words.body, 200)), links[:1]
