"""Whether a settings document may be written: its key, its shape, its limits, and what it refers to.

In: a key, a JSON-ready document, the rules that it would change. Out: the value, or words on what is wrong with it.
Invariant: a document that passes can be read by every process of this version, and nothing that it or anybody else
refers to is missing because of it; what was missing before stays allowed, so that an old mistake blocks nobody.
It writes nothing, and knows nothing of who may write.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.domain.contact import wrong_contacts
from tocsin.domain.directory import KINDS as TARGET_KINDS
from tocsin.domain.errors import TocsinError
from tocsin.domain.rules import (
    DOCUMENTS,
    KINDS,
    Calendar,
    LabelMatch,
    Layer,
    Maintenance,
    Policy,
    Rules,
    Schedule,
    Service,
    Silence,
    Team,
    Template,
    User,
    rules_with,
)
from tocsin.domain.schedule.calendar import HORIZON
from tocsin.domain.schedule.check import backup_loop, zone_problem
from tocsin.domain.template import wrong_audience, wrong_template
from tocsin.domain.wall import reading

DOCUMENT_BYTES_MAX: Final = 248 * 1024
"""Of one document as JSON: with who, when and why it fits an event (256 KB)."""
NAME_MAX: Final = 128
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
"""Of what is written by hand: a path of URLs, no colon (`user:ana` is a target) and no slash (it ends the kind)."""
COUNT_MAX: Final = {
    "user": 10_000,
    "team": 2_000,
    "service": 10_000,
    "policy": 1_000,
    "calendar": 500,
    "schedule": 1_000,
    "override": 5_000,
    "silence": 2_000,
    "maintenance": 500,
    "playbook": 500,
    "template": 500,
    "expected": 200,
}
"""Documents of a kind: all rules are in the memory of every process, and silences are asked for every alert."""
MATCHERS_MAX: Final = 64
"""Of one silence, one window, one side of an inhibition: each is asked for every alert."""
_MINUTES: Final = frozenset({"escalate_after_minutes", "repeat_minutes"})
_YEARS: Final = (1970, 9000)

_PEOPLE: Final = ("team", "user", "schedule")
_CHANNELS: Final = frozenset({"channels", "notification_channels", "catch_all"})


class Unsound(TocsinError):
    """The document cannot be written. `word`: `unknown_key`, `bad_name`, `too_large`, `too_many`, `invalid`,
    `dangling`; `problems` has a line for each thing that is wrong."""

    def __init__(self, word: str, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.word = word
        self.problems = list(problems)


class Reference(NamedTuple):
    """`key` names `name`, which has to be one of `kinds`."""

    key: str
    kinds: tuple[str, ...]
    name: str


def check_key(key: str) -> None:
    """
    Raises:
        Unsound: there can be no such document.
    """
    kind, _, name = key.partition("/")
    if key in DOCUMENTS:
        return
    if kind not in KINDS:
        raise Unsound("unknown_key", f"there are no settings {key!r}{_near(key, kind)}")
    if not NAME.fullmatch(name):
        raise Unsound(
            "bad_name",
            f"{name!r} cannot be a name: letters, digits and . _ @ + - (not first), at most {NAME_MAX}",
        )


def _near(key: str, kind: str) -> str:
    near = get_close_matches(key, DOCUMENTS, n=1) or [f"{one}/…" for one in get_close_matches(kind, KINDS, n=1)]
    return f", did you mean {near[0]!r}?" if near else f"; there are {', '.join([*DOCUMENTS, *KINDS])}"


def rules_after(rules: Rules, key: str, document: Any) -> Rules:
    """`rules` with `document` at `key` (None = deleted), with the version that they had.

    Raises:
        Unsound: it must not be written.
    """
    check_key(key)
    if document is not None and (size := len(json.dumps(document).encode())) > DOCUMENT_BYTES_MAX:
        raise Unsound("too_large", f"{key} has {size} bytes; at most {DOCUMENT_BYTES_MAX} are allowed")
    try:
        after = rules_with(rules, key, document, rules.version)
    except msgspec.ValidationError as error:
        raise Unsound("invalid", f"{key}: {_explained(str(error), key)}") from error
    kind, _, name = key.partition("/")
    if key in DOCUMENTS:
        wrong = _wrong_document(rules, after, key)
    else:
        field = KINDS[kind][0]
        if len(getattr(after, field)) > max(COUNT_MAX[kind], len(getattr(rules, field))):
            raise Unsound("too_many", f"there are {COUNT_MAX[kind]} documents of the kind {kind} already, the most")
        wrong = [] if document is None else [*_wrong(getattr(after, field)[name]), *_circle(after, kind, name)]
    if wrong:
        raise Unsound("invalid", *(f"{key}: {one}" for one in wrong))
    # Without a directory every target is the catch-all team.
    named = any((rules.users, rules.teams, after.users, after.teams))
    if lost := sorted(set(dangling(after, targets=named)) - set(dangling(rules, targets=named))):
        raise Unsound("dangling", *(_missing(one, after, key) for one in lost))
    return after


def dangling(rules: Rules, *, targets: bool = True) -> Iterator[Reference]:
    """What documents refer to and is not there; without `targets` those words are passed over that the catch-all team
    stands in for."""
    known = {kind: getattr(rules, field) for kind, (field, _) in KINDS.items()}
    for reference in chain(references(rules), _targets(rules) if targets else ()):
        if reference.name and not any(reference.name in known[kind] for kind in reference.kinds):
            yield reference


def references(rules: Rules) -> Iterator[Reference]:
    """Everything that documents refer to by name, but words for targets."""
    yield from _of_people(rules)
    for name, policy in rules.policies.items():
        yield from _of_policy(f"policy/{name}", policy)
    for name, schedule in rules.schedules.items():
        yield Reference(f"schedule/{name}", ("schedule",), schedule.backup)
        for layer in schedule.layers:
            yield from (Reference(f"schedule/{name}", ("user",), user) for user in layer.users)
    for name, override in rules.overrides.items():
        yield Reference(f"override/{name}", ("schedule",), override.schedule)
        yield Reference(f"override/{name}", ("user",), override.user)
    for name, window in rules.maintenance.items():
        yield Reference(f"maintenance/{name}", ("calendar",), window.calendar)
    for rule in rules.sla_rules:
        yield Reference("sla/rules", ("calendar",), rule.calendar)


def _of_people(rules: Rules) -> Iterator[Reference]:
    for name, user in rules.users.items():
        yield Reference(f"user/{name}", ("calendar",), user.working_hours)
        yield Reference(f"user/{name}", ("calendar",), user.quiet_hours.calendar if user.quiet_hours else "")
    for name, team in rules.teams.items():
        key = f"team/{name}"
        yield Reference(key, ("schedule",), team.schedule)
        yield from (Reference(key, ("user",), user) for user in (*team.members, team.lead, team.manager))
    for name, service in rules.services.items():
        key = f"service/{name}"
        yield Reference(key, ("team",), service.team)
        yield Reference(key, ("policy",), service.policy)
        yield Reference(key, ("calendar",), service.calendar)
        yield from (Reference(key, ("service",), other) for other in service.depends_on)


def _of_policy(key: str, policy: Policy) -> Iterator[Reference]:
    yield Reference(key, ("team",), policy.fallback)
    for level in policy.levels:
        for target in level.targets:
            if target.kind in ("user", "team", "schedule"):
                yield Reference(key, (target.kind,), target.name)


def _targets(rules: Rules) -> Iterator[Reference]:
    for rule in rules.escalation:
        yield from _target("escalate/rules", rule.escalate_to)
    yield from _target("escalate/settings", rules.escalate.breach_target)
    for word in (*rules.assignment.by_category.values(), *rules.assignment.by_severity.values()):
        yield from _target("correlate/assignment", word)


def _target(key: str, word: str) -> Iterator[Reference]:
    """A word that names a team, a user or a schedule, with or without its kind in front."""
    kind, colon, name = word.partition(":")
    if colon and kind in _PEOPLE:
        yield Reference(key, (kind,), name)
    elif not colon and word not in TARGET_KINDS:
        yield Reference(key, _PEOPLE, word)


def channels_in(document: Any) -> Iterator[str]:
    """Names of channels in a JSON-ready document, wherever they stand. Which there are is not for the rules to know."""
    if isinstance(document, Mapping):
        for field, value in document.items():
            if field in _CHANNELS and isinstance(value, list):
                yield from (name for name in value if isinstance(name, str))
            else:
                yield from channels_in(value)
        if document.get("kind") == "channel" and isinstance(document.get("name"), str):
            yield str(document["name"])
    elif isinstance(document, list):
        for value in document:
            yield from channels_in(value)


def _missing(reference: Reference, rules: Rules, key: str) -> str:
    kind = " or ".join(reference.kinds)
    if reference.key != key:
        return f"{reference.key} refers to {kind} {reference.name!r}"
    known = [name for one in reference.kinds for name in getattr(rules, KINDS[one][0])]
    near = get_close_matches(reference.name, known, n=1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    return f"{key} names the {kind} {reference.name!r}, which is not there{hint}"


# ---- what a type cannot say ------------------------------------------------------------------------------------------


def _wrong_document(rules: Rules, after: Rules, key: str) -> list[str]:
    if key == "ingest/settings" and after.ingest.partition_by != rules.ingest.partition_by:
        return ["partition_by is fixed for the life of the topics"]
    if key == "correlate/rules" and not after.correlation:
        return ["at least one rule is needed"]
    if key == "inhibit/rules":
        return [
            f"{rule.name}: {side}: {one}"
            for rule in after.inhibitions
            for side, matchers in (("source", rule.source), ("target", rule.target))
            for one in _wrong_matchers(matchers)
        ]
    wrong = [*_out_of_range(getattr(after, DOCUMENTS[key][0]))]
    if key == "notify/settings":
        wrong += [one for route in after.notify.routes for one in wrong_audience(route.audience)]
    return wrong


def _wrong(value: Any) -> Iterator[str]:
    yield from _out_of_range(value)
    if naive := [*_naive(value)]:
        yield from naive
    elif isinstance(value, Silence):
        yield from _wrong_silence(value)
    elif isinstance(value, Maintenance):
        yield from _wrong_matchers(value.matchers)
        yield from _wrong_zone(value.time_zone)
        if value.starts_at and value.ends_at and value.ends_at <= value.starts_at:
            yield "ends_at is not after starts_at"
    elif isinstance(value, Schedule | Calendar):
        yield from _wrong_zone(value.time_zone)
    elif isinstance(value, User):
        yield from _wrong_zone(value.time_zone or "UTC")
        yield from wrong_contacts(value.contacts)
        yield from ("an absence ends before it starts" for absence in value.away if absence.end <= absence.start)
        yield from ("notify: after is negative" for rule in value.notify if rule.after < timedelta())
    elif isinstance(value, Team):
        yield from wrong_contacts(value.contacts)
    elif isinstance(value, Service):
        yield from wrong_contacts(value.vendor)
    elif isinstance(value, Policy):
        yield from _wrong_policy(value)
    elif isinstance(value, Template):
        yield from wrong_template(value)


def _circle(after: Rules, kind: str, name: str) -> Iterator[str]:
    backups = {one: schedule.backup for one, schedule in after.schedules.items()}
    if kind == "schedule" and (loop := backup_loop(name, backups)):
        yield f"the backup leads back to the schedule itself: {' -> '.join(loop)}"


def _naive(value: Any, name: str = "") -> Iterator[str]:
    """Instants without a zone, anywhere in a document: they cannot be compared with those that have one."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            yield f"{name} {value.isoformat()} needs a zone, such as {value.isoformat()}Z"
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from _naive(getattr(value, field), field)
    elif isinstance(value, tuple):
        for one in value:
            yield from _naive(one, name)


