"""An incident that a person declares."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from tocsin.correlate.commands.change import described, worked_out
from tocsin.correlate.grouping import DEFAULT_CATEGORY, Placement, rule_named
from tocsin.correlate.write import (
    HEADER_LABELS_MAX,
    HEADER_LINK_MAX,
    HEADER_LINKS_MAX,
    HEADER_TEXT_MAX,
    Pen,
    known_links,
)
from tocsin.domain import events as ev
from tocsin.domain.assignment import assigned_to
from tocsin.domain.command import Command
from tocsin.domain.header import SUMMARY_MAX, TEST_LABEL, TEST_SOURCE, TITLE_MAX, IncidentHeader, cut_text
from tocsin.domain.ids import correlation_partition_key, incident_id, short_hash
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import Status
from tocsin.domain.severity import Severity

SAID = frozenset({"urgency", "impact", "incident_type", "server_id"})
"""What goes into the details, by a `changed` of its own behind the opening."""

TEST_CLOSES_AFTER: Final = timedelta(minutes=15)
"""Long enough for a slow mail server and a slow thumb."""


def declare(pen: Pen, command: Command, given: dict[str, Any]) -> Iterator[ev.Event]:
    """Pinned from the start; its group is its own unless it names a correlation id. What is said besides follows.

    Raises:
        Reject: `unknown_severity`, or words that the severity matrix does not have.
    """
    severity = worked_out(given, given.get("impact", {}).get("level", ""), given.get("urgency", ""), pen.rules)
    opened = _opened(pen, command, given, severity or Severity.HIGH)
    yield opened
    said = {name: given[name] for name in SAID if name in given}
    if said:
        yield from described(pen, pen.state.incidents[opened.incident_id], said, "")


def _source(command: Command, given: Mapping[str, Any]) -> str:
    source = given.get("source") or "declared"
    return "declared" if source == TEST_SOURCE and command.verb != "test_page" else source


def test_page(pen: Pen, command: Command, given: dict[str, Any]) -> Iterator[ev.Event]:
    """One target is called for an incident that is told to nobody else and closes by itself."""
    target = given["target"]
    said = {
        "title": f"Test page for {target}",
        "summary": "Somebody tries whether pages arrive. Acknowledge it, or do nothing: it closes by itself.",
        "source": TEST_SOURCE,
        "labels": {TEST_LABEL: "true"},
    }
    opened = _opened(pen, command, said, Severity.INFO, close_due_at=pen.now + TEST_CLOSES_AFTER)
    yield opened
    incident = pen.state.incidents[opened.incident_id]
    yield pen.change(ev.EscalationRequested, incident, "test_page", target=target)


def _opened(
    pen: Pen,
    command: Command,
    given: Mapping[str, Any],
    severity: Severity,
    close_due_at: Instant | None = None,
) -> ev.Opened:
    category = cut_text(given.get("category") or DEFAULT_CATEGORY, HEADER_TEXT_MAX)
    service = given.get("service", "")
    assigned = assigned_to(category, severity, service, pen.rules, pen.now, pen.state.load)
    correlation_id = given.get("correlation_id", "")
    rule = pen.rules.correlation[0] if pen.rules.correlation else rule_named("", pen.rules)
    key = f"correlation_id={correlation_id}" if correlation_id else f"declared={command.command_id}"
    partition_key = correlation_partition_key(correlation_id) if correlation_id else f"declared:{command.command_id}"
    number, ordinal = pen.next_number()
    labels, links = given.get("labels", {}), known_links(given.get("links", {}), service, pen.rules)
    header = IncidentHeader(
        id=incident_id(pen.partition, pen.cause),
        number=number,
        version=1,
        title=cut_text(given["title"], TITLE_MAX),
        severity=severity,
        status=Status.OPEN,
        opened_at=pen.now,
        category=category,
        service=service,
        team=given.get("team") or assigned.team,
        assignee=given.get("assignee") or assigned.assignee,
        source=_source(command, given),
        correlation_id=correlation_id,
        summary=cut_text(given.get("summary", ""), SUMMARY_MAX),
        labels={
            cut_text(name, HEADER_TEXT_MAX): cut_text(labels[name], HEADER_TEXT_MAX)
            for name in sorted(labels)[:HEADER_LABELS_MAX]
        },
        links={
            cut_text(name, HEADER_TEXT_MAX): links[name]
            for name in sorted(links)[:HEADER_LINKS_MAX]
            if len(links[name]) <= HEADER_LINK_MAX and links[name].startswith(("https://", "http://"))
        },
    )
    where = Placement(short_hash("group", partition_key, rule.name, key), key, {}, rule)
    because = "by_command" if given.get("team") or given.get("assignee") else assigned.because
    return pen.opening(
        header,
        ordinal,
        where,
        partition_key,
        pen.now,
        "declared",
        pinned=True,
        assigned_because=because,
        close_due_at=close_due_at,
    )
