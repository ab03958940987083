"""What keeps an alert quiet: silences, maintenance windows, inhibition. Pure.

In: rules, the labels of an alert, an instant. Out: the cause and its known end, or None. Invariants: of several causes
the one that lasts longest is named, of equal ones the first by name, so that the answer does not depend on any order;
an end that is named lies after `now`. It knows no incident but its header: what follows for an incident is
`correlate.suppress`.

`Suppression` is the rules of one version made ready: silences are found by one label that they ask for, so that a
thousand of them cost an alert as much as ten.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from tocsin.domain.condition import holds
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Calendar, Inhibition, LabelMatch, Maintenance, Rules, Silence
from tocsin.domain.rules.condition import Matcher
from tocsin.domain.schedule.calendar import next_change, open_at

SILENCE: Final = "silence"
MAINTENANCE: Final = "maintenance"
INHIBITION: Final = "inhibition"
THRESHOLD: Final = "threshold"
FLAPPING: Final = "flapping"
SNOOZE: Final = "snooze"
EXPECTED: Final = "expected"
"""An alert that only says that its source is alive."""
OF_ALERTS: Final = frozenset({SILENCE, MAINTENANCE, INHIBITION, EXPECTED})
"""Kinds of causes that an incident has because all its firing alerts have one; the others are its own."""


class Outcome(NamedTuple):
    """What keeps something quiet."""

    cause: str
    """`silence:<id>`, `maintenance:<name>`, `expected:<name>`, `inhibition:<name>`, or one word: `threshold`,
    `flapping`, `snooze`."""
    until: Instant | None
    """When that ends by itself; None = nobody knows."""


def kind_of(cause: str) -> str:
    """The word in front of the colon."""
    return cause.partition(":")[0]


def longer(one: Outcome | None, other: Outcome | None) -> Outcome | None:
    """The cause that lasts longer; one without a known end lasts longest."""
    if one is None or other is None:
        return one or other
    if one.until == other.until:
        return min(one, other, key=lambda outcome: outcome.cause)
    if one.until is None or (other.until is not None and one.until > other.until):
        return one
    return other


def shorter(one: Outcome, other: Outcome) -> Outcome:
    """The cause that ends first: with it, not everything is quiet any more."""
    if one.until == other.until:
        return min(one, other, key=lambda outcome: outcome.cause)
    return other if longer(one, other) is one else one


def matches_all(matchers: Sequence[LabelMatch], labels: Mapping[str, str]) -> bool:
    """Whether every matcher holds. A missing label is the empty text."""
    for match in matchers:
        if match.is_regex:
            if not match.matches(labels):
                return False
        elif (labels.get(match.name, "") == match.value) is not match.is_equal:
            return False
    return True


class _Window:
    """One maintenance window, or what is always quiet. Asked at rising instants, it looks at its calendars only when
    something has changed."""

    __slots__ = ("_by_calendar", "_calendars", "_changes_at", "_known_at", "_open_until", "asks", "cause", "rule")

    def __init__(self, cause: str, rule: Maintenance, calendars: Mapping[str, Calendar]) -> None:
        self.cause = cause
        self.rule = rule
        self._calendars: list[Calendar] = []
        if rule.windows:
            self._calendars.append(Calendar(time_zone=rule.time_zone, hours=rule.windows))
        if known := calendars.get(rule.calendar):
            self._calendars.append(known)
        self._by_calendar = bool(rule.windows or rule.calendar)
        """A calendar that is not there is never open: a mistake must not mute anything."""
        self.asks = rule.condition != _ANY
        """Whether it asks something of the incident."""
        self._known_at: Instant | None = None
        self._open_until: Outcome | None = None
        self._changes_at: Instant | None = None

    def at(self, now: Instant) -> Outcome | None:
        """The cause while it is open."""
        self._look(now)
        return self._open_until

    def changes_at(self, now: Instant) -> Instant | None:
        """The next instant at which it may open or close."""
        self._look(now)
        return self._changes_at

    def _look(self, now: Instant) -> None:
        known = self._known_at
        if known is not None and known <= now and (self._changes_at is None or now < self._changes_at):
            return
        self._known_at = now
        self._open_until = None
        rule = self.rule
        if rule.starts_at is not None and now < rule.starts_at:
            self._changes_at = rule.starts_at
            return
        if rule.ends_at is not None and rule.ends_at <= now:
            self._changes_at = None
            return
        changes = [(open_at(one, now), next_change(one, now)) for one in self._calendars]
        known_changes = [at for _, at in changes if at is not None]
        known_changes += [rule.ends_at] if rule.ends_at is not None else []
        self._changes_at = min(known_changes, default=None)
        ends = [at for is_open, at in changes if is_open] if self._by_calendar else [None]
        if ends:
            self._open_until = Outcome(self.cause, _first(_last(ends), rule.ends_at))


def _last(ends: Sequence[Instant | None]) -> Instant | None:
    known = [at for at in ends if at is not None]
    return max(known) if len(known) == len(ends) else None


def _first(one: Instant | None, other: Instant | None) -> Instant | None:
    return min(one, other) if one is not None and other is not None else one or other


_ANY: Final = Matcher()
_encoder: Final = msgspec.json.Encoder(order="sorted")


class Suppression:
    """Everything in one version of the rules that keeps something quiet, made ready to be asked.

    `fingerprint` tells whether two versions keep the same things quiet; empty = nothing does.
    """

    __slots__ = ("_by_label", "_others", "_silences", "_windows", "conditions", "fingerprint", "inhibitions", "rules")

    def __init__(self, rules: Rules, now: Instant) -> None:
        """`now`: what was over by then is left out."""
        self.rules = rules
        self.inhibitions: tuple[Inhibition, ...] = rules.inhibitions
        silences = {name: one for name, one in sorted(rules.silences.items()) if one.matchers and now < one.ends_at}
        maintenance = {
            name: one for name, one in sorted(rules.maintenance.items()) if one.ends_at is None or now < one.ends_at
        }
        self._windows = [_Window(f"{MAINTENANCE}:{name}", one, rules.calendars) for name, one in maintenance.items()]
        for name, expected in sorted(rules.expected.items()):
            self._windows.append(_Window(f"{EXPECTED}:{name}", Maintenance(matchers=expected.matchers), {}))
        self.conditions = any(window.asks for window in self._windows)
        """Whether a change of an incident's header may change whether it is quiet."""
        self._silences = [(f"{SILENCE}:{name}", one) for name, one in silences.items()]
        self._by_label: dict[str, dict[str, list[tuple[str, Silence]]]] = {}
        self._others: list[tuple[str, Silence]] = []
        for entry in self._silences:
            by = next((one for one in entry[1].matchers if one.is_equal and not one.is_regex), None)
            if by is None:
                self._others.append(entry)
            else:
                self._by_label.setdefault(by.name, {}).setdefault(by.value, []).append(entry)
        self.fingerprint = _fingerprint(rules, silences, maintenance)

    @property
    def of_alerts(self) -> bool:
        """Whether anything depends on the labels of alerts."""
        return bool(self._silences or self._windows or self.inhibitions)

    def of_alert(self, labels: Mapping[str, str], header: IncidentHeader, now: Instant) -> Outcome | None:
        """The silence or the window that keeps an alert with `labels`, in the incident of `header`, quiet at `now`."""
        found: Outcome | None = None
        for cause, silence in self._candidates(labels):
            if silence.starts_at <= now < silence.ends_at and matches_all(silence.matchers, labels):
                found = longer(found, Outcome(cause, silence.ends_at))
        for window in self._windows:
            outcome = window.at(now)
            if outcome is None or not matches_all(window.rule.matchers, labels):
                continue
            if not window.asks or holds(window.rule.condition, header, now):
                found = longer(found, outcome)
        return found

    def _candidates(self, labels: Mapping[str, str]) -> Iterable[tuple[str, Silence]]:
        yield from self._others
        for name, by_value in self._by_label.items():
            yield from by_value.get(labels.get(name, ""), ())

    def starts_at(self, now: Instant) -> Instant | None:
        """The next instant after `now` at which something may become quiet that is not."""
        starts = [one.starts_at for _, one in self._silences if one.starts_at > now]
        starts += [at for window in self._windows if (at := window.changes_at(now)) is not None and at > now]
        return min(starts, default=None)


