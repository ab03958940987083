"""Templates of messages in the settings. Each is published as a document of its own, `template/<name>`.

In: a branch of the file. Out: `domain.rules.Template`s by name. What is wrong with a text is named with its line in the
text, and the nearest name of a variable or filter.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator

from tocsin.domain import rules as domain
from tocsin.domain.rules.notification import TEAM
from tocsin.domain.template import wrong_template
from tocsin.notify.wording_language import BadTemplate, compiled, converted
from tocsin.notify.wording_tree import unknown
from tocsin.notify.wording_variables import known
from tocsin.settings.part import Part
from tocsin.settings.rules import Audience, Condition, ConditionPart, Worded
from tocsin.settings.values import OneOrMore


def _text(value: str) -> str:
    try:
        problems = unknown(compiled(value).found, known()) if value else []
    except BadTemplate as error:
        problems = error.problems
    if problems:
        raise ValueError("; ".join(problems))
    return value


Text = Annotated[str, AfterValidator(_text)]
_BRACES: Final = re.compile(r"(?<!\{)\{([a-z_]+)\}(?!\})")


class TemplatePart(Part):
    subject_template: Text = Field(default="", description="Subject or first line; empty = the built-in one.")
    body_template: Text = Field(default="", description="Text; empty = the built-in one.")
    channel: str = Field(default="", description="Name or type of the channel it is for; empty = every channel.")
    events: OneOrMore[Worded] = Field(
        default=(), description="Event types it is for, or digest; empty = every event, but no digest."
    )
    audience: Audience = Field(default=TEAM, description="Who reads it.")
    when: Condition = Field(default=ConditionPart(), description="Which incidents it is for.")

    @model_validator(mode="after")
    def _is_sound(self) -> "TemplatePart":
        if wrong := list(wrong_template(self.struct())):
            raise ValueError("; ".join(wrong))
        return self

    def struct(self) -> domain.Template:
        return domain.Template(
            subject_template=self.subject_template,
            body_template=self.body_template,
            channel=self.channel,
            events=self.events,
            audience=self.audience,
            when=self.when.struct(),
        )


def warnings(templates: Mapping[str, domain.Template], audiences: frozenset[str]) -> Iterator[str]:
    """What is allowed in templates but is probably not meant.

    Args:
        audiences: those that routes are for.
    """
    for name, template in templates.items():
        for field in ("subject_template", "body_template"):
            source = getattr(template, field)
            literal = _BRACES.findall(source) if converted(source) == source else []
            if mixed := [word for word in literal if word in known()]:
                word = mixed[0]
                yield (
                    f"notify.templates.{name}.{field}: {{{word}}} is printed as it stands, since the text is Jinja2; "
                    f"write {{{{ {word} }}}}"
                )
        if template.audience not in audiences | {TEAM}:
            yield f"notify.templates.{name}: no route is for {template.audience!r}, so it is never used"
