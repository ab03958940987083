"""How correlate's events are made: each carries the incident's header as it is after the event.

`Pen` holds what all events of one decision share. It reads the state at the moment of the call, so that a generator
which yields an event and goes on always writes the next version.
"""

from typing import Any, TypeVar

import msgspec

from tocsin.correlate.grouping import Placement, category_of
from tocsin.correlate.state import Roster, State
from tocsin.correlate.suppress import at_opening
from tocsin.domain import events as ev
from tocsin.domain import ids
from tocsin.domain.alert import AlertBody, AlertFacts, Sighting, event_time
from tocsin.domain.assignment import assigned_to
from tocsin.domain.header import SUMMARY_MAX, TITLE_MAX, IncidentHeader, cut_text, fitted
from tocsin.domain.incident import Incident
from tocsin.domain.instant import Instant, day_of, to_us
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import Rules
from tocsin.domain.suppression import Suppression

E = TypeVar("E", bound=ev.IncidentEvent)
HEADER_LABELS_MAX = 16
HEADER_TEXT_MAX = 120
"""Per label name and value, so that a header stays below its 4 KB."""
HEADER_LINKS_MAX = 4
HEADER_LINK_MAX = 300


class Pen:
    """Writes the events of one decision."""

    __slots__ = ("actor", "cause", "now", "origin", "partition", "partitions", "rules", "state", "suppression")

    def __init__(
        self,
        state: State,
        rules: Rules,
        now: Instant,
        cause: str,
        partition: int,
        partitions: int,
        actor: str = ev.SYSTEM,
        suppression: Suppression | None = None,
        origin: str = "",
    ) -> None:
        """`suppression`: what the rules keep quiet; None = nothing. `origin`: the channel over which it is asked for;
        only what was asked for carries it, not what follows from it for others."""
        self.state = state
        self.rules = rules
        self.now = now
        self.cause = cause
        self.actor = actor
        self.partition = partition
        self.partitions = partitions
        self.suppression = suppression
        self.origin = origin

    def stamps(self, reason: str) -> dict[str, Any]:
        """The fields that every event of this decision has."""
        return {
            "recorded_at": self.now,
            "reason": reason,
            "actor": self.actor,
            "cause": self.cause,
            "rules_version": self.rules.version,
        }

    def change(
        self, kind: type[E], incident: Incident, reason: str, header: dict[str, Any] | None = None, **fields: Any
    ) -> E:
        """The next event of an incident. `header` names what changes in the header; counts are filled in."""
        roster = self.state.rosters.get(incident.id) or Roster()
        after: dict[str, Any] = {
            "version": incident.version + 1,
            "alerts": len(roster.fingerprints),
            "firing": len(roster.firing),
            "occurrences": incident.occurrences,
            **(header or {}),
        }
        replaced = msgspec.structs.replace(incident.header, **after)
        return kind(
            incident_id=incident.id,
            version=incident.version + 1,
            header=fitted(replaced) if "title" in after else replaced,
            origin=self.origin,
            **self.stamps(reason),
            **fields,
        )

    def facts(self, sighting: Sighting, body: AlertBody) -> AlertFacts:
        """What the events say of a new member."""
        start, clamped = event_time(sighting)
        received_at = sighting.received_at
        return AlertFacts(
            alert_id=ids.alert_id(sighting.raw_partition, sighting.incarnation, sighting.offset, sighting.index),
            fingerprint=sighting.fingerprint,
            episode=sighting.episode,
            title=cut_text(body.title, TITLE_MAX),
            severity=body.severity,
            start=start,
            last=received_at if start <= received_at else start,
            starts_at=sighting.starts_at,
            event_time_clamped=clamped,
            expires_at=sighting.expires_at,
            category=body.category,
            service=body.service,
            source=body.source,
            correlation_id=sighting.correlation_id,
            labels=body.labels,
            annotations=body.annotations,
            links=body.links,
            cut=body.cut,
            raw=self.cause,  # the place of the sighting
        )

    def next_number(self) -> tuple[str, int]:
        """(number, ordinal) of the next incident: k * P + p + 1 within the UTC day of `now`."""
        day = day_of(self.now)
        ordinal = self.state.ordinal if self.state.day == day else 0
        return f"INC-{day}-{ordinal * self.partitions + self.partition + 1:03d}", ordinal

    def opened(
        self, where: Placement, partition_key: str, facts: AlertFacts, body: AlertBody, reason: str, **fields: Any
    ) -> ev.Opened:
        """A new incident whose first member `facts` describe."""
        number, ordinal = self.next_number()
        category = category_of(body, where.rule)
        assigned = assigned_to(category, facts.severity, body.service, self.rules, self.now, self.state.load)
        header = IncidentHeader(
            id=self.id_for(facts.alert_id, facts.fingerprint, facts.start),
            number=number,
            version=1,
            title=facts.title,
            severity=facts.severity,
            status=Status.OPEN,
            opened_at=self.now,
            category=cut_text(category, HEADER_TEXT_MAX),
            service=cut_text(body.service, HEADER_TEXT_MAX),
            team=assigned.team,
            assignee=assigned.assignee,
            source=cut_text(body.source, HEADER_TEXT_MAX),
            correlation_id=cut_text(facts.correlation_id, HEADER_TEXT_MAX),
            alerts=1,
            firing=1,
            occurrences=1,
            summary=cut_text(body.annotations.get("description") or body.annotations.get("summary") or "", SUMMARY_MAX),
            labels=_short(where.labels),
            links=_links(known_links(body.links, body.service, self.rules)),
        )
        if self.suppression is not None:
            header, fields["seen"] = at_opening(self, where.rule, header, partition_key, facts)
        return self.opening(
            header,
            ordinal,
            where,
            partition_key,
            facts.start,
            reason,
            alert=facts,
            assigned_because=assigned.because,
            **fields,
        )

    def id_for(self, alert_id: str, fingerprint: str, start: Instant) -> str:
        """Id of an incident that this decision opens for an alert."""
        # As a number: written as text, an instant costs as much as half of the hash.
        return ids.incident_id(self.partition, self.cause, alert_id, fingerprint, str(to_us(start)))

    def opening(
        self,
        header: IncidentHeader,
        ordinal: int,
        where: Placement,
        partition_key: str,
        event_time: Instant,
        reason: str,
        **fields: Any,
    ) -> ev.Opened:
        """The first event of an incident."""
        header = fitted(header)
        return ev.Opened(
            incident_id=header.id,
            version=1,
            header=header,
            ordinal=ordinal,
            group=where.group,
            group_key=where.group_key,
            partition_key=partition_key,
            event_time=event_time,
            rule=where.rule.name,
            gap_seconds=where.rule.gap.total_seconds(),
            recorded_at=self.now,
            reason=reason,
            actor=self.actor,
            cause=self.cause,
            rules_version=self.rules.version,
            origin=self.origin,
            **fields,
        )