def _fingerprint(rules: Rules, silences: Mapping[str, Silence], maintenance: Mapping[str, Maintenance]) -> str:
    own = [(one.name, one.threshold, one.flapping) for one in rules.correlation if one.threshold or one.flapping]
    expected = {name: one.matchers for name, one in sorted(rules.expected.items())}
    if not (own or silences or maintenance or rules.inhibitions or expected):
        return ""
    calendars = {one.calendar: rules.calendars.get(one.calendar) for one in maintenance.values() if one.calendar}
    content = _encoder.encode(
        [silences, maintenance, calendars, rules.inhibitions, own, *([expected] if expected else [])]
    )
    return blake2b(content, digest_size=12).hexdigest()


class Alert(NamedTuple):
    """One alert of an incident, as a preview needs it."""

    incident_id: str
    alert_id: str
    labels: Mapping[str, str]
    firing: bool = True


class Covered(NamedTuple):
    """What a silence with some matchers would keep quiet."""

    alerts: tuple[Alert, ...]
    """The alerts that match."""
    incidents: tuple[str, ...]
    """Incidents of which every firing alert matches: nobody would be called for them."""
    partly: tuple[str, ...]
    """Incidents of which some firing alert does not match: they would stay as loud as they are."""


def covered(matchers: Sequence[LabelMatch], alerts: Iterable[Alert]) -> Covered:
    """What a silence with `matchers` would keep quiet among `alerts`, which have to be all alerts of their incidents.
    Without matchers it covers nothing."""
    matching: list[Alert] = []
    loud: dict[str, bool] = {}
    for alert in alerts:
        quiet = bool(matchers) and matches_all(matchers, alert.labels)
        if quiet:
            matching.append(alert)
        if alert.firing:
            loud[alert.incident_id] = loud.get(alert.incident_id, False) or not quiet
    touched = dict.fromkeys(alert.incident_id for alert in matching if alert.firing)
    return Covered(
        tuple(matching),
        tuple(one for one in touched if not loud[one]),
        tuple(one for one in touched if loud[one]),
    )
