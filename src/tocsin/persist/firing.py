"""The alerts that fire now, each with its incident, as the structs that the views keep.

In: the queries of a database. Out: (member, facts, incident) by the thousand, newest first. Reads only; one snapshot.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from tocsin.domain.alert import AlertFacts
from tocsin.domain.incident import Incident, Member
from tocsin.persist.queries import Queries

FIRING_MAX: Final = 10_000
"""Alerts that one answer looks at, the newest: some 30 MB and a second of work. An answer says when there are more; who
has so many asks by incident (`/api/alerting`)."""

_READ: Final = (
    "SELECT a.doc, a.facts, a.incident_id, i.doc FROM alerts a JOIN incidents i ON i.id = a.incident_id"
    " WHERE a.status = 'firing' ORDER BY a.attached_us DESC LIMIT ?"
)

_members: Final = msgspec.json.Decoder(Member)
_facts: Final = msgspec.json.Decoder(AlertFacts)
_incidents: Final = msgspec.json.Decoder(Incident)


class Firing(NamedTuple):
    """One alert that fires."""

    member: Member
    facts: AlertFacts
    incident: Incident


def firing_alerts(queries: Queries, limit: int = FIRING_MAX) -> Iterator[Firing]:
    """The newest `limit` of them. The incident of many alerts is one object."""
    known: dict[str, Incident] = {}
    with queries.reader() as connection:
        for member, facts, incident_id, doc in connection.execute(_READ, (limit,)):
            incident = known.get(incident_id)
            if incident is None:
                incident = known[incident_id] = _incidents.decode(doc)
            yield Firing(_members.decode(member), _facts.decode(facts), incident)
