"""The settings of who watches tocsin, and of what tocsin waits for: heartbeat, canary, expected alerts."""

from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator

from tocsin.domain import rules as domain
from tocsin.domain.severity import Severity
from tocsin.settings.part import Part
from tocsin.settings.silence import Matchers, matchers_of
from tocsin.settings.values import Name, PositiveDuration, Secret

EVERY_MIN: Final = timedelta(seconds=5)
EXPECTED_MAX: Final = 200
"""Each is looked for in the database every few seconds."""


def _not_too_often(value: timedelta) -> timedelta:
    if value < EVERY_MIN:
        raise ValueError("must be at least 5s")
    return value


Pace = Annotated[PositiveDuration, AfterValidator(_not_too_often)]


class HeartbeatPart(Part):
    url: Secret = Field(description="Address that is called while tocsin is well; who gets no call any more tells you.")
    every: Pace = Field(default=timedelta(minutes=1), description="Time between two calls.")


class CanaryPart(Part):
    every: Pace = Field(default=timedelta(minutes=1), description="Time between two test alerts; they open nothing.")
    target: str = Field(
        default="",
        max_length=120,
        description="Who gets a test page, over the way of every page: user:canary; empty = nobody.",
    )
    page_every: Pace = Field(default=timedelta(hours=6), description="Time between two test pages.")


class ExpectedPart(Part):
    matchers: Matchers = Field(description='Labels of the alert that has to come: [alertname="Watchdog"].')
    within: Pace = Field(default=timedelta(minutes=5), description="Longest time without it.")
    severity: Severity = Field(default=Severity.CRITICAL, description="Of the alert that says that it stays away.")
    service: str = Field(default="", max_length=256, description="Service of that alert; empty = monitoring.")
    description: str = Field(default="", max_length=1000, description="What to do then, for people.")

    @model_validator(mode="after")
    def _names_alerts(self) -> "ExpectedPart":
        if not any(one.is_equal for one in matchers_of(self.matchers)):
            raise ValueError('at least one label must have a value: alertname="Watchdog"')
        return self

    def struct(self) -> domain.Expected:
        return domain.Expected(
            matchers=matchers_of(self.matchers),
            within=self.within,
            severity=self.severity,
            service=self.service,
            description=self.description,
        )


class WatchPart(Part):
    heartbeat: HeartbeatPart | None = Field(default=None, description="Tells somebody outside that tocsin is well.")
    canary: CanaryPart | None = Field(default=None, description="Test alerts through the real way, with their time.")
    expected: dict[Name, ExpectedPart] = Field(
        default={}, max_length=EXPECTED_MAX, description="Alerts that have to come; one that stays away is an alert."
    )

    def struct(self) -> dict[str, domain.Expected]:
        return {name: one.struct() for name, one in self.expected.items()}
