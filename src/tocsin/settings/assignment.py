"""The settings of who is responsible for what, by category, severity and skill."""

from typing import Final

from pydantic import Field

from tocsin.domain import rules as domain
from tocsin.domain.severity import Severity
from tocsin.settings.part import Part, struct_of
from tocsin.settings.values import Name, OneOrMore

_DEFAULT: Final = domain.Assignment()


class AssignmentPart(Part):
    by_category: dict[str, Name] = Field(default=_DEFAULT.by_category, description="Team of a category.")
    by_severity: dict[Severity, Name] = Field(
        default=_DEFAULT.by_severity, description="Responder of a severity: a user, a schedule or a team."
    )
    by_skill: dict[str, OneOrMore[Name]] = Field(
        default={}, description="Skills that the responder of a category must have: {database: [postgres]}."
    )
    balance: bool = Field(
        default=False, description="Among those of the team who fit, the one with the fewest unfinished incidents."
    )

    def struct(self) -> domain.Assignment:
        return struct_of(domain.Assignment, self)
