"""Who is reached: the people that a target stands for at one instant, their addresses, and who was passed over and why.

In: a target (a word or `Target`), the rules, the header of the incident, an instant. Out: `Reached`, which the event of
a step carries. Invariants: never nobody (the target, else the contacts of its team, else the fallback, else the
catch-all team, which is reached whatever its people do); nobody twice; the same arguments give the same answer.
It sends nothing and knows no channel: a channel takes its own kind of contact, else its default address.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Calendar, Rules, Target, Team, User
from tocsin.domain.schedule import calendar as calendars
from tocsin.domain.schedule import on_call_at

KINDS: Final = ("user", "team", "schedule", "channel", "management", "vendor")
"""What a target can be. `management` and `vendor` are those of the incident's team and service."""

TARGET: Final = "target"
TEAM_CONTACTS: Final = "team_contacts"
FALLBACK: Final = "fallback"
CATCH_ALL: Final = "catch_all"


class Recipient(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One who is told."""

    recipient: str
    """`user:…`, `team:…`, `channel:…` or `vendor:<service>`: what a delivery id names."""
    contacts: dict[str, tuple[str, ...]] = {}
    """Kind of address (`email`, …) to addresses."""
    channels: tuple[str, ...] = ()
    """Where this one is paged; empty = where the step says."""
    why: str = ""
    """`named`, `member of dba`, `on duty: dba (layer base)`, `manager of dba`, …: for people."""


class Skipped(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One who was passed over."""

    recipient: str
    why: str
    """`away until …`, `out of hours`, `not in the directory`, `nobody on duty`, …: for people."""


class Reached(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who a target stood for."""

    target: str
    """As `kind:name`."""
    recipients: tuple[Recipient, ...]
    """At least one."""
    skipped: tuple[Skipped, ...] = ()
    by: str = TARGET
    """What reached them: `target`, `team_contacts`, `fallback` or `catch_all`."""


def target_of(word: str, rules: Rules) -> Target:
    """The target that a word names: `kind:name`, else a team, else a user, else a schedule of that name.

    A word that names nothing is a team that does not exist; the empty word is the catch-all team.
    """
    kind, colon, name = word.partition(":")
    if word in ("management", "vendor"):
        return Target(kind=word)
    if colon and kind in KINDS:
        return Target(kind=kind, name=name)
    if not word:
        return Target(kind="team", name=rules.people.catch_all)
    for known, there in (("team", rules.teams), ("user", rules.users), ("schedule", rules.schedules)):
        if word in there:
            return Target(kind=known, name=word)
    return Target(kind="team", name=word)


def word_of(target: Target) -> str:
    """`kind:name`; the kind alone where there is no name."""
    return f"{target.kind}:{target.name}" if target.name else target.kind


def reach(target: str | Target, rules: Rules, header: IncidentHeader, at: Instant, *, fallback: str = "") -> Reached:
    """Who is reached for `target` at `at`. `fallback`: the team of the policy that is called for nobody."""
    asked = target_of(target, rules) if isinstance(target, str) else target
    search = _Search(rules, at)
    by = TARGET
    found = search.of(asked, header)
    if not found and (team := _team_behind(asked, rules, header)):
        found, by = search.contacts_of(team), TEAM_CONTACTS
    if not found and fallback:
        found, by = search.team(fallback), FALLBACK
    if not found:
        name, by = rules.people.catch_all, CATCH_ALL
        found = search.team(name) if name in rules.teams else ()
        found = found or (_team_itself(name, rules.teams.get(name, Team()), "catch-all team"),)
    once = {one.recipient: one for one in reversed(found)}
    return Reached(
        target=word_of(asked),
        recipients=tuple(reversed(once.values())),
        skipped=tuple({(one.recipient, one.why): one for one in search.skipped}.values()),
        by=by,
    )


def unreachable(name: str, rules: Rules, at: Instant, *, on_duty: bool = False) -> str:
    """Why a user is not to be called at `at`; empty when nothing speaks against it. Duty goes before working hours."""
    user = rules.users.get(name)
    if user is None:
        return "not in the directory"
    for absence in user.away:
        if absence.start <= at < absence.end:
            reason = f" ({absence.reason})" if absence.reason else ""
            return f"away until {absence.end.isoformat(timespec='minutes')}{reason}"
    return "" if on_duty or in_hours(user, rules, at) else "out of hours"


def in_hours(user: User, rules: Rules, at: Instant) -> bool:
    """Whether `at` lies in the working hours of a user; always for who has none."""
    hours = _hours(user, rules)
    return hours is None or calendars.open_at(hours, at)


def next_in_hours(target: str | Target, rules: Rules, at: Instant) -> Instant | None:
    """The first instant from `at` on that lies in the working hours of somebody whom `target` may stand for.

    `at` itself where nobody has working hours; None when nobody's hours ever come.
    """
    soonest: Instant | None = None
    for name in standing_for(target, rules) or ("",):
        hours = _hours(rules.users.get(name, User()), rules)
        if hours is None or calendars.open_at(hours, at):
            return at
        opens = calendars.next_change(hours, at)
        if opens is not None and (soonest is None or opens < soonest):
            soonest = opens
    return soonest


def _hours(user: User, rules: Rules) -> Calendar | None:
    """The working hours of a user, by their own clock where they name a zone."""
    hours = rules.calendars.get(user.working_hours) if user.working_hours else None
    if hours is None or not user.time_zone:
        return hours
    return msgspec.structs.replace(hours, time_zone=user.time_zone)


class _Search:
    """One look into the directory; notes who was passed over."""

    def __init__(self, rules: Rules, at: Instant) -> None:
        self.rules = rules
        self.at = at
        self.skipped: list[Skipped] = []

    def of(self, target: Target, header: IncidentHeader) -> tuple[Recipient, ...]:
        if target.kind == "user":
            return self.users((target.name,), "named")
        if target.kind == "team":
            return self.team(target.name)
        if target.kind == "schedule":
            return self.schedule(target.name)
        if target.kind == "channel":
            return (_channel_itself(target.name),)
        if target.kind == "management":
            return self.management(target.name or header.team)
        return self.vendor(target.name or header.service)

    def users(self, names: Iterable[str], why: str, *, on_duty: bool = False) -> tuple[Recipient, ...]:
        """Those of `names` that can be called."""
        found = []
        for name in names:
            if not name:
                continue
            if against := unreachable(name, self.rules, self.at, on_duty=on_duty):
                self.pass_over(f"user:{name}", against)
                continue
            user = self.rules.users[name]
            found.append(Recipient(recipient=f"user:{name}", contacts=user.contacts, channels=user.channels, why=why))
        return tuple(found)

    def team(self, name: str) -> tuple[Recipient, ...]:
        """Who of a team is on duty; without a schedule its contacts, else its members, else its lead."""
        team = self.rules.teams.get(name)
        if team is None:
            self.pass_over(f"team:{name}", "not in the directory")
            return ()
        if team.schedule and (found := self.schedule(team.schedule)):
            return found
        if team.contacts or not (team.schedule or team.members or team.lead):
            return (_team_itself(name, team, "contacts of the team"),)
        return self.users(team.members, f"member of {name}") or self.users((team.lead,), f"lead of {name}")

    def contacts_of(self, name: str) -> tuple[Recipient, ...]:
        team = self.rules.teams.get(name, Team())
        return (_team_itself(name, team, "contacts of the team"),) if team.contacts else ()

    def schedule(self, name: str) -> tuple[Recipient, ...]:
        if name not in self.rules.schedules:
            self.pass_over(f"schedule:{name}", "not in the settings")
            return ()
        duty = on_call_at(name, self.rules, self.at)
        for one in duty.skipped:
            against = unreachable(one.user, self.rules, self.at, on_duty=True)
            self.pass_over(f"user:{one.user}", against or one.reason)
        source = f" ({duty.by} {duty.source})".rstrip() if duty.by else ""
        if found := self.users(duty.users, f"on duty: {name}{source}", on_duty=True):
            return found
        self.pass_over(f"schedule:{name}", "nobody on duty")
        return ()

    def management(self, name: str) -> tuple[Recipient, ...]:
        """The manager of a team, else its lead."""
        team = self.rules.teams.get(name)
        if team is None or not (team.manager or team.lead):
            self.pass_over(f"management:{name}", "no manager is named")
            return ()
        return self.users((team.manager,), f"manager of {name}") or self.users((team.lead,), f"lead of {name}")

    def vendor(self, name: str) -> tuple[Recipient, ...]:
        service = self.rules.services.get(name)
        if service is None or not service.vendor:
            self.pass_over(f"vendor:{name}", "no vendor is named")
            return ()
        return (Recipient(recipient=f"vendor:{name}", contacts=service.vendor, why=f"vendor of {name}"),)

    def pass_over(self, recipient: str, why: str) -> None:
        self.skipped.append(Skipped(recipient=recipient, why=why))


def _team_itself(name: str, team: Team, why: str) -> Recipient:
    return Recipient(recipient=f"team:{name}", contacts=team.contacts, why=why)


def _channel_itself(name: str) -> Recipient:
    """`mail`, or with an address of its own `mail=email:ana@example.org`: who tries a channel may name one."""
    channel, given, contact = name.partition("=")
    kind, colon, address = contact.partition(":")
    contacts: dict[str, tuple[str, ...]] = {kind: (address,)} if given and colon and kind and address else {}
    return Recipient(recipient=f"channel:{channel}", contacts=contacts, channels=(channel,), why="named")


def _team_behind(target: Target, rules: Rules, header: IncidentHeader) -> str:
    """The team whose contacts stand in for a target that reaches nobody."""
    if target.kind == "team":
        return target.name
    if target.kind == "schedule":
        return next((name for name, team in rules.teams.items() if team.schedule == target.name), "")
    return target.name or header.team if target.kind == "management" else ""


def standing_for(target: str | Target, rules: Rules) -> tuple[str, ...]:
    """Every user that a target may ever stand for, whoever is on duty, each once; none for channels and vendors."""
    asked = target_of(target, rules) if isinstance(target, str) else target
    names: list[str] = []
    if asked.kind == "user":
        names = [asked.name]
    elif asked.kind == "team" and asked.name in rules.teams:
        team = rules.teams[asked.name]
        names = [*team.members, team.lead]
        names += standing_for(Target(kind="schedule", name=team.schedule), rules) if team.schedule else ()
    elif asked.kind == "schedule" and asked.name in rules.schedules:
        names = [user for layer in rules.schedules[asked.name].layers for user in layer.users]
    return tuple(dict.fromkeys(name for name in names if name))
