"""The settings of what keeps an incident quiet for its own coming and going: thresholds and flapping, of correlation
rules. Each part gives its `domain.rules` struct.
"""

from datetime import timedelta

from pydantic import Field

from tocsin.domain import rules as domain
from tocsin.domain.rules.correlation import COUNT_MAX, TIMES_MAX
from tocsin.settings.part import Part
from tocsin.settings.values import PositiveDuration


class ThresholdPart(Part):
    count: int = Field(ge=2, le=COUNT_MAX, description="Sightings, repeats included, before anybody is called.")
    within: PositiveDuration = Field(description="In how long a time.")

    def struct(self) -> domain.Threshold:
        return domain.Threshold(count=self.count, within=self.within)


class FlappingPart(Part):
    times: int = Field(default=4, ge=2, le=TIMES_MAX, description="How often it came back after it was resolved.")
    within: PositiveDuration = Field(default=timedelta(minutes=30), description="In how long a time.")
    calm: PositiveDuration = Field(
        default=timedelta(minutes=15), description="It is quiet until it has not come back for this long."
    )

    def struct(self) -> domain.Flapping:
        return domain.Flapping(times=self.times, within=self.within, calm=self.calm)
