"""Who is called when nobody answers, as data: the rows of REQUIREMENTS A4, and named policies with levels."""

from datetime import timedelta
from typing import Final

import msgspec

from tocsin.domain.lifecycle import Status
from tocsin.domain.rules.condition import Matcher
from tocsin.domain.severity import Severity


class EscalationRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One row of the escalation policy. `repeat_minutes` 0 = fires once; else `repeat_times` more times."""

    condition: Matcher = Matcher()
    escalation_level: int = 1
    escalate_to: str = ""
    escalate_after_minutes: float = 0
    notification_channels: tuple[str, ...] = ()
    """Empty = the channels that the routes name for the incident."""
    repeat_minutes: float = 0
    repeat_times: int = 0


def _default() -> tuple[EscalationRule, ...]:
    rows = (
        (Severity.EMERGENCY, "emergency_team", 0),
        (Severity.CRITICAL, "senior_engineers", 5),
        (Severity.HIGH, "on_call_engineer", 15),
        (Severity.MEDIUM, "support_team", 60),
    )
    return tuple(
        EscalationRule(
            condition=Matcher(severity=(severity,), status=(Status.OPEN,)),
            escalate_to=target,
            escalate_after_minutes=minutes,
        )
        for severity, target, minutes in rows
    )


DEFAULT_ESCALATION: Final = _default()


class Target(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Whom a level calls. Exactly one of the kinds: `user`, `team`, `schedule`, `channel`, `management`, `vendor`.

    `management` and `vendor` are those of the incident's team and service. Without a kind the name is that of a team,
    else of a user, else of a schedule.
    """

    kind: str = ""
    name: str = ""


class Level(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    targets: tuple[Target, ...]
    after: timedelta = timedelta(0)
    """From the level before, or from the opening for the first."""
    condition: Matcher = Matcher()
    only_in_hours: bool = False
    """Only in the working hours of a target; else it waits for them."""
    every_target: bool = False
    """Each target must acknowledge, not any of them."""
    notification_channels: tuple[str, ...] = ()
    repeat_every: timedelta = timedelta(0)
    repeat_times: int = 0


class Policy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Levels one after the other; `loops` more times from the first when nobody answered."""

    levels: tuple[Level, ...]
    loops: int = 0
    condition: Matcher = Matcher()
    """Which incidents take this policy when their service names none; the first by name counts. Without one it is for
    services that name it; but the policy `default` takes what is left."""
    fallback: str = ""
    """Team that is called when a level reaches nobody; empty = the catch-all team."""
    description: str = ""


class EscalateRules(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How escalation goes on after an outage and after a broken promise."""

    catch_up: str = "collapse"
    """Of what came due while nothing ran: `all` calls for each repeat, `collapse` once for the repeats of a level,
    `skip` calls only the last level where it is later than `late_after`."""
    late_after: timedelta = timedelta(minutes=5)
    """From when on `skip` holds a call to be too late."""
    breach_escalates: tuple[Severity, ...] = (Severity.EMERGENCY, Severity.CRITICAL)
    """Severities whose incidents escalate by themselves when the promise to resolve is broken."""
    breach_target: str = ""
    """Who is called then; empty = the next level, and the team's management behind the last one."""
    sla_waits: bool = False
    """Whether promises stand still while an incident is suppressed."""