def _out_of_range(value: Any, name: str = "") -> Iterator[str]:
    """Durations and dates, anywhere in a document, with which instants would leave the calendar: whatever adds one up
    would stop."""
    if isinstance(value, timedelta):
        if not timedelta(0) <= value <= HORIZON:
            yield f"{name}: {value} is not between 0 and {HORIZON.days} days"
    elif isinstance(value, float | int) and name in _MINUTES:
        if not 0 <= value <= HORIZON / timedelta(minutes=1):
            yield f"{name}: {value} is not between 0 and {HORIZON.days} days of minutes"
    elif isinstance(value, date) and not isinstance(value, datetime):
        if not _YEARS[0] <= value.year <= _YEARS[1]:
            yield f"{name}: {value} is not in the years {_YEARS[0]} to {_YEARS[1]}"
    elif isinstance(value, msgspec.Struct):
        if isinstance(value, Layer):
            yield from _out_of_range(reading(value.starts_at).date(), "starts_at")
            yield from _out_of_range(reading(value.until).date() if value.until else None, "until")
        for field in value.__struct_fields__:
            yield from _out_of_range(getattr(value, field), field)
    elif isinstance(value, tuple | Mapping):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _out_of_range(one, name)


def _wrong_policy(policy: Policy) -> Iterator[str]:
    if not policy.levels:
        yield "at least one level is needed"
    for number, level in enumerate(policy.levels, 1):
        if not level.targets:
            yield f"level {number} names nobody"
        for target in level.targets:
            if target.kind not in TARGET_KINDS:
                near = get_close_matches(target.kind, TARGET_KINDS, n=1)
                hint = f", did you mean {near[0]!r}?" if near else f"; there are {', '.join(TARGET_KINDS)}"
                yield f"level {number}: {target.kind!r} is no kind of target{hint}"


