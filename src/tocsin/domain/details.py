"""What people say of an incident: impact, cause, roles, follow-ups, records. Absent until the first of it is said.

Most incidents are over before anybody says anything: `Incident.details` is None then and costs eight bytes. Values are
replaced as a whole, never changed in place, except the fields of `Details` itself, which `domain.incident.apply` sets.
"""

from typing import Final

import msgspec

from tocsin.domain.instant import Instant
from tocsin.domain.playbook import PlaybookRun

FOLLOW_UPS_MAX: Final = 50
RECORDS_MAX: Final = 50
"""Each at most 1000 letters: with everything else an incident stays below the megabyte that a record may have."""
ABSORBED_MAX: Final = 50
LINKED_MAX: Final = 50
ANSWERS_MAX: Final = 50


class Impact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Who and what is affected. Empty or None = not said."""

    level: str = ""
    users_affected: int | None = None
    customers: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    business: str = ""
    technical: str = ""
    revenue: float | None = None
    """Lost, in `currency`."""
    currency: str = ""
    data: str = ""
    security: str = ""


class Roles(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Who does what; names of people."""

    incident_commander: str = ""
    technical_lead: str = ""
    communications_manager: str = ""
    experts: tuple[str, ...] = ()


class FollowUp(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Something to do afterwards. `id` = f1, f2, … within the incident."""

    id: str
    text: str
    owner: str = ""
    due_at: Instant | None = None
    link: str = ""
    done_at: Instant | None = None
    done_by: str = ""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Evidence, a decision or a validation step."""

    kind: str
    text: str
    at: Instant
    by: str
    link: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Who acknowledged on behalf of which target, and when."""

    target: str
    by: str
    at: Instant


class AbsorbedIncident(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An incident of another partition that was merged into this one. Its alerts stay where they are."""

    id: str
    number: str = ""
    title: str = ""
    alerts: int = 0


class Details(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """Everything that people said of one incident."""

    impact: Impact = Impact()
    urgency: str = ""
    incident_type: str = ""
    server_id: str = ""
    root_cause: str = ""
    root_cause_category: str = ""
    resolution: str = ""
    prevention: str = ""
    rca_link: str = ""
    roles: Roles = Roles()
    follow_ups: tuple[FollowUp, ...] = ()
    records: tuple[Record, ...] = ()
    answers: tuple[Answer, ...] = ()
    """Since the last opening: whose acknowledgement is there."""
    absorbed: tuple[AbsorbedIncident, ...] = ()
    snoozed_until: Instant | None = None
    watched_until: Instant | None = None
    closing_held: bool = False
    """It would have closed by itself, but lacks a root cause."""
    update_requested_at: Instant | None = None
    updated_people_at: Instant | None = None
    voided: bool = False
    playbooks: tuple[PlaybookRun, ...] = ()
    """Those that were begun, in their order."""


PLAIN: Final = (
    "urgency",
    "incident_type",
    "server_id",
    "root_cause",
    "root_cause_category",
    "resolution",
    "prevention",
    "rca_link",
)
"""Fields of `Details` that the verb `change` sets as they are given."""
