"""The settings of what is kept quiet: inhibition and maintenance windows. Each part gives its
`domain.rules` struct.

Silences are no settings of the file: people make them while tocsin runs (`tocsin silence`, amtool). Thresholds and
flapping belong to the correlation rules (`pulse`).
"""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator

from tocsin.domain import rules as domain
from tocsin.domain.matchers import read_matchers
from tocsin.domain.rules.schedule import RESTRICTIONS_MAX
from tocsin.domain.wall import instant_of, zone
from tocsin.settings.directory import Moment
from tocsin.settings.part import Part
from tocsin.settings.rules import Condition, ConditionPart
from tocsin.settings.schedule import RestrictionPart
from tocsin.settings.values import Name, OneOrMore, Zone

INHIBITIONS_MAX: Final = 200
"""Each is asked for every new alert."""
WINDOWS_MAX: Final = 500
EQUAL_MAX: Final = 32


def _matchers(value: str) -> str:
    read_matchers(value)
    return value


Matchers = Annotated[OneOrMore[Annotated[str, AfterValidator(_matchers)]], Field(max_length=64)]
"""As Alertmanager writes them: `severity="critical"`, `instance=~"db-.*"`, several in braces."""


def matchers_of(texts: tuple[str, ...]) -> tuple[domain.LabelMatch, ...]:
    """All of them."""
    return tuple(one for text in texts for one in read_matchers(text))


class InhibitionPart(Part):
    name: Name = Field(description="Name of the rule; what it keeps quiet says so.")
    source: Matchers = Field(description='Alerts that keep others quiet: [alertname="PowerLost"].')
    target: Matchers = Field(description='Alerts that are quiet meanwhile: [severity=~"low|info"].')
    equal: OneOrMore[str] = Field(
        default=(), max_length=EQUAL_MAX, description="Labels that both must have with the same value."
    )

    @model_validator(mode="after")
    def _names_alerts(self) -> "InhibitionPart":
        if not (self.source and self.target):
            raise ValueError("source and target need at least one matcher each")
        return self

    def struct(self) -> domain.Inhibition:
        return domain.Inhibition(
            name=self.name, source=matchers_of(self.source), target=matchers_of(self.target), equal=self.equal
        )


class MaintenancePart(Part):
    matchers: Matchers = Field(default=(), description='Labels of the alerts that are quiet: [cluster="eu-1"].')
    condition: Condition = Field(default=ConditionPart(), description="Which incidents are quiet; empty = all.")
    starts_at: Moment | None = Field(
        default=None, description="From when on, by the clock of the zone: 2026-12-24T18:00."
    )
    ends_at: Moment | None = Field(default=None, description="Until when, by the clock of the zone.")
    time_zone: Zone = Field(default="UTC", description="IANA name, such as Europe/London; its wall clock counts.")
    windows: tuple[RestrictionPart, ...] = Field(
        default=(), max_length=RESTRICTIONS_MAX, description="Parts of each week, between the two where given."
    )
    calendar: str = Field(default="", description="Quiet whenever this calendar is open, besides the windows.")
    description: str = Field(default="", max_length=1000, description="What is done, for people.")

    @model_validator(mode="after")
    def _is_bounded(self) -> "MaintenancePart":
        if not (self.windows or self.calendar or (self.starts_at and self.ends_at)):
            raise ValueError("starts_at and ends_at, windows or a calendar are needed: this would be quiet for ever")
        starts_at, ends_at = self._instant(self.starts_at), self._instant(self.ends_at)
        if starts_at and ends_at and ends_at <= starts_at:
            raise ValueError("ends_at must lie after starts_at")
        return self

    def _instant(self, moment: datetime | None) -> datetime | None:
        if moment is None or moment.tzinfo is not None:
            return moment.astimezone(UTC) if moment is not None else None
        return instant_of(moment, zone(self.time_zone))

    def struct(self) -> domain.Maintenance:
        return domain.Maintenance(
            matchers=matchers_of(self.matchers),
            condition=self.condition.struct(),
            starts_at=self._instant(self.starts_at),
            ends_at=self._instant(self.ends_at),
            time_zone=self.time_zone,
            windows=tuple(one.struct() for one in self.windows),
            calendar=self.calendar,
            description=self.description,
        )


class SuppressPart(Part):
    inhibit: tuple[InhibitionPart, ...] = Field(
        default=(),
        max_length=INHIBITIONS_MAX,
        description="Which alerts keep others quiet while they fire, within a partition key.",
    )
    maintenance: dict[Name, MaintenancePart] = Field(
        default={}, max_length=WINDOWS_MAX, description="Planned work during which nobody is called."
    )

    @model_validator(mode="after")
    def _names_differ(self) -> "SuppressPart":
        names = [one.name for one in self.inhibit]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two inhibitions have the name {twice[0]!r}")
        return self

    def inhibitions(self) -> tuple[domain.Inhibition, ...]:
        return tuple(one.struct() for one in self.inhibit)

    def windows(self) -> dict[str, domain.Maintenance]:
        return {name: one.struct() for name, one in self.maintenance.items()}
