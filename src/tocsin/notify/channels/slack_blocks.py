"""What a Slack message looks like: Block Kit, within Slack's limits.

In: a message in words, and what may be done about it. Out: fallback text and blocks. Invariants: whatever a source
wrote is escaped and never mentions anybody (`verbatim` keeps Slack from looking for names in it); no block is beyond
Slack's limits (https://docs.slack.dev/reference/block-kit/blocks); there is always a text.
It sends nothing, and knows no channel of a workspace.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from tocsin.domain.lifecycle import RESOLVED, Status, possible
from tocsin.notify.channel import Words
from tocsin.notify.message import Message, Row, clean, one_line

HEADER_MAX: Final = 150
SECTION_MAX: Final = 3000
FIELDS_MAX: Final = 10
FIELD_MAX: Final = 2000
BLOCKS_MAX: Final = 50
TEXT_MAX: Final = 3000
"""Slack takes 40,000 characters as fallback; a phone shows a few hundred."""
VALUE_MAX: Final = 2000
URL_MAX: Final = 3000
"""Of a button."""
BODY_SECTIONS_MAX: Final = 5
"""Sections that the text of a template may take: five screens of a phone."""

OPEN_PAGE: Final = "open_page"
"""The action of buttons that only open an address: Slack tells of them, too."""
VERBS: Final = {
    "acknowledge": "Acknowledge",
    "investigate": "Investigate",
    "resolve": "Resolve",
    "reopen": "Reopen",
}
"""What a button can ask for, in the order of the buttons: what answers a page."""
_MARKS: Final = {"emergency": "🚨", "critical": "🔴", "high": "🟠", "medium": "🟡", "low": "🔵", "info": "⚪"}
"""What a severity looks like in a list of messages, where there is no room for more."""
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
"""https://docs.slack.dev/messaging/formatting-message-text#escaping"""
_IN_LINKS: Final = {"|": "%7C", "<": "%3C", ">": "%3E", "&": "&amp;"}
REPEATED: Final = "(possibly a repetition)"

Block = dict[str, Any]


class Draft(NamedTuple):
    """A message as Slack takes it."""

    text: str
    blocks: list[Block]


class Doors(NamedTuple):
    """What can be opened or pressed."""

    buttons: bool = False
    """Whether clicks come back to tocsin."""
    page: str = ""
    """The address of the incident's page."""
    acknowledge: str = ""
    """The address that acknowledges, for where buttons do not come back."""


NO_DOORS: Final = Doors()

Pages = Callable[[str], str]
"""Id of an incident to the address of its page; empty = it has none."""


def _no_page(incident_id: str) -> str:
    return ""


def message(
    said: Message,
    *,
    status: str = "",
    words: Words | None = None,
    doors: Doors = NO_DOORS,
    pages: Pages = _no_page,
    repeated: bool = False,
) -> Draft:
    """The whole message for an incident in `status`. `pages`: the addresses of those that a digest names."""
    title = one_line(words.subject if words else "") or one_line(said.subject) or "Message"
    mark = "✅" if said.good else _MARKS.get(said.grade, "")
    body = _body_of_words(words.body) if words and words.body.strip() else _body(said, pages)
    blocks: list[Block] = [
        {"type": "header", "text": {"type": "plain_text", "text": escaped(f"{mark} {title}".strip(), HEADER_MAX)}},
        *body,
        *_small(f"⏳ {said.upcoming}" if said.upcoming else ""),
        *(_context(text) for text in _joined([_link(url, name) for name, url in said.links], " · ")),
        *_small(REPEATED if repeated else ""),
        *_actions(said.incident_id, status, doors),
    ]
    again = f" {REPEATED}" if repeated else ""
    return Draft(escaped(f"{title}: {said.headline}", TEXT_MAX - len(again)) + again, _within(blocks))


def line(
    said: Message,
    *,
    status: str = "",
    words: Words | None = None,
    doors: Doors = NO_DOORS,
    loud: bool = False,
    repeated: bool = False,
) -> Draft:
    """What is new, in a line or two: for the thread of the first message. `loud`: it stands in the channel, too, says
    what it is about, and can be acknowledged. It stays as it is: who presses too late is told that it was so."""
    first = one_line(words.subject if words else "") or one_line(said.headline) or "News"
    parts = [f"*{escaped(first, 600)}*"]
    if loud:
        parts.append(escaped(said.subject, 600))
    parts += [escaped(text, 900) for text in (said.upcoming if loud else "", said.note) if text]
    if repeated:
        parts.append(REPEATED)
    again = f" {REPEATED}" if repeated else ""
    return Draft(
        escaped(f"{first}: {said.title}" if loud else first, TEXT_MAX - len(again)) + again,
        [_section("\n".join(parts)), *(_actions(said.incident_id, status, doors, ("acknowledge",)) if loud else ())],
    )


