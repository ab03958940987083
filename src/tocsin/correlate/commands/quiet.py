"""Quiet for a while, and a look at it for a while: both end at an instant that the event names."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from tocsin.correlate.closing import SNOOZE
from tocsin.correlate.suppress import verdict_of
from tocsin.correlate.write import Pen
from tocsin.domain import events as ev
from tocsin.domain.errors import Reject
from tocsin.domain.incident import Incident
from tocsin.domain.instant import Instant

LONGEST: Final = timedelta(days=30)
"""A snooze or a watch beyond that is forgotten by everybody but us; whoever needs more says it again."""


def _end(pen: Pen, verb: str, given: dict[str, Any]) -> Instant:
    """The instant that is asked for.

    Raises:
        Reject: `out_of_range`: it has passed, or is too far away.
    """
    longest = pen.now + LONGEST
    if "until" in given:
        until: Instant = given["until"]
    else:
        until = pen.now + timedelta(minutes=min(given["minutes"], 2 * LONGEST / timedelta(minutes=1)))
    if not pen.now < until <= longest:
        raise Reject("out_of_range", f"{verb} must end in the future, at most {LONGEST.days} days from now")
    return until


def snooze(pen: Pen, incident: Incident, given: dict[str, Any], note: str) -> Iterator[ev.Event]:
    """Nobody is called until then, whatever else keeps it quiet."""
    until = _end(pen, "snooze", given)
    if incident.snooze_due_at != until:
        header = {"suppressed_by": SNOOZE, "suppressed_until": until}
        seen = incident.pulse.seen if incident.pulse is not None else ()
        yield pen.change(ev.Suppressed, incident, "snoozed", header, snooze_due_at=until, seen=seen, note=note)


def unsnooze(pen: Pen, incident: Incident, given: dict[str, Any], note: str) -> Iterator[ev.Event]:
    """Nobody is called before it is known that nothing else keeps it quiet."""
    if incident.snooze_due_at is None:
        return
    verdict = verdict_of(pen, incident, snoozed=False)
    if verdict.outcome is None:
        yield snooze_ended(pen, incident, "unsnoozed", note)
    else:
        yield pen.change(ev.Suppressed, incident, "unsnoozed", verdict.header, seen=verdict.seen, note=note)


def snooze_ended(pen: Pen, incident: Incident, reason: str, note: str = "") -> ev.Unsuppressed:
    """The end of a snooze, by a person or by its deadline."""
    header = {"suppressed_by": "", "suppressed_until": None}
    return pen.change(ev.Unsuppressed, incident, reason, header, was=SNOOZE, note=note)


def watch(pen: Pen, incident: Incident, given: dict[str, Any], note: str) -> Iterator[ev.Event]:
    """Until then a new alert of its group opens it again, and it does not close by itself."""
    until = _end(pen, "watch", given)
    if incident.watch_due_at == until:
        return
    close_due_at = incident.close_due_at
    put_off = until if close_due_at is not None and close_due_at < until else None
    yield pen.change(ev.WatchStarted, incident, "watch_started", watch_due_at=until, close_due_at=put_off, note=note)


def end_watch(pen: Pen, incident: Incident, given: dict[str, Any], note: str) -> Iterator[ev.Event]:
    if incident.watch_due_at is not None:
        yield pen.change(ev.WatchEnded, incident, "watch_ended", note=note)