def _short(labels: dict[str, str]) -> dict[str, str]:
    names = sorted(labels)[:HEADER_LABELS_MAX]
    if (
        max(map(len, names), default=0) <= HEADER_TEXT_MAX
        and max(map(len, labels.values()), default=0) <= HEADER_TEXT_MAX
    ):
        return {name: labels[name] for name in names}  # nearly always
    return {cut_text(name, HEADER_TEXT_MAX): cut_text(labels[name], HEADER_TEXT_MAX) for name in names}


def known_links(links: dict[str, str], service: str, rules: Rules) -> dict[str, str]:
    """The links that an incident comes with and, as far as there is room, those of its service, the runbook first."""
    known = rules.services.get(service) if rules.services else None
    if known is None:
        return links
    found = dict(links)
    runbook = {"runbook": known.runbook} if known.runbook.startswith(("https://", "http://")) else {}
    for name, url in (*runbook.items(), *sorted(known.links.items())):
        if len(found) < HEADER_LINKS_MAX:
            found.setdefault(name, url)
    return found


def _links(links: dict[str, str]) -> dict[str, str]:
    """Whole links only: a cut URL leads nowhere."""
    if (
        len(links) <= HEADER_LINKS_MAX
        and max(map(len, links.values()), default=0) <= HEADER_LINK_MAX
        and max(map(len, links), default=0) <= HEADER_TEXT_MAX
    ):
        return dict(sorted(links.items()))  # nearly always
    whole = {name: url for name, url in links.items() if len(url) <= HEADER_LINK_MAX and len(name) <= HEADER_TEXT_MAX}
    return dict(sorted(whole.items())[:HEADER_LINKS_MAX])
