"""What a rule asks of an incident or of labels, as data. `domain.condition` decides whether it holds."""

from collections.abc import Mapping

import msgspec

from tocsin.domain.lifecycle import Status
from tocsin.domain.severity import Severity


class Matcher(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A condition over an incident: every field that is given must hold; a list holds when it names the value."""

    severity: tuple[Severity, ...] = ()
    status: tuple[Status, ...] = ()
    category: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    expression: str = ""
    """Of `domain.expression`, over an incident; empty = nothing more is asked."""

    def holds(
        self, *, severity: Severity, status: Status, category: str, service: str, labels: Mapping[str, str]
    ) -> bool:
        return (
            (not self.severity or severity in self.severity)
            and (not self.status or status in self.status)
            and (not self.category or category in self.category)
            and (not self.service or service in self.service)
            and all(labels.get(name, "") == value for name, value in self.labels.items())
        )


class LabelMatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One label and what it must be. A missing label is the empty text. A pattern matches whole values."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True
