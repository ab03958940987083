"""What became of alerts that were just taken: which incident, created or updated, and why. A bounded wait.

In: raw records with their places, as the intake has written them. Out: per alert `action` (`create_new` or
`update_existing`), `reason`, `existing_alert_id`, `correlation_id` and the incident. Nothing is decided here: it is
read from the views once correlate's events are in them; until then the alert is `pending`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tocsin import topology
from tocsin.api.serving import Serving
from tocsin.domain.alert import AlertStatus, Sighting
from tocsin.domain.instant import Instant, from_ms, to_ms
from tocsin.ingest.intake import Intake, IntakeRecord
from tocsin.persist.recorded import arrival_of
from tocsin.stage import RawRecord
from tocsin.topics import RAW
from tocsin.wire.normalized import decode_batch

POLL_SECONDS: Final = 0.05
"""Between two looks at first, then longer; an alert needs some 50 ms to its incident, a repeat a second."""
POLL_SECONDS_MAX: Final = 0.5
WAITED_MAX: Final = 200
"""Alerts of one request whose outcome is waited for; each look asks the views for each of them."""
RECORDS_MAX: Final = 200
"""Raw records of one request that are read once more to know their alerts' fingerprints."""
CREATE, UPDATE, PENDING = "create_new", "update_existing", "pending"


class Sent(msgspec.Struct, kw_only=True):
    """One alert on its way."""

    index: int
    """Its place in the request."""
    alert_id: str
    sighting: Sighting | None
    sent_at: Instant
    answer: dict[str, Any] | None = None


def sent_of(serving: Serving, taken: Intake, accepted: Mapping[int, str], sent_at: Instant) -> list[Sent]:
    """The alerts of a request that are durable, in their order, each as ingest reads it with the rules in force.

    Args:
        accepted: alert ids by index in the request.
        sent_at: before they were written.
    """
    mapper = topology.mapper(serving.node.partitions)
    sightings: dict[int, Sighting] = {}
    for record in taken.records[:RECORDS_MAX]:
        mapped = mapper.map([_raw(record, sent_at)], serving.node.rules)
        batches = (batch for values in mapped.batches.values() for batch in values)
        sightings |= {record.places[one.index]: one for batch in batches for one in decode_batch(batch)}
    # The log counts milliseconds.
    since = from_ms(to_ms(sent_at))
    return [
        Sent(index=index, alert_id=accepted[index], sighting=sightings.get(index), sent_at=since)
        for index in sorted(accepted)
    ]


def _raw(record: IntakeRecord, received_at: Instant) -> RawRecord:
    headers = (("tocsin_format", record.format.encode()),)
    return RawRecord(RAW.name, 0, "", 0, received_at, record.value, headers)


async def settled(serving: Serving, sent: Sequence[Sent], wait: float) -> None:
    """Fill in the answers, as they come, for at most `wait` seconds; what is not known then is `pending`."""
    ends = asyncio.get_running_loop().time() + wait
    pause = POLL_SECONDS
    watched = sent[:WAITED_MAX] if serving.node.event_log is not None else ()
    while waiting := [one for one in watched if one.answer is None]:
        await asyncio.to_thread(_look, serving, waiting)
        if asyncio.get_running_loop().time() >= ends:
            break
        if any(one.answer is None for one in waiting):
            await asyncio.sleep(pause)
            pause = min(pause * 1.3, POLL_SECONDS_MAX)
    for one in sent:
        if one.answer is None:
            one.answer = _answer(one, PENDING, "not_known_yet", None, "", "")


def _look(serving: Serving, waiting: Sequence[Sent]) -> None:
    for one in waiting:
        one.answer = _as_member(serving, one) or _as_repeat(serving, one)


def _as_member(serving: Serving, one: Sent) -> dict[str, Any] | None:
    """The answer for an alert that is a member of its own."""
    arrival = arrival_of(serving.queries, one.alert_id)
    if arrival is None:
        return None
    opened = arrival.type == "incident.opened"
    existing = None if opened or arrival.first_alert == one.alert_id else arrival.first_alert
    action = CREATE if opened else UPDATE
    return _answer(one, action, arrival.reason, existing, arrival.incident_id, arrival.number)


def _as_repeat(serving: Serving, one: Sent) -> dict[str, Any] | None:
    """The answer for an alert that continues or ends a known one: that one has been seen, or has ended, since."""
    if one.sighting is None:
        return None
    page = serving.queries.alerts(fingerprint=one.sighting.fingerprint, limit=1)
    if not page.items:
        return None
    known = page.items[0]
    if known["alert_id"] == one.alert_id:  # it came into the views after it was looked for as a member
        return _as_member(serving, one)
    if one.sighting.status is AlertStatus.RESOLVED:
        reason = "resolved" if known["status"] == "resolved" else ""
    else:
        reason = "repeat" if Instant.fromisoformat(known["last_seen_at"]) >= one.sent_at else ""
    if not reason:
        return None
    incident = serving.queries.incident(known["incident_id"]) or {}
    return _answer(one, UPDATE, reason, known["alert_id"], known["incident_id"], incident.get("number", ""))


def _answer(one: Sent, action: str, reason: str, existing: str | None, incident_id: str, number: str) -> dict[str, Any]:
    return {
        "index": one.index,
        "alert_id": one.alert_id,
        "action": action,
        "reason": reason,
        "existing_alert_id": existing,
        "correlation_id": one.sighting.correlation_id if one.sighting else "",
        "fingerprint": one.sighting.fingerprint if one.sighting else "",
        "incident": incident_id or None,
        "number": number or None,
        "error": None,
    }
