"""A message once more, because a person asks for it.

In: `incident.resend_requested`, the ledger, the directory. Out: the plan of a new delivery over the same channel to
the same recipient, whose cause is that event. Invariants: it says that it may be a duplicate, and of what; one that is
being sent is not sent twice at once; one that waits is replaced. An answer does not take it back: somebody wants it.
It says how the incident is now, not how it was: the first message is not kept.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from msgspec.structs import replace

from tocsin.domain import events as ev
from tocsin.domain.rules import Rules
from tocsin.notify.plan import URGENT, Addressed, context_of
from tocsin.notify.write import Pen

RESENT: Final = "resent"


class _Sent(NamedTuple):
    """Where a message went."""

    to: Addressed
    page: bool


def resent(pen: Pen, event: ev.ResendRequested) -> Iterator[ev.Event]:
    """The new delivery; nothing for one that is being sent, or that nobody can say anything of."""
    known = pen.state.deliveries.get(event.delivery)
    if known is not None and known.sending:
        return
    if known is not None:
        sent: _Sent | None = _Sent(Addressed(known.channel, known.recipient, known.contacts), known.page)
        yield pen.withdrawn(known, RESENT, ev.event_id(event))
    else:
        sent = _remembered(pen, event)
    if sent is None:
        return
    context = context_of(event, pen.rules) | {"resend_of": event.delivery, "possible_duplicate": True}
    yield replace(pen.planned(event, sent.to, context), reason=RESENT, page=sent.page)


def _remembered(pen: Pen, event: ev.ResendRequested) -> _Sent | None:
    """Where a finished message went: the ledger remembers the last of each recipient, of others the event says it."""
    urgent = event.header.severity.rank <= URGENT.rank
    for one in pen.state.told.get(event.incident_id, ()):
        if one.delivery_id == event.delivery:
            page = urgent or one.step.startswith("escalation.")
            return _Sent(Addressed(one.channel, one.recipient, contacts_of(one.recipient, pen.rules)), page)
    if not (event.channel and event.recipient):
        return None
    return _Sent(Addressed(event.channel, event.recipient, contacts_of(event.recipient, pen.rules)), urgent)


def contacts_of(recipient: str, rules: Rules) -> dict[str, tuple[str, ...]]:
    """The addresses of a recipient as the directory has them now; none for a channel."""
    kind, _, name = recipient.partition(":")
    if kind == "user" and name in rules.users:
        return rules.users[name].contacts
    if kind == "team" and name in rules.teams:
        return rules.teams[name].contacts
    return rules.services[name].vendor if kind == "vendor" and name in rules.services else {}