def escaped(text: str, limit: int) -> str:
    """`text` for a text object, at most `limit` characters; a cut one ends with an ellipsis, never inside an escape."""
    pieces = [_ESCAPES.get(letter, letter) for letter in text[: limit + 1]]
    if len(text) <= limit and sum(map(len, pieces)) <= limit:
        return "".join(pieces)
    room, kept = limit - 1, []
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept) + "…"


def _body(said: Message, pages: Pages) -> Iterator[Block]:
    about = [f"*{escaped(said.headline, 600)}*"] if said.headline else []
    if said.summary:
        about.append(escaped(said.summary, 2000))
    if about:
        yield _section("\n".join(about))
    facts = [f"*{escaped(label, 60)}*\n{escaped(value, FIELD_MAX - 100)}" for label, value in said.facts if value]
    for first in range(0, len(facts), FIELDS_MAX):
        yield {"type": "section", "fields": [_mrkdwn(fact) for fact in facts[first : first + FIELDS_MAX]]}
    if said.note:
        yield _section(f"*Note*\n{escaped(said.note, 2000)}")
    rows = [f"*{escaped(row.severity, 60)}* {_named(row, pages)} {escaped(row.title, 300)}" for row in said.rows]
    if said.more:
        rows.append(f"and {said.more:,} more")
    yield from (_section(text) for text in _joined(rows, "\n"))


def _body_of_words(body: str) -> Iterator[Block]:
    """The text of a template, in as many sections as it takes."""
    paragraphs = [escaped(paragraph, SECTION_MAX) for paragraph in clean(body, 10_000).split("\n")]
    for text in _joined(paragraphs, "\n")[:BODY_SECTIONS_MAX]:
        if text.strip():
            yield _section(text)


def _actions(incident_id: str, status: str, doors: Doors, only: Collection[str] = VERBS) -> Iterator[Block]:
    """Buttons that fit the status; none asks for anything once the incident is over."""
    elements: list[Block] = []
    if doors.buttons and incident_id and len(incident_id) <= VALUE_MAX:
        elements = [_button(verb, incident_id) for verb in verbs_for(status) if verb in only]
    elif doors.acknowledge and "acknowledge" in verbs_for(status) and len(doors.acknowledge) <= URL_MAX:
        elements = [{**_button("acknowledge", incident_id), "url": doors.acknowledge, "action_id": "open_acknowledge"}]
    if doors.page and len(doors.page) <= URL_MAX:
        text = {"type": "plain_text", "text": "Open"}
        elements.append({"type": "button", "action_id": OPEN_PAGE, "text": text, "url": doors.page})
    if elements:
        yield {"type": "actions", "elements": elements}


def verbs_for(status: str) -> list[str]:
    """What people may ask for while an incident has `status`; nothing for one that is over, or of no known status."""
    try:
        known = Status(status)
    except ValueError:
        return []
    if known in (RESOLVED, Status.CLOSED):
        return []
    return [verb for verb in VERBS if verb in possible(known)]


def _button(verb: str, incident_id: str) -> Block:
    button: Block = {
        "type": "button",
        "action_id": verb,
        "text": {"type": "plain_text", "text": VERBS[verb]},
        "value": incident_id,
    }
    return {**button, "style": "primary"} if verb == "acknowledge" else button


def _named(row: Row, pages: Pages) -> str:
    page = pages(row.incident_id) if row.incident_id else ""
    return _link(page, row.number) if page and row.number else escaped(row.number, 60)


def _link(url: str, name: str) -> str:
    return f"<{''.join(_IN_LINKS.get(letter, letter) for letter in url)}|{escaped(name, 80).replace('|', '/')}>"


def _joined(pieces: Iterable[str], between: str) -> list[str]:
    """The pieces in as few texts as fit into sections."""
    texts: list[str] = []
    for piece in pieces:
        if len(piece) > SECTION_MAX:
            continue  # an address that grew by its escapes
        if texts and len(texts[-1]) + len(between) + len(piece) <= SECTION_MAX:
            texts[-1] += between + piece
        else:
            texts.append(piece)
    return texts


def _small(text: str) -> list[Block]:
    return [_context(escaped(text, SECTION_MAX))] if text else []


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_mrkdwn(text)]}


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _within(blocks: Sequence[Block]) -> list[Block]:
    """At most `BLOCKS_MAX`: what can be pressed stays."""
    return list(blocks) if len(blocks) <= BLOCKS_MAX else [*blocks[: BLOCKS_MAX - 1], blocks[-1]]
