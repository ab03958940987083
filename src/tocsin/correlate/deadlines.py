"""What time alone brings about: alerts that time out, incidents that resolve, close, retire; acknowledgements that
expire.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from tocsin.correlate.alerts import resolved_members
from tocsin.correlate.closing import closed, lacks_root_cause
from tocsin.correlate.grouping import rule_named
from tocsin.correlate.suppress import OVER, settled
from tocsin.correlate.suppress_sweep import on_due
from tocsin.correlate.write import Pen
from tocsin.domain import events as ev
from tocsin.domain.agenda import Deadline
from tocsin.domain.header import is_test
from tocsin.domain.lifecycle import Status

GROUP_REMEMBERED: Final = timedelta(days=30)
"""How long a retired incident can still be named by `recurrence_of`."""


def on_deadline(pen: Pen, deadline: Deadline) -> Iterator[ev.Event]:
    """The event of a deadline that is reached."""
    if deadline.kind == "expire":
        member = pen.state.alerts[deadline.subject]
        yield resolved_members(pen, [member], deadline.at, "timed_out")
        return
    if deadline.kind == "sweep":
        yield from on_due(pen, deadline)
        return
    incident = pen.state.incidents[deadline.subject]
    if deadline.kind in ("loud", "snooze"):
        yield from settled(pen, incident, OVER)
        return
    rule = rule_named(incident.rule, pen.rules)
    if deadline.kind == "resolve":
        yield pen.change(
            ev.Resolved,
            incident,
            "all_alerts_resolved",
            {"status": Status.RESOLVED},
            close_due_at=pen.now + rule.close_after,
        )
    elif deadline.kind == "acknowledgement":
        header = {"status": Status.OPEN, "acknowledged_at": None, "acknowledged_by": ""}
        yield pen.change(ev.AcknowledgementExpired, incident, "acknowledgement_expired", header)
    elif deadline.kind == "close":
        if lacks_root_cause(incident, pen.rules):
            yield pen.change(ev.ClosingHeld, incident, "root_cause_required")
        else:
            yield closed(pen, incident, "test_over" if is_test(incident.header) else "resolved_long_enough")
    elif deadline.kind == "watch":
        yield pen.change(ev.WatchEnded, incident, "watch_over")
    elif deadline.kind == "retire":
        yield pen.change(ev.Retired, incident, "closed_long_enough", forget_due_at=pen.now + GROUP_REMEMBERED)
