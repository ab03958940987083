"""What a message says to a person, once for all channels: in words, without markup.

In: the context of a delivery. Out: `Message`, and all of it as plain text. Invariants: no text holds a control
character (texts of several lines keep their line breaks); links are http or https; whatever a source wrote stays text;
subjects of one incident differ within their brackets only, so that readers who sort by subject keep them together
(RFC 5256 §2.1). A context with gaps gives a message with gaps.
It knows no channel: escaping for HTML, a terminal or a header is theirs, and so are links into tocsin.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tocsin.domain.address import is_http
from tocsin.domain.header import cut_text
from tocsin.domain.rules.notification import TEAM

LINK_MAX: Final = 2000
"""Characters of an address: browsers and mail readers take no longer ones reliably."""
LINKS_MAX: Final = 12
NOTE_MAX: Final = 4000
"""Letters of what somebody wrote: as many as an update to people may have."""
LINKS_FIRST: Final = ("runbook", "dashboard", "generator")
ROWS_MAX: Final = 50
"""Incidents that a digest names: more are counted, and better looked up."""
TITLE_MAX: Final = 140
"""Characters of a title in a subject: cut alike, whatever stands in the brackets before it."""
NAMES_MAX: Final = 8
"""Others who were told: more are counted."""

_CONTROL: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters, line separators, marks that turn the direction of text around, and lone surrogates."""

_HEADLINES: Final = {
    "incident.opened": "New incident",
    "incident.reopened": "Open again",
    "incident.severity_raised": "Severity raised",
    "incident.reannounced": "It has grown since it was acknowledged",
    "incident.acknowledged": "Acknowledged",
    "incident.acknowledgement_expired": "The acknowledgement has expired",
    "incident.unsuppressed": "No longer suppressed, and still open",
    "incident.investigating": "Being investigated",
    "incident.mitigated": "Mitigated",
    "incident.resolved": "Resolved",
    "incident.closed": "Closed",
    "incident.updated_people": "Update",
    "incident.update_requested": "An update is asked for",
    "incident.escalation_requested": "An escalation is asked for",
    "incident.resend_requested": "Sent again",
}
_CALLED: Final = {
    "requested": "Somebody asks for you",
    "sla_breached": "It should be resolved by now",
}
"""Why a call is made, where it is not that nobody has answered."""
_TAGS: Final = {
    "incident.reopened": "open again",
    "incident.acknowledgement_expired": "acknowledgement expired",
    "sla.at_risk": "promise at risk",
    "sla.breached": "promise broken",
}
"""What stands beside the severity in the subject."""
_OVER: Final = frozenset({"resolved", "closed"})
"""Statuses in which nobody is asked to answer."""
_GOOD: Final = frozenset({"incident.resolved", "incident.closed", "incident.mitigated", "incident.acknowledged"})


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One incident in a digest."""

    number: str
    title: str
    severity: str
    """As people call it."""
    grade: str
    """As that of a message."""
    status: str
    incident_id: str


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message in words."""

    subject: str
    """One line that stands alone: how bad, the incident, its title."""
    headline: str
    """What has happened."""
    good: bool
    """Nobody is asked to do anything."""
    asks: bool = False
    """Somebody is asked to acknowledge."""
    title: str
    severity: str
    """As people call it."""
    grade: str = ""
    """The severity in tocsin's own word, whatever the scheme: what colours and ranks go by."""
    number: str
    incident_id: str
    facts: tuple[tuple[str, str], ...]
    """Label and value, the most useful first."""
    links: tuple[tuple[str, str], ...] = ()
    """Name and address."""
    summary: str = ""
    """May have several lines."""
    note: str = ""
    """May have several lines."""
    upcoming: str = ""
    """What escalates next."""
    rows: tuple[Row, ...] = ()
    """The incidents of a digest."""
    more: int = 0
    """Incidents of a digest that are not named."""


def clean(text: object, limit: int = 1000) -> str:
    """`text` without control characters; line breaks stay."""
    return cut_text(_CONTROL.sub(" ", str(text)).strip(), limit)


def one_line(text: object, limit: int = 300) -> str:
    """`text` on one line."""
    return cut_text(" ".join(_CONTROL.sub(" ", str(text)).split()), limit)


def message_of(context: Mapping[str, Any]) -> Message:
    """The message for the context of a delivery."""
    if context.get("digest"):
        return _digest(context["digest"])
    incident: Mapping[str, Any] = context.get("incident") or {}
    kind = str(context.get("type", ""))
    number, title = one_line(incident.get("number", "")), one_line(incident.get("title", ""))
    good = kind in _GOOD
    return Message(
        subject=one_line(f"[{_tag(kind, context, incident) or 'tocsin'}] {number} {cut_text(title, TITLE_MAX)}", 300),
        headline=_headline(kind, context, incident) or "A message of which nothing is known",
        good=good,
        asks=not good and _asks(context, incident),
        title=title,
        severity=_severity(incident),
        grade=one_line(incident.get("severity", "")).lower(),
        number=number,
        incident_id=one_line(incident.get("id", "")),
        facts=tuple(_facts(context, incident)),
        links=links_of(incident.get("links") or {}),
        summary=clean(incident.get("summary", "")),
        note=clean(context.get("note", ""), NOTE_MAX),
        upcoming=_upcoming(context.get("next")),
    )


