"""Playbooks in the settings: the installation's own, and shipped ones replaced or taken away.

In: a branch of the file. Out: `domain.rules.Playbook`s by name. Each is published as a document of its own.
"""

from typing import Annotated, Final

from pydantic import Field, model_validator

from tocsin.domain import rules as domain
from tocsin.domain.playbook import STEP_TEXT_MAX, STEPS_MAX
from tocsin.domain.severity import Severity
from tocsin.settings.part import Part
from tocsin.settings.values import Name, OneOrMore

TEXT_MAX: Final = 1000

Minutes = Annotated[float, Field(ge=0, le=7 * 24 * 60, allow_inf_nan=False)]
Phrase = Annotated[str, Field(max_length=TEXT_MAX)]


class PlaybookStepPart(Part):
    text: str = Field(min_length=1, max_length=STEP_TEXT_MAX, description="What to do.")
    minutes: Minutes = Field(default=0, description="Minutes it is expected to take.")
    skills: OneOrMore[Name] = Field(default=(), description="What who does it must know.")

    def struct(self) -> domain.PlaybookStep:
        return domain.PlaybookStep(text=self.text, minutes=self.minutes, skills=self.skills)


class PlaybookPart(Part):
    title: Phrase = Field(default="", description="What it is for; needed unless it is disabled.")
    steps: tuple[PlaybookStepPart, ...] = Field(default=(), max_length=STEPS_MAX, description="In their order.")
    estimated_duration_minutes: Minutes = Field(default=0, description="Minutes for all; 0 = the sum of the steps.")
    required_skills: OneOrMore[Name] = Field(default=(), description="Skills it needs; empty = those of the steps.")
    categories: OneOrMore[str] = Field(default=(), description="Categories of incidents it is for; empty = all.")
    severities: OneOrMore[Severity] = Field(default=(), description="Severities of incidents it is for; empty = all.")
    description: Phrase = Field(default="", description="When it helps.")
    runbook: Phrase = Field(default="", description="Name of a runbook document, or a link, with more to read.")
    enabled: bool = Field(default=True, description="false = take the shipped playbook of this name away.")

    @model_validator(mode="after")
    def _has_something_to_do(self) -> "PlaybookPart":
        if self.enabled and not (self.title and self.steps):
            raise ValueError("needs a title and steps, or enabled: false")
        return self

    def struct(self) -> domain.Playbook:
        return domain.Playbook(
            title=self.title,
            steps=tuple(step.struct() for step in self.steps),
            estimated_duration_minutes=self.estimated_duration_minutes,
            required_skills=self.required_skills,
            categories=self.categories,
            severities=self.severities,
            description=self.description,
            runbook=self.runbook,
            enabled=self.enabled,
        )