def _wrong_silence(silence: Silence) -> Iterator[str]:
    if not silence.matchers:
        yield "at least one matcher is needed"
    if silence.ends_at <= silence.starts_at:
        yield "ends_at is not after starts_at"
    yield from _wrong_matchers(silence.matchers)
    if silence.matchers and all(one.is_equal and one.matches({}) for one in silence.matchers):
        yield "at least one matcher must not match the empty text, or it would silence everything"


def _wrong_matchers(matchers: Sequence[LabelMatch]) -> Iterator[str]:
    if len(matchers) > MATCHERS_MAX:
        yield f"{len(matchers)} matchers; at most {MATCHERS_MAX} are allowed"


def _wrong_zone(name: str) -> Iterator[str]:
    if problem := zone_problem(name):
        yield problem


_UNKNOWN: Final = re.compile(r"unknown field `([^`]*)`")


def _explained(message: str, key: str) -> str:
    """The message of a conversion, with the nearest field where one is unknown."""
    found = _UNKNOWN.search(message)
    if found is None:
        return message
    shape = DOCUMENTS[key][1] if key in DOCUMENTS else KINDS[key.partition("/")[0]][1]
    fields = sorted(_fields(msgspec.inspect.type_info(shape)))
    near = get_close_matches(found[1], fields, n=1)
    return f"{message}, did you mean {near[0]!r}?" if near else message


def _fields(kind: Any) -> set[str]:
    """Names of the fields of `kind` and of everything in it."""
    found: set[str] = set()
    if isinstance(kind, msgspec.inspect.StructType):
        for field in kind.fields:
            found |= {field.encode_name} | _fields(field.type)
    for name in ("item_type", "value_type", "key_type"):
        inner = getattr(kind, name, None)
        found |= _fields(inner) if inner is not None else set()
    for inner in getattr(kind, "types", ()):
        found |= _fields(inner)
    return found
