"""The settings of severities: the scheme in which they are shown, own schemes, and the matrix of impact and urgency."""

from typing import Annotated, Final

from pydantic import Field

from tocsin.domain import rules as domain
from tocsin.domain.severity import Severity
from tocsin.settings.part import Part, struct_of
from tocsin.settings.values import Name, OneOrMore, PositiveDuration

LEVELS_MAX: Final = 12
"""Levels of one scheme: twice the severities there are."""
WORDS_MAX: Final = 12
"""Impacts, and urgencies of each."""

Word = Annotated[str, Field(min_length=1, max_length=40)]


class LevelPart(Part):
    word: Word = Field(description="How people call it: P1.")
    severity: Severity = Field(description="The severity that it stands for.")
    respond: PositiveDuration | None = Field(default=None, description="Promised time to the acknowledgement.")
    recover: PositiveDuration | None = Field(default=None, description="Promised time to the recovery.")
    update: PositiveDuration | None = Field(default=None, description="Promised time between two updates.")
    meaning: str = Field(default="", max_length=300, description="When to choose it, for people.")

    def struct(self) -> domain.SchemeLevel:
        return struct_of(domain.SchemeLevel, self)


class SeverityPart(Part):
    scheme: Name = Field(
        default="named", description="How severities are shown: named, p0-p3, p1-p4, sev1-4, or one of schemes."
    )
    schemes: dict[Name, Annotated[tuple[LevelPart, ...], Field(min_length=1, max_length=LEVELS_MAX)]] = Field(
        default={}, description="Own schemes: their levels, the most urgent first."
    )
    matrix: dict[Word, Annotated[dict[Word, Severity], Field(min_length=1, max_length=WORDS_MAX)]] = Field(
        default={},
        max_length=WORDS_MAX,
        description="Severity by impact, then urgency: {high: {high: critical}}; empty = high, medium, low.",
    )
    root_cause_required: OneOrMore[Severity] = Field(
        default=(), description="Severities whose incidents cannot be closed without a root cause."
    )

    def struct(self) -> domain.SeverityRules:
        schemes = {
            name: domain.Scheme(levels=tuple(level.struct() for level in levels))
            for name, levels in self.schemes.items()
        }
        return domain.SeverityRules(
            scheme=self.scheme, schemes=schemes, matrix=self.matrix, root_cause_required=self.root_cause_required
        )
