"""Any journal, `journal.*`: event id = `<journal>.<partition>.<offset>`; no subject."""

import msgspec

from tocsin.domain.events.event import Event
from tocsin.domain.instant import Instant


class Claimed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The first commit of a new owner: whatever a former one still has in flight no longer fits."""

    TYPE = "journal.claimed"
    member: str
    generation: int = 0


class Positioned(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Nothing but a position: input was read and nothing had to be said."""

    TYPE = "journal.positioned"


class Rebased(Event, frozen=True, kw_only=True, omit_defaults=True):
    """An operator's decision on a source that was trimmed or created anew."""

    TYPE = "journal.rebased"


class Tally(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Repeats of one member: how many, and the stretch of time they cover."""

    alert_id: str
    count: int
    start: Instant
    last: Instant
    expires_at: Instant | None = None
    resolved_at: Instant | None = None
    """The latest resolve among them, when it was resolved already: an older sighting that is still on its way ends by
    it.
    """


class Tallied(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Repeats since the last tally. The record is the sum; evolving it equals evolving the repeats one by one."""

    TYPE = "journal.tallied"
    tallies: tuple[Tally, ...]


class Tombstoned(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A resolve came for something unknown: a sighting of that fingerprint received until `resolved_at` counts as
    resolved.
    """

    TYPE = "journal.tombstoned"
    fingerprint: str
    resolved_at: Instant
    forget_due_at: Instant


class Swept(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Correlate has looked at incidents whether they are quiet as the rules say: at all of them, or at those of one
    partition key. Of many it looks at some at a time."""

    TYPE = "journal.swept"
    rules: str = ""
    """Fingerprint of what the rules keep quiet; empty = nothing."""
    partition_key: str = ""
    """Empty = every incident."""
    cursor: str = ""
    """Id of the last incident that was looked at; empty = all were."""
    next_due_at: Instant | None = None
    """When to look again: at once while there is a cursor, else when the next silence or window begins."""


class Muted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Notify's memory of a suppressed incident: since when nobody is told, and whether somebody still has to be."""

    TYPE = "journal.muted"
    incident_id: str
    incident_version: int
    suppressed_by: str = ""
    """Empty = it is not suppressed any more."""
    since: Instant | None = None
    owed: bool = False
    """Something that calls somebody was held back: it is made up for when the suppression ends."""


class Followed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Notify's memory of an incident: whether a page may still be planned for it."""

    TYPE = "journal.followed"
    incident_id: str
    incident_version: int
    answered: bool
    gone: bool = False


class Sent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A command to the owner of another partition is in the log: it need not be written again."""

    TYPE = "journal.sent"
    command_id: str
