"""The JSON of Alertmanager's API v2 (its `openapi.yaml`): silences, alerts, fingerprints. Pure.

In: rules and alerts. Out: values ready for JSON, and what a client posted as a struct.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec

from tocsin.domain.instant import Instant, as_utc
from tocsin.domain.rules import LabelMatch, Silence
from tocsin.domain.suppression import matches_all
from tocsin.persist.firing import Firing
from tocsin.wire.events import rfc3339

EXPIRES_AFTER: Final = timedelta(minutes=5)
"""End of an alert that names none: Alertmanager's own `resolve_timeout`."""

_OFFSET: Final = 14695981039346656037
_PRIME: Final = 1099511628211
_MASK: Final = 2**64 - 1
_SEPARATOR: Final = b"\xff"

Aware = Annotated[datetime, msgspec.Meta(tz=True)]


class SilenceState(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


class PostedMatcher(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    value: str
    is_regex: bool
    is_equal: bool = True


class PostedSilence(msgspec.Struct, frozen=True, rename="camel"):
    """`postableSilence`; unknown fields are passed over, as there."""

    matchers: tuple[PostedMatcher, ...]
    starts_at: Aware
    ends_at: Aware
    created_by: str
    comment: str
    id: str | None = None

    def silence(self, now: Instant) -> Silence:
        """
        Raises:
            ValueError: a matcher is none.
        """
        return Silence(
            matchers=tuple(
                LabelMatch(name=one.name, value=one.value, is_regex=one.is_regex, is_equal=one.is_equal)
                for one in self.matchers
            ),
            starts_at=as_utc(self.starts_at),
            ends_at=as_utc(self.ends_at),
            created_by=self.created_by,
            comment=self.comment,
            updated_at=now,
        )


def state_of(silence: Silence, now: Instant) -> SilenceState:
    """`pending`, `active` or `expired`, as Alertmanager tells them apart."""
    if now < silence.starts_at:
        return SilenceState.PENDING
    return SilenceState.ACTIVE if now < silence.ends_at else SilenceState.EXPIRED


def silence_json(name: str, silence: Silence, now: Instant) -> dict[str, Any]:
    """`gettableSilence`."""
    return {
        "id": name,
        "status": {"state": state_of(silence, now).value},
        "updatedAt": rfc3339(silence.updated_at or silence.starts_at),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "startsAt": rfc3339(silence.starts_at),
        "endsAt": rfc3339(silence.ends_at),
        "matchers": [
            {"name": one.name, "value": one.value, "isRegex": one.is_regex, "isEqual": one.is_equal}
            for one in silence.matchers
        ],
    }


def names_matchers(silence: Silence, wanted: Sequence[LabelMatch]) -> bool:
    """Whether the silence has each of `wanted` among its matchers: how Alertmanager filters silences."""
    return all(one in silence.matchers for one in wanted)


def order_of(silence: Silence, now: Instant) -> tuple[int, float]:
    """Active ones first, the next to end before others; then pending by start; then expired, the last one first."""
    state = state_of(silence, now)
    if state is SilenceState.ACTIVE:
        return 0, silence.ends_at.timestamp()
    if state is SilenceState.PENDING:
        return 1, silence.starts_at.timestamp()
    return 2, -silence.ends_at.timestamp()


def fingerprint(labels: Mapping[str, str]) -> str:
    """The identity of a label set as Prometheus and Alertmanager have it: FNV-1a of 64 bits over names and values in
    the order of the names, a byte 0xff after each; 16 hexadecimal digits."""
    value = _OFFSET
    for name in sorted(labels):
        for byte in b"".join((name.encode(), _SEPARATOR, labels[name].encode(), _SEPARATOR)):
            value = (value ^ byte) * _PRIME & _MASK
    return f"{value:016x}"


class Quiet(msgspec.Struct, frozen=True):
    """What keeps an alert quiet, as Alertmanager names the kinds."""

    silenced_by: tuple[str, ...] = ()
    """Ids of silences."""
    inhibited_by: tuple[str, ...] = ()
    """Names of inhibition rules; Alertmanager has fingerprints here."""
    muted_by: tuple[str, ...] = ()
    """Maintenance windows and the other causes, as tocsin names them."""

    @property
    def is_quiet(self) -> bool:
        return bool(self.silenced_by or self.inhibited_by or self.muted_by)


Active = Sequence[tuple[str, tuple[LabelMatch, ...]]]
"""Names and matchers of the silences that hold."""


def active_of(silences: Mapping[str, Silence], now: Instant) -> Active:
    """Those that hold at `now`, the matchers that cost least first."""
    return [
        (name, tuple(sorted(one.matchers, key=lambda match: match.is_regex)))
        for name, one in silences.items()
        if state_of(one, now) is SilenceState.ACTIVE
    ]


def quiet_of(firing: Firing, active: Active) -> Quiet:
    """Silences are matched against the labels of the alert; every other cause is that of its incident."""
    labels = firing.facts.labels
    silenced = tuple(name for name, matchers in active if matches_all(matchers, labels))
    kind, _, name = firing.incident.header.suppressed_by.partition(":")
    if kind == "inhibition":
        return Quiet(silenced, (name,))
    muted = (firing.incident.header.suppressed_by,) if kind not in ("", "silence") else ()
    return Quiet(silenced, (), muted)


def alert_json(firing: Firing, quiet: Quiet, receivers: Iterable[str], now: Instant) -> dict[str, Any]:
    """`gettableAlert`."""
    member, facts = firing.member, firing.facts
    ends = member.expires_at if member.expires_at and member.expires_at > now else now + EXPIRES_AFTER
    return {
        "annotations": facts.annotations,
        "endsAt": rfc3339(ends),
        "fingerprint": fingerprint(facts.labels),
        "receivers": [{"name": name} for name in receivers],
        "startsAt": rfc3339(member.starts_at or member.start),
        "status": {
            "inhibitedBy": list(quiet.inhibited_by),
            "mutedBy": list(quiet.muted_by),
            "silencedBy": list(quiet.silenced_by),
            "state": "suppressed" if quiet.is_quiet else "active",
        },
        "updatedAt": rfc3339(member.last),
        "generatorURL": facts.links.get("generator", ""),
        "labels": facts.labels,
    }