def body_of(message: Message) -> str:
    """All of `message` but its subject, as plain text in paragraphs."""
    named = "  ".join(word for word in (message.severity, message.number) if word)
    rows = [
        f"{row.severity:<9} {row.number}  {row.title}{f' ({row.status})' if row.status else ''}" for row in message.rows
    ]
    if message.more:
        rows.append(f"and {_count(message.more, 'more incident')}")
    paragraphs = (
        message.headline,
        "\n".join(line for line in (message.title, named) if line),
        "\n".join(rows),
        "\n".join(f"{label + ':':<13} {value}" for label, value in message.facts),
        f"{message.upcoming}." if message.upcoming else "",
        message.summary,
        f"Note: {message.note}" if message.note else "",
        links_text(message),
    )
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _asks(context: Mapping[str, Any], incident: Mapping[str, Any]) -> bool:
    """Whether the reader is one who may answer, and there is something to answer: a call asks everybody it reaches."""
    answered = bool(incident.get("acknowledged_at")) and not context.get("escalation")
    for_team = (context.get("audience") or TEAM) == TEAM
    return bool(incident.get("id")) and for_team and not answered and str(incident.get("status")) not in _OVER


def links_text(message: Message) -> str:
    """One line for each link."""
    return "\n".join(f"{name.capitalize() + ':':<13} {url}" for name, url in message.links)


def _severity(incident: Mapping[str, Any]) -> str:
    return one_line(incident.get("severity_label") or str(incident.get("severity", "")).upper())


def _tag(kind: str, context: Mapping[str, Any], incident: Mapping[str, Any]) -> str:
    """What the brackets of the subject hold; they nest in no mail reader."""
    level = (context.get("escalation") or {}).get("level")
    called = _TAGS.get(kind, "") if level is None else f"escalation {level}"
    words = [_HEADLINES[kind]] if kind in _GOOD else [_severity(incident), called]
    return ", ".join(word for word in words if word).replace("[", "(").replace("]", ")")


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def _digest(digest: Mapping[str, Any]) -> Message:
    """One message that stands for `count` others."""
    listed: list[Mapping[str, Any]] = list(digest.get("incidents") or ())
    rows = tuple(
        Row(
            number=one_line(one.get("number", "")),
            title=one_line(one.get("title", "")),
            severity=_severity(one),
            grade=one_line(one.get("severity", "")).lower(),
            status=one_line(one.get("status", "")),
            incident_id=one_line(one.get("id", "")),
        )
        for one in listed[:ROWS_MAX]
    )
    more = int(digest.get("more") or 0) + len(listed) - len(rows)
    incidents, messages = len(rows) + more, int(digest.get("count") or 0)
    about = _count(incidents, "incident")
    first = f": {rows[0].number} {rows[0].title}" if rows else ""
    others = f" and {incidents - 1:,} more" if rows and incidents > 1 else ""
    labels = {row.grade: row.severity for row in rows}
    facts = (
        ("Severities", _counts(digest.get("by_severity"), lambda word: labels.get(word, word.upper()))),
        ("Messages", _counts(digest.get("by_step"), _step_word)),
        ("From", instant_text(digest.get("since"))),
        ("To", instant_text(digest.get("until"))),
    )
    return Message(
        subject=f"[Digest] {about}{one_line(first, 150)}{others}",
        headline=f"This stands for {_count(messages, 'message')}",
        good=False,
        title=about,
        severity="",
        number="",
        incident_id="",
        facts=tuple((label, value) for label, value in facts if value),
        rows=rows,
        more=more,
    )


def _counts(counts: Mapping[str, int] | None, word: Callable[[str], str]) -> str:
    """`3 × CRITICAL, 2 × HIGH`: each word once."""
    sums: Counter[str] = Counter()
    for one, count in (counts or {}).items():
        sums[word(one)] += count
    return ", ".join(f"{count:,} × {one}" for one, count in sums.items())


def _step_word(step: str) -> str:
    """What has happened, in lower case; a call is one of its level, whatever its repeat."""
    if step.startswith("escalation."):
        return f"escalation {step.split('.')[1]}"
    return _HEADLINES.get(step, step.rpartition(".")[2].replace("_", " ")).lower()


