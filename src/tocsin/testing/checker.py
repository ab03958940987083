"""What must hold of a log, told by somebody who shares no code with the product's folds.

In: the lines of `topics export` (JSON values and headers only), the journal of a receiver, the rows of the event log.
Out: problems, one sentence each; none = the log keeps what was promised. It looks at effects, not at how they came
about: every accepted alert counted once, in one incident; versions without gaps; positions that only move forward;
timers never early; deliveries attempted before they were sent, doubled only when marked, no page after an
acknowledgement was read, none while an incident is suppressed, and what was held back made up for.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from tocsin.testing.checker_merges import merges
from tocsin.testing.checker_quiet import suppression
from tocsin.testing.checker_sends import deliveries, pages, timers
from tocsin.testing.lines import (
    COMMANDS,
    ESCALATIONS,
    INCIDENTS,
    JOURNALS,
    NOTIFICATIONS,
    RAW,
    REJECTED,
    Line,
    instant,
    read_line,
)

__all__ = ["Checked", "check"]

READS = {
    INCIDENTS: ("alerts.normalized.v1", "incidents.commands.v1"),
    ESCALATIONS: (INCIDENTS,),
    NOTIFICATIONS: (INCIDENTS, ESCALATIONS),
}
Place = tuple[str, int]


class Checked(NamedTuple):
    """What was found, and how much was looked at (a check of nothing finds nothing)."""

    problems: list[str]
    counts: dict[str, int]


def check(
    log: Iterable[Mapping[str, Any]],
    sends: Sequence[Mapping[str, Any]] | None = None,
    event_log: Iterable[Mapping[str, Any]] | None = None,
    *,
    settled: bool = True,
    holes: Collection[str] = (),
) -> Checked:
    """Check everything.

    Args:
        log: lines of all topics, each partition in order.
        sends: what the receiver saw, in order: `delivery_id`, `attempt`, `possible_duplicate`. None = not known.
        event_log: `topic, partition, offset` of every row.
        settled: tocsin was stopped in order: everything accepted has to be applied. Else it may still wait.
        holes: topics whose offsets have gaps, since others write transactions into them.
    """
    by_place: dict[Place, list[Line]] = defaultdict(list)
    for raw in log:
        line = read_line(raw)
        by_place[line.topic, line.partition].append(line)
    events = [line for place in sorted(by_place) if place[0] in JOURNALS for line in by_place[place] if line.counts]
    problems = [
        *_places(by_place, holes),
        *_identities(events),
        *_incidents(events),
        *_alerts(by_place, events, settled),
        *_commands(by_place, events, settled),
        *_positions(by_place, settled),
        *timers(events),
        *deliveries(events, sends),
        *pages(events),
        *suppression(events, settled=settled),
        *merges(events, settled=settled),
        *(_rows(events, event_log) if event_log is not None else ()),
    ]
    counts = Counter(line.type for line in events)
    counts["raw"] = sum(len(lines) for place, lines in by_place.items() if place[0] == RAW)
    counts["alerts"] = len(_accepted(by_place))
    counts["sends"] = len(sends or ())
    return Checked(problems, dict(counts))


# ---- the log itself -------------------------------------------------------------------------------------------------


def _places(by_place: Mapping[Place, list[Line]], holes: Collection[str]) -> Iterator[str]:
    for (topic, _), lines in by_place.items():
        for before, after in pairwise(lines):
            if after.offset <= before.offset or (after.offset != before.offset + 1 and topic not in holes):
                yield f"{after.where} follows offset {before.offset}"


def _identities(events: Sequence[Line]) -> Iterator[str]:
    seen: dict[tuple[str, str], str] = {}
    last: dict[Place, datetime] = {}
    for line in events:
        key = (line.headers.get("ce_source", ""), line.headers.get("ce_id", ""))
        if not all(key):
            yield f"{line.where} has no identity"
        if key in seen:
            yield f"{line.where} has the id {key[1]} of {seen[key]}"
        seen[key] = line.where
        at = instant(line.value["recorded_at"])
        if at != instant(line.headers["ce_time"]):
            yield f"{line.where}: ce_time is not recorded_at"
        place = (line.topic, line.partition)
        if place in last and at < last[place]:
            yield f"{line.where} was recorded before the record in front of it"
        last[place] = at


def _positions(by_place: Mapping[Place, list[Line]], settled: bool) -> Iterator[str]:
    for (topic, partition), lines in by_place.items():
        if topic not in READS:
            continue
        sources: dict[str, int] = {}
        raw: dict[str, tuple[str, int, int]] = {}
        for line in lines:
            header = line.headers.get("tocsin_position")
            if header is None or not line.counts:
                continue
            position = json.loads(header)
            for source, (following, _) in position.get("sources", {}).items():
                if following < sources.get(source, 0):
                    yield f"{line.where}: {source} goes back from {sources[source]} to {following}"
                sources[source] = following
            for source, (incarnation, offset, index, _) in position.get("raw", {}).items():
                before = raw.get(source)
                if before and before[0] == incarnation and (offset, index) <= before[1:]:
                    yield f"{line.where}: {source} goes back from {before[1:]} to {(offset, index)}"
                raw[source] = (incarnation, offset, index)
        for source in READS[topic] if settled else ():
            following = sources.get(f"{source}/{partition}", 0)
            for line in by_place.get((source, partition), ()):
                if line.offset >= following and line.counts and not line.type.startswith("journal."):
                    yield f"{topic}/{partition} has not read {line.where}"
                    break


def _rows(events: Sequence[Line], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    stored = Counter((row["topic"], row["partition"], row["offset"]) for row in rows)
    known = {(line.topic, line.partition, line.offset) for line in events}
    for place in sorted(known - stored.keys()):
        yield f"the event log lacks {place}"
    for place, times in sorted(stored.items()):
        if place not in known:
            yield f"the event log has {place}, which does not count"
        elif times != 1:
            yield f"the event log has {place} {times} times"


# ---- alerts and incidents -------------------------------------------------------------------------------------------


def _incidents(events: Sequence[Line]) -> Iterator[str]:
    """Versions without gaps, one partition for each incident, and each alert in exactly one incident at any time."""
    versions: dict[str, int] = defaultdict(int)
    home: dict[str, int] = {}
    member: dict[str, str] = {}
    for line in events:
        if line.topic != INCIDENTS or not line.type.startswith("incident."):
            continue
        event, incident = line.value, line.value["incident_id"]
        versions[incident] += 1
        if event["version"] != versions[incident]:
            yield f"{line.where}: {incident} has version {event['version']} after {versions[incident] - 1}"
        if home.setdefault(incident, line.partition) != line.partition:
            yield f"{line.where}: {incident} lives in partition {home[incident]}"
        if event["header"]["id"] != incident or event["header"]["version"] != event["version"]:
            yield f"{line.where}: the header is that of {event['header']['id']}.{event['header']['version']}"
        if alert := event.get("alert"):
            if alert["alert_id"] in member:
                yield f"{line.where}: {alert['alert_id']} is in {member[alert['alert_id']]} already"
            member[alert["alert_id"]] = incident
        moving = list(event.get("alert_ids", ())) if line.type == "incident.alert_moved" else []
        for alert_id in moving:
            if member.get(alert_id) != event["moved_from"]:
                yield f"{line.where}: {alert_id} moves from {event['moved_from']}, it is in {member.get(alert_id)}"
        if line.type == "incident.merged":
            moving = [alert_id for alert_id, where in member.items() if where == event["absorbed"]]
        for alert_id in moving:
            member[alert_id] = incident


class _Item(NamedTuple):
    """One accepted alert, as the sender wrote it."""

    identity: str
    firing: bool


REPLICAS = ("replica", "prometheus_replica", "receive_replica")
"""Labels that by default do not identify: a pair of Prometheus servers is one source."""
KEYED = "key "
"""Begin of the identity of a PagerDuty event. Its resolve goes to every partition, so that nobody counts resolves."""


def _accepted(by_place: Mapping[Place, list[Line]]) -> dict[str, _Item]:
    """Every accepted alert by its place in the raw topic: what was published less what was rejected."""
    rejected = {
        f"{line.headers['tocsin_error_source']}/{line.headers['tocsin_error_position']}"
        for (topic, _), lines in by_place.items()
        if topic == REJECTED
        for line in lines
        if line.headers.get("tocsin_error_stage") == "ingest"
    }
    items: dict[str, _Item] = {}
    for (topic, _), lines in by_place.items():
        for line in lines if topic == RAW else ():
            if line.where in rejected:
                continue
            for index, document in enumerate(_documents(line.value)):
                place = f"{line.where}/{index}"
                if place not in rejected:
                    items[place] = _item(document, line)
    return items


def _item(document: Mapping[str, Any], line: Line) -> _Item:
    if "event_action" in document:
        key = json.dumps([document.get("routing_key"), document.get("dedup_key")])
        return _Item(KEYED + key, document["event_action"] == "trigger")
    labels = (document.get("labels") or {}).items()
    identifying = sorted((name, text) for name, text in labels if text and name not in REPLICAS)
    firing = document.get("status", "firing") == "firing"
    ends_at = document.get("endsAt", "")
    if line.headers.get("tocsin_format") == "prometheus" and ends_at and not ends_at.startswith("0001-"):
        firing = instant(ends_at).timestamp() * 1000 > line.timestamp
    return _Item(json.dumps([document.get("key"), document.get("title"), identifying]), firing)


def _documents(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value["alerts"]) if isinstance(value.get("alerts"), list) else [value]
    return list(value) if isinstance(value, list) else []


def _alerts(by_place: Mapping[Place, list[Line]], events: Sequence[Line], settled: bool) -> Iterator[str]:
    """Every accepted alert left exactly one trace: the first of a member, one of a tally, a resolve or a tombstone."""
    accepted = _accepted(by_place)
    identity: dict[str, str] = {}
    firing, resolved = Counter[str](), Counter[str]()
    traced: set[str] = set()
    for line in events:
        event = line.value
        if line.topic != INCIDENTS:
            continue
        if alert := event.get("alert"):
            item = accepted.get(alert["raw"])
            if item is None or not item.firing:
                yield f"{line.where}: {alert['alert_id']} comes from {alert['raw']}, where no firing alert is"
                continue
            if alert["raw"] in traced:
                yield f"{line.where}: {alert['raw']} was attached before"
            traced.add(alert["raw"])
            identity[alert["alert_id"]] = item.identity
            firing[item.identity] += 1
        for alert_id, count, *_ in event.get("tallies", ()):
            if alert_id not in identity:
                yield f"{line.where} counts {alert_id}, which nothing has attached"
            else:
                (firing if event["reason"] == "repeat" else resolved)[identity[alert_id]] += count
        ends = line.type == "incident.alert_resolved" and event["reason"] == "resolved"
        if ends or line.type == "journal.tombstoned":
            item = accepted.get(event["cause"])
            if item is not None and event["cause"] not in traced:
                traced.add(event["cause"])
                resolved[item.identity] += 1
    for word, counted in (("firing", firing), ("resolved", resolved)):
        given = Counter(item.identity for item in accepted.values() if item.firing is (word == "firing"))
        for name in sorted(given.keys() | counted.keys()):
            if name.startswith(KEYED) and word == "resolved":
                continue
            if counted[name] > given[name] or (settled and counted[name] != given[name]):
                yield f"{name}: {given[name]} {word} were accepted, {counted[name]} were counted"


# ---- commands -------------------------------------------------------------------------------------------------------


def _commands(by_place: Mapping[Place, list[Line]], events: Sequence[Line], settled: bool) -> Iterator[str]:
    """Every command has one outcome, in the partition of the incident that it named."""
    outcomes: dict[str, Line] = {}
    home: dict[str, int] = {}
    for line in events:
        if line.topic != INCIDENTS:
            continue
        if line.type.startswith("command."):
            name = line.value["command_id"]
            if name in outcomes:
                yield f"{line.where}: {name} has its outcome at {outcomes[name].where}"
            outcomes[name] = line
        elif line.type == "incident.opened":
            header = line.value["header"]
            home[header["id"]] = home[header["number"]] = line.partition
    for (topic, _), lines in by_place.items():
        for line in lines if topic == COMMANDS else ():
            if not isinstance(line.value, dict) or not isinstance(line.value.get("command_id"), str):
                continue
            outcome = outcomes.get(line.value["command_id"])
            if outcome is None:
                if settled:
                    yield f"{line.where} has no outcome"
            elif home.get(line.value.get("incident", ""), outcome.partition) != outcome.partition:
                yield f"{line.where} was decided in partition {outcome.partition}, its incident lives elsewhere"
