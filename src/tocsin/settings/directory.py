"""The settings of people, teams and services. Each part gives its domain structs.

A name is written once, as the key, and named elsewhere; `settings.references` says which names lead nowhere.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tocsin.domain import rules as domain
from tocsin.domain.contact import wrong_contacts
from tocsin.domain.rules.directory import Absence
from tocsin.domain.severity import Severity
from tocsin.domain.wall import instant_of, zone
from tocsin.settings.part import Part, struct_of
from tocsin.settings.rules import Condition, ConditionPart
from tocsin.settings.schedule import RestrictionPart
from tocsin.settings.values import Duration, Name, OneOrMore, ZoneOrNone, duration_text, http_url

CONTACTS_MAX: Final = 20
"""Addresses of one kind: whom a page reaches, not a mailing list."""
MEMBERS_MAX: Final = 500
"""Of one team."""
ABSENCES_MAX: Final = 200
"""Of one person; old ones may be left out."""

PERSONAL_RULES_MAX: Final = 50
"""Of one person: each is asked for every call."""
WAIT_MAX: Final = timedelta(days=1)
"""Who is called later than that is not called."""


def _postable(contacts: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    if wrong := [*wrong_contacts(contacts)]:
        raise ValueError("; ".join(wrong))
    return contacts


Contacts = Annotated[
    dict[Name, Annotated[OneOrMore[str], Field(max_length=CONTACTS_MAX)]],
    AfterValidator(_postable),
]
Link = Annotated[str, AfterValidator(http_url)]


def _moment(value: Any) -> datetime:
    """A day or an instant as ISO 8601 writes it; without an offset it is by the clock of the person, and naive here."""
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not a time; write 2026-12-24, 2026-12-24T09:00 or …T09:00Z") from None


Moment = Annotated[datetime, BeforeValidator(_moment)]


def _wait(value: timedelta) -> timedelta:
    if value > WAIT_MAX:
        raise ValueError(f"at most {duration_text(WAIT_MAX)}")
    return value


class AbsencePart(Part):
    start: Moment = Field(description="First instant or day, by the person's clock: 2026-12-24 or 2026-12-24T09:00.")
    end: Moment = Field(description="The instant or day from which on they can be reached again.")
    reason: str = Field(default="", max_length=200, description="For people who wonder: holidays, ill, travelling.")

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> "AbsencePart":
        if _instant(self.end, "UTC") <= _instant(self.start, "UTC"):
            raise ValueError("end must lie after start; a single day ends on the next one")
        return self

    def absence(self, time_zone: str) -> Absence:
        return Absence(start=_instant(self.start, time_zone), end=_instant(self.end, time_zone), reason=self.reason)


def _instant(moment: datetime, time_zone: str) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else instant_of(moment, zone(time_zone))


class QuietHoursPart(RestrictionPart):
    calendar: str = Field(default="", description="Instead of times: a calendar; it is quiet when that is open.")
    below: Severity = Field(
        default=domain.QuietHours().below, description="Calls for incidents below this severity wait until it is over."
    )

    @model_validator(mode="after")
    def _times_or_calendar(self) -> "QuietHoursPart":
        times = bool(self.days) or self.start != "00:00" or self.end != "24:00"
        if times == bool(self.calendar):
            raise ValueError("quiet_hours needs either start and end, or a calendar")
        return self

    def quiet_hours(self) -> domain.QuietHours:
        hours = () if self.calendar else (self.struct(),)
        return domain.QuietHours(hours=hours, calendar=self.calendar, below=self.below)


def _calendar(value: Any) -> Any:
    """The name of a calendar stands for quiet hours by it."""
    return {"calendar": value} if isinstance(value, str) else value


class PersonalRulePart(Part):
    when: Condition = Field(default=ConditionPart(), description="For which incidents; empty = all.")
    channels: OneOrMore[Name] = Field(min_length=1, description="Channels they are called over.")
    after: Annotated[Duration, AfterValidator(_wait)] = Field(
        default=timedelta(), description="How long after the call, at most 1d; not at all if somebody has answered."
    )

    def struct(self) -> domain.PersonalRule:
        return domain.PersonalRule(when=self.when.struct(), channels=self.channels, after=self.after)


class UserPart(Part):
    name: str = Field(default="", max_length=120, description="As people say it.")
    contacts: Contacts = Field(default={}, description="Addresses by kind: {email: ana@example.org, phone: '+49…'}.")
    time_zone: ZoneOrNone = Field(default="", description="IANA name, such as Europe/Berlin; empty = UTC.")
    working_hours: str = Field(
        default="", description="Calendar, read by the person's clock; empty = always. On duty, any hour counts."
    )
    skills: OneOrMore[Name] = Field(default=(), description="What they know, for correlate.assignment.by_skill.")
    away: tuple[AbsencePart, ...] = Field(
        default=(), max_length=ABSENCES_MAX, description="When they cannot be reached; nobody away is called."
    )
    channels: OneOrMore[Name] = Field(default=(), description="Where they are paged; empty = where the step says.")
    notify: tuple[PersonalRulePart, ...] = Field(
        default=(),
        max_length=PERSONAL_RULES_MAX,
        description="How they are called, all that match; if none does, over their channels: "
        "[{when: {severity: critical}, channels: phone}, {channels: mail}, {channels: phone, after: 5m}].",
    )
    quiet_hours: Annotated[QuietHoursPart, BeforeValidator(_calendar)] | None = Field(
        default=None,
        description="When only bad incidents call, by their clock; the rest waits: {start: '22:00', end: '07:00'}, "
        "or the name of a calendar.",
    )

    def struct(self) -> domain.User:
        values = {name: getattr(self, name) for name in type(self).model_fields}
        away = tuple(sorted((one.absence(self.time_zone or "UTC") for one in self.away), key=lambda one: one.start))
        wishes = {
            "notify": tuple(rule.struct() for rule in self.notify),
            "quiet_hours": self.quiet_hours.quiet_hours() if self.quiet_hours else None,
        }
        return domain.User(**(values | wishes | {"away": away}))


class TeamPart(Part):
    contacts: Contacts = Field(default={}, description="Addresses by kind: {email: [ops@example.org]}.")
    members: OneOrMore[Name] = Field(default=(), max_length=MEMBERS_MAX, description="Users.")
    schedule: str = Field(default="", description="Who of the team is on duty; empty = its contacts, else its members.")
    lead: str = Field(default="", description="User who is called when no member can be.")
    manager: str = Field(default="", description="User whom a step of kind management calls; empty = the lead.")

    def struct(self) -> domain.Team:
        return struct_of(domain.Team, self)


class ServicePart(Part):
    team: str = Field(default="", description="Team that owns it: its incidents go there.")
    policy: str = Field(default="", description="Escalation policy of its incidents; empty = that of the rules.")
    depends_on: OneOrMore[Name] = Field(default=(), description="Services that it needs.")
    vendor: Contacts = Field(default={}, description="Addresses of its vendor, for steps of kind vendor.")
    calendar: str = Field(default="", description="Calendar of the hours in which its promises run; empty = always.")
    runbook: str = Field(default="", max_length=2000, description="Where to read what to do: an address or a name.")
    links: dict[str, Link] = Field(default={}, max_length=20, description="Addresses by name: {dashboard: https://…}.")
    description: str = Field(default="", max_length=1000, description="What it is, for people.")

    def struct(self) -> domain.Service:
        return struct_of(domain.Service, self)


class PeoplePart(Part):
    users: dict[Name, UserPart] = Field(default={}, description="People by the name that targets use.")
    teams: dict[Name, TeamPart] = Field(default={}, description="Teams by name.")
    catch_all: Name = Field(default="everyone", description="The team that is paged when a target names nobody.")

    def struct(self) -> domain.People:
        return domain.People(catch_all=self.catch_all)