def _headline(kind: str, context: Mapping[str, Any], incident: Mapping[str, Any]) -> str:
    if call := context.get("escalation"):
        again = ", called again" if call.get("repeat") else ""
        why = _CALLED.get(str(call.get("reason")), "Nobody has answered")
        return one_line(f"{why}: escalation level {call.get('level')}, {call.get('team')}{again}")
    if promise := context.get("sla"):
        broken = "is broken" if kind == "sla.breached" else "is at risk"
        return one_line(f"The promise to {promise.get('target')} {broken}: due {instant_text(promise.get('due_at'))}")
    headline = _HEADLINES.get(kind, kind.rpartition(".")[2].replace("_", " ").capitalize())
    if was := context.get("was"):
        now = incident.get("severity_label") or incident.get("severity", "")
        headline = f"{headline} from {context.get('was_label') or was} to {now}"
    if kind == "incident.closed" and context.get("merged_into"):
        headline = "Merged into another incident"
    actor = str(context.get("actor", ""))
    return one_line(f"{headline} by {actor}" if actor not in ("", "tocsin") and kind != "incident.opened" else headline)


def _facts(context: Mapping[str, Any], incident: Mapping[str, Any]) -> list[tuple[str, str]]:
    alerts, firing = incident.get("alerts", 0), incident.get("firing", 0)
    late = (context.get("escalation") or {}).get("lateness_seconds") or 0
    rows = [
        ("Service", incident.get("service", "")),
        ("Status", incident.get("status", "")),
        ("Alerts", f"{alerts}, {firing} firing" if alerts else ""),
        ("Changed", _changes(context.get("since"), incident)),
        ("Opened", instant_text(incident.get("opened_at"))),
        ("Category", incident.get("category", "")),
        ("Team", incident.get("team", "")),
        ("Acknowledged", incident.get("acknowledged_by", "")),
        ("Also told", _others(context.get("also") or ())),
        ("Instead of", (context.get("fallback") or {}).get("channel", "")),
        ("Late by", f"{late:.0f} s" if late >= 1 else ""),
        ("Suppressed", _suppression(context.get("suppressed"))),
        ("Happened", instant_text(context.get("recorded_at"))),
    ]
    return [(label, one_line(value)) for label, value in rows if value]


def _changes(since: Mapping[str, Any] | None, incident: Mapping[str, Any]) -> str:
    """What is different from what the last message to the same recipient over the same channel said."""
    if not since:
        return ""
    changes = []
    if (was := str(since.get("severity", ""))) and was != str(incident.get("severity", "")):
        now = incident.get("severity_label") or incident.get("severity", "")
        changes.append(f"severity from {since.get('severity_label') or was} to {now}")
    for name in ("status", "alerts"):
        before, now = since.get(name), incident.get(name)
        if before not in (None, "") and str(before) != str(now):
            changes.append(f"{name} from {before} to {now}")
    then = instant_text(since.get("recorded_at"))
    return f"{', '.join(changes)} (since {then})" if changes else f"nothing since {then}"


def _others(also: Iterable[Mapping[str, Any]]) -> str:
    """Who else was told, each once with all channels."""
    channels: dict[str, list[str]] = {}
    for one in also:
        channels.setdefault(_called(str(one.get("recipient", ""))), []).append(str(one.get("channel", "")))
    names = []
    for name, over in channels.items():
        listed = ", ".join(dict.fromkeys(over))
        names.append(f"{name} ({listed})" if name else listed)
    more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
    return ", ".join(names[:NAMES_MAX]) + more


def _called(recipient: str) -> str:
    """`user:ana` is ana, `team:dba` is team dba; a channel's own address has no name besides the channel's."""
    kind, _, name = recipient.partition(":")
    if kind == "channel":
        return ""
    return name if kind == "user" and name else recipient.replace(":", " ", 1)


def _suppression(was: Mapping[str, Any] | None) -> str:
    return f"until now by {was.get('by')}, since {instant_text(was.get('since'))}" if was else ""


def _upcoming(step: Mapping[str, Any] | None) -> str:
    if not step:
        return ""
    target = step.get("target") or "the catch-all team"
    return one_line(
        f"Without an answer, {target} is called at {instant_text(step.get('due_at'))} (level {step.get('level')})"
    )


def instant_text(value: object) -> str:
    """An RFC 3339 text as people read it, in UTC to the second; anything else as it is."""
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        return one_line(value or "")
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def links_of(links: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Names and addresses that may be opened: http or https, with a host, without blanks. Runbook first."""
    rank = {name: place for place, name in enumerate(LINKS_FIRST)}
    good = [(one_line(name, 60), str(url)) for name, url in links.items() if _is_link(str(url))]
    return tuple(sorted(good, key=lambda link: (rank.get(link[0], len(rank)), link[0])))[:LINKS_MAX]


def _is_link(url: str) -> bool:
    blank = any(letter.isspace() for letter in url) or _CONTROL.search(url)
    return len(url) <= LINK_MAX and not blank and is_http(url)
