"""What a message says to a person, once for all channels: in words, without markup.

In: the context of a delivery. Out: `Message`. Invariants: no text holds a control character (texts of several lines
keep their line breaks); links are http or https; whatever a source wrote stays text. A context with gaps gives a
message with gaps.
It knows no channel: escaping for HTML, a terminal or a header is theirs.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from tocsin.domain.header import cut_text

LINK_MAX: Final = 2000
"""Characters of an address: browsers and mail readers take no longer ones reliably."""
LINKS_MAX: Final = 12
LINKS_FIRST: Final = ("runbook", "dashboard", "generator")

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
}
_CALLED: Final = {
    "requested": "Somebody asks for you",
    "sla_breached": "It should be resolved by now",
}
"""Why a call is made, where it is not that nobody has answered."""
_GOOD: Final = frozenset({"incident.resolved", "incident.closed", "incident.mitigated", "incident.acknowledged"})


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message in words."""

    subject: str
    """One line that stands alone: the incident, how bad, what has happened."""
    headline: str
    """What has happened."""
    good: bool
    """Nobody is asked to do anything."""
    title: str
    severity: str
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


def clean(text: object, limit: int = 1000) -> str:
    """`text` without control characters; line breaks stay."""
    return cut_text(_CONTROL.sub(" ", str(text)).strip(), limit)


def one_line(text: object, limit: int = 300) -> str:
    """`text` on one line."""
    return cut_text(" ".join(_CONTROL.sub(" ", str(text)).split()), limit)


def message_of(context: Mapping[str, Any]) -> Message:
    """The message for the context of a delivery."""
    incident: Mapping[str, Any] = context.get("incident") or {}
    kind = str(context.get("type", ""))
    severity = one_line(incident.get("severity_label") or str(incident.get("severity", "")).upper())
    number, title = one_line(incident.get("number", "")), one_line(incident.get("title", ""))
    good = kind in _GOOD
    tag = _HEADLINES[kind] if good else severity
    level = (context.get("escalation") or {}).get("level")
    called = f"Escalation {level}: " if level is not None else ""
    return Message(
        subject=one_line(f"[{tag}] {number} {called}{title}", 200),
        headline=_headline(kind, context, incident),
        good=good,
        title=title,
        severity=severity,
        number=number,
        incident_id=one_line(incident.get("id", "")),
        facts=tuple(_facts(context, incident)),
        links=links_of(incident.get("links") or {}),
        summary=clean(incident.get("summary", "")),
        note=clean(context.get("note", "")),
        upcoming=_upcoming(context.get("next")),
    )


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
        ("Opened", instant_text(incident.get("opened_at"))),
        ("Category", incident.get("category", "")),
        ("Team", incident.get("team", "")),
        ("Acknowledged", incident.get("acknowledged_by", "")),
        ("Late by", f"{late:.0f} s" if late >= 1 else ""),
        ("Suppressed", _suppression(context.get("suppressed"))),
        ("Happened", instant_text(context.get("recorded_at"))),
    ]
    return [(label, one_line(value)) for label, value in rows if value]


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
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and len(url) <= LINK_MAX
            and not any(letter.isspace() for letter in url)
            and not _CONTROL.search(url)
        )
    except ValueError:
        return False
