"""People, teams and services, and who is responsible for what, as data."""

from datetime import timedelta

import msgspec

from tocsin.domain.instant import Instant
from tocsin.domain.rules.condition import Matcher
from tocsin.domain.rules.schedule import Restriction
from tocsin.domain.severity import Severity


class Absence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stretch of time in which somebody cannot be reached."""

    start: Instant
    end: Instant
    reason: str = ""


class QuietHours(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """When somebody is called only for what is bad enough; the rest waits until the hours are over."""

    hours: tuple[Restriction, ...] = ()
    """By the person's own clock."""
    calendar: str = ""
    """Instead of `hours`: a calendar; it is quiet when that is open."""
    below: Severity = Severity.HIGH
    """Calls for incidents below this severity wait, and whatever is no call."""


class PersonalRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Over which channels somebody is called, and how long after the call."""

    when: Matcher = Matcher()
    channels: tuple[str, ...]
    after: timedelta = timedelta()
    """It is taken back when the incident is answered before."""


class User(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    name: str = ""
    """As people say it; the key of the document is what targets name."""
    contacts: dict[str, tuple[str, ...]] = {}
    """Kind of address (`email`, `phone`, `slack`, …) to addresses."""
    time_zone: str = ""
    """IANA name; empty = that of the calendar."""
    working_hours: str = ""
    """A calendar, read by the clock of `time_zone`; empty = always. Who is on duty is called at any hour."""
    skills: tuple[str, ...] = ()
    away: tuple[Absence, ...] = ()
    channels: tuple[str, ...] = ()
    """Where this person is paged; empty = where the step says."""
    notify: tuple[PersonalRule, ...] = ()
    """How this person is called; all that match count. None does: `channels`."""
    quiet_hours: QuietHours | None = None


class Team(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    contacts: dict[str, tuple[str, ...]] = {}
    """Kind of address (`email`, …) to addresses."""
    members: tuple[str, ...] = ()
    """Users."""
    schedule: str = ""
    """Who of the team is on call; empty = the team's own contacts."""
    lead: str = ""
    """User."""
    manager: str = ""
    """User that a step of kind `management` calls."""


class Service(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    team: str = ""
    policy: str = ""
    """Escalation policy; empty = that of the rules."""
    depends_on: tuple[str, ...] = ()
    """Services."""
    vendor: dict[str, tuple[str, ...]] = {}
    """Contacts of its vendor, for steps that name `vendor`."""
    calendar: str = ""
    """Hours in which its promises run; empty = always."""
    runbook: str = ""
    links: dict[str, str] = {}
    description: str = ""


class People(msgspec.Struct, frozen=True, kw_only=True):
    catch_all: str = "everyone"
    """The team that is paged when a target names nobody."""


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """Team by category, responder by severity (REQUIREMENTS A2)."""

    by_category: dict[str, str] = msgspec.field(
        default_factory=lambda: {
            "security": "security_team",
            "performance": "performance_team",
            "database": "database_team",
            "network": "network_team",
            "system": "platform_team",
        }
    )
    by_severity: dict[Severity, str] = msgspec.field(
        default_factory=lambda: {
            Severity.EMERGENCY: "emergency_team",
            Severity.CRITICAL: "emergency_team",
            Severity.HIGH: "on_call_engineer",
        }
    )
    by_skill: dict[str, tuple[str, ...]] = {}
    """Category -> skills that its responder must have."""
    balance: bool = False
    """Among those who fit, the one with the fewest unfinished incidents."""
