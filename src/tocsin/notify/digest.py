"""Many messages as one: beyond the limit of a place, or because the rules let messages wait for each other.

In: planned deliveries, the limits of the rules. Out: the same deliveries, some of them in a bundle; when a bundle is
due, the digest and the end of each of its members (`delivery.bundled`). Invariants: a member ends in exactly one
digest, and the digest's count is the number of its members; who waits alone goes out as themselves; a page waits for
other pages only, and only beyond a limit of their own; what a person asked for waits for nobody.
What a digest looks like is the channels' part.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.header import IncidentHeader, cut_text
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import Limit
from tocsin.domain.severity import Severity, severity_of
from tocsin.notify.plan import Addressed, shown
from tocsin.notify.quiet import is_asked_for
from tocsin.notify.state import DIGEST, Bundle, Delivery, Ledger, place_of
from tocsin.notify.write import Pen
from tocsin.wire.events import rfc3339

MEMBERS_MAX: Final = 500
"""Of one bundle, which is closed when it is full: all of its events have to fit into one commit."""
ROWS_MAX: Final = 25
"""Incidents that a digest names, the gravest first; the others are counted."""
TITLE_MAX: Final = 120
"""Characters of a title there: the context has to stay within its limit."""
OVER_LIMIT: Final = "over_limit"
OVER_PAGE_LIMIT: Final = "over_page_limit"
BUNDLE: Final = "bundle"
QUIET_HOURS: Final = "quiet_hours"
IN_DIGEST: Final = "in_digest"
ANSWERED: Final = "answered"
NAMED: Final = ("id", "number", "title", "severity", "severity_label", "status")
"""What a digest says of an incident."""


def placed(pen: Pen, planned: ev.DeliveryPlanned) -> Iterator[ev.Event]:
    """`planned` as it goes out: by itself, or in a bundle with others."""
    limit = pen.rules.notify.limits.get(planned.channel)
    if limit is None or is_asked_for(planned.context):
        yield planned
        return
    place = place_of(planned.recipient, planned.contacts)
    waits = _waits(pen, planned, place, limit)
    if waits is None:
        yield replace(planned, counts=bool(limit.pages if planned.page else limit.messages))
        return
    yield from joins(pen, planned, place, *waits)


def put_off(pen: Pen, planned: ev.DeliveryPlanned, until: Instant) -> Iterator[ev.Event]:
    """`planned` waits for the end of quiet hours; where digests may go, all of them come as one."""
    if planned.channel in pen.rules.notify.limits:
        place = place_of(planned.recipient, planned.contacts)
        yield from joins(pen, planned, place, QUIET_HOURS, until)
    else:
        yield replace(planned, send_due_at=until)


def _waits(pen: Pen, planned: ev.DeliveryPlanned, place: str, limit: Limit) -> tuple[str, Instant] | None:
    """For what and until when `planned` waits; None = for nothing."""
    now = pen.now
    # Each partition counts for itself. Together they keep to the limit; of pages each may send all of them, since they
    # may have come to one.
    most = limit.pages if planned.page else -(-limit.messages // pen.partitions)
    over = bool(most) and _sent(pen, planned.channel, place, planned.page, limit.per) >= most
    if planned.page:
        return (OVER_PAGE_LIMIT, now + limit.page_digest_every) if over else None
    if over or (pen.state.bundles and pen.state.open_bundle(planned.channel, place, OVER_LIMIT)):
        return OVER_LIMIT, now + limit.digest_every
    if limit.bundle and planned.send_due_at <= now:
        return BUNDLE, now + limit.bundle
    return None


def _sent(pen: Pen, channel: str, place: str, page: bool, per: timedelta) -> int:
    """How many messages of the last `per` count against the limit of a place."""
    times = pen.state.counted.get((channel, place, page))
    return len(times) - bisect_right(times, pen.now - per) if times else 0


def joins(pen: Pen, planned: ev.DeliveryPlanned, place: str, why: str, until: Instant) -> Iterator[ev.Event]:
    """`planned` waits with whatever else waits for the same, or begins to, `until` then."""
    bundle = pen.state.open_bundle(planned.channel, place, why)
    if bundle is not None and len(bundle.members) >= MEMBERS_MAX:
        yield from closed(pen, bundle)
        bundle = None
    digest = bundle.id if bundle else pen.delivery_id(planned.delivery_id, DIGEST, _address(planned.channel, place))
    yield replace(
        planned,
        send_due_at=bundle.due_at if bundle else until,
        counts=bundle is None and why == BUNDLE,
        joined=ev.Joined(digest=digest, place=place, why=why),
    )


def closed(pen: Pen, bundle: Bundle) -> Iterator[ev.Event]:
    """The digest of a bundle, and the end of its members."""
    members = [pen.state.deliveries[member] for member in bundle.members]
    to = _address(bundle.channel, bundle.place, members[-1].contacts if bundle.place else {})
    yield ev.DeliveryPlanned(
        recorded_at=pen.now,
        reason=bundle.why,
        cause=f"{members[0].id}.{members[0].written}",
        rules_version=pen.rules.version,
        delivery_id=bundle.id,
        n=1,
        incident_id="",
        channel=to.channel,
        step=DIGEST,
        recipient=to.recipient,
        page=any(member.page for member in members),
        contacts=to.contacts,
        send_due_at=pen.now,
        context=context_of(bundle.why, bundle.id, members, pen.now),
    )
    for member in members:
        yield ev.DeliveryBundled(**pen.of(member), reason=IN_DIGEST, cause=f"{bundle.id}.1", digest=bundle.id)


def is_answered(state: Ledger, delivery: Delivery) -> bool:
    """Whether `delivery` is a digest of pages that came too late: somebody has answered everything it calls for."""
    said: dict[str, Any] | None = delivery.context.get("digest") if delivery.page else None
    if said is None or delivery.attempt or said["more"]:
        return False
    return all(incident["id"] in state.answered for incident in said["incidents"])


def _address(channel: str, place: str, contacts: dict[str, tuple[str, ...]] | None = None) -> Addressed:
    return Addressed(channel, place or f"channel:{channel}", contacts or {})


def context_of(why: str, digest_id: str, members: Sequence[Delivery], now: Instant) -> dict[str, Any]:
    """What the digest of `members` says. As that of any message, so that a channel which knows no digests says what it
    is; besides, `digest`."""
    latest: dict[str, dict[str, Any]] = {}
    for member in members:
        incident: dict[str, Any] = member.context.get("incident") or {}
        latest[member.incident_id] = {name: incident[name] for name in NAMED if name in incident}
    ranked = sorted(latest.values(), key=lambda one: _severity(one).rank)
    rows = [one | {"title": cut_text(str(one.get("title", "")), TITLE_MAX)} for one in ranked[:ROWS_MAX]]
    said = [str(member.context.get("recorded_at", "")) for member in members]
    header = IncidentHeader(
        id="",
        number="",
        version=0,
        title=f"{len(members)} messages about {len(latest)} incident{'s' * (len(latest) > 1)}",
        severity=_severity(ranked[0]),
        status=Status.OPEN,
        opened_at=now,
    )
    context: dict[str, Any] = {
        "type": DIGEST,
        "reason": why,
        "actor": ev.SYSTEM,
        "event_id": f"{digest_id}.1",
        "recorded_at": rfc3339(now),
        "incident": shown(header),
        "digest": {
            "count": len(members),
            "since": min(said),
            "until": max(said),
            "incidents": rows,
            "more": len(latest) - len(rows),
            "by_severity": dict(Counter(_severity(one).value for one in ranked)),
            "by_step": dict(Counter(member.step for member in members).most_common(ROWS_MAX)),
        },
    }
    if "audience" in members[0].context:
        context["audience"] = members[0].context["audience"]
    return context


def _severity(incident: dict[str, Any]) -> Severity:
    return severity_of(str(incident.get("severity", "")))
