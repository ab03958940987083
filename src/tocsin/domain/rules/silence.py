"""What is kept quiet on purpose, as data. Nothing here hides an alert: each suppression names its cause."""

import msgspec

from tocsin.domain.instant import Instant
from tocsin.domain.rules.condition import LabelMatch, Matcher
from tocsin.domain.rules.schedule import Restriction


class Silence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What Alertmanager calls one: all of `matchers` must match an alert's labels."""

    matchers: tuple[LabelMatch, ...]
    starts_at: Instant
    ends_at: Instant
    created_by: str = ""
    comment: str = ""
    updated_at: Instant | None = None


class Maintenance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A planned mute: once (`starts_at`, `ends_at`) or again and again (`windows` of a zone, between the two)."""

    matchers: tuple[LabelMatch, ...] = ()
    condition: Matcher = Matcher()
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    time_zone: str = "UTC"
    windows: tuple[Restriction, ...] = ()
    calendar: str = ""
    """Quiet whenever this calendar is open."""
    description: str = ""


class Inhibition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """While an alert that `source` matches fires, those that `target` matches are quiet if the labels in `equal` are
    the same. Within one partition key."""

    name: str
    source: tuple[LabelMatch, ...]
    target: tuple[LabelMatch, ...]
    equal: tuple[str, ...] = ()
