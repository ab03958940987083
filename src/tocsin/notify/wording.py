"""Which template applies to a message, and what it makes of it.

In: the templates of the rules, the context of a delivery. Out: `Words`, or None where the built-in text is right.
Invariants: the most specific template wins (`specificity`), between equals the first by name; what a template cannot do
is told to `failed`, and the built-in text goes out: a page never waits for a template. It escapes nothing; a subject
is one line, and no text has a control character.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import msgspec

from tocsin.domain.condition import holds
from tocsin.domain.header import IncidentHeader
from tocsin.domain.instant import EPOCH, Instant
from tocsin.domain.rules import Matcher, Rules, Template
from tocsin.domain.rules.notification import TEAM
from tocsin.notify.channel import Links, NoLinks, Words
from tocsin.notify.message import clean, one_line
from tocsin.notify.state import DIGEST
from tocsin.notify.wording_language import OUTPUT_BYTES_MAX, BadTemplate, RenderError, compiled
from tocsin.notify.wording_tree import unknown
from tocsin.notify.wording_variables import known, values_of
from tocsin.wire.events import rfc3339

SUBJECT_MAX: Final = 300
"""Letters; mail readers show some eighty."""
FIELDS: Final = ("subject_template", "body_template")
JSON_KINDS: Final = frozenset({"webhook"})
"""Types of channels whose text may be a JSON document of its own: one that begins with a brace or bracket."""
_GAPS: Final = {"id": "", "number": "", "version": 0, "title": "", "status": "open", "opened_at": rfc3339(EPOCH)}


class Failure(msgspec.Struct, frozen=True):
    """A template that could not be used for a message."""

    name: str
    template: Template
    problem: str
    """Why, without any value of the message."""


_instead: Final[ContextVar[Template | None]] = ContextVar("instead", default=None)


class Templates:
    """The templates in force. Implements `Wording`."""

    def __init__(self, links: Links | None = None, failed: Callable[[Failure], None] = lambda failure: None) -> None:
        """
        Args:
            failed: told of each message that a template could not be used for.
        """
        self._links = links or NoLinks()
        self.failed = failed
        self._templates: Mapping[str, Template] = {}
        self._failing: dict[str, Failure] = {}

    def adopt(self, rules: Rules) -> None:
        """From now on those of `rules`. What failed and is still the same goes on failing."""
        self._templates = rules.templates
        self._failing = {name: one for name, one in self._failing.items() if rules.templates.get(name) == one.template}

    @contextmanager
    def instead(self, template: Template | None) -> Iterator[None]:
        """Within, this template is the one for every message (None = those in force): to try one."""
        token = _instead.set(template)
        try:
            yield
        finally:
            _instead.reset(token)

    def failing(self) -> list[Failure]:
        """The last failure of each template in force that has failed since it was written."""
        return [one for _, one in sorted(self._failing.items())]

    def words(self, channel: str, kind: str, context: Mapping[str, Any]) -> Words | None:
        """See `Wording`."""
        if (own := _instead.get()) is not None:
            return worded(own, channel, kind, context, self.url(context))
        try:
            name = chosen(self._templates, channel, kind, context)
        except Exception as error:  # a context that is no incident's: never a reason not to page
            name = ""
            self.failed(Failure("", Template(), f"{type(error).__name__} while one was chosen"))
        if not name:
            return None
        template = self._templates[name]
        try:
            return worded(template, channel, kind, context, self.url(context))
        except (BadTemplate, RenderError) as error:
            failure = Failure(name, template, str(error))
            self._failing[name] = failure
            self.failed(failure)
            return None

    def url(self, context: Mapping[str, Any]) -> str:
        """The page of the incident, for who may open it."""
        incident = (context.get("incident") or {}).get("id", "")
        return self._links.page(str(incident)) if incident and _is_inside(context) else ""


def chosen(templates: Mapping[str, Template], channel: str, kind: str, context: Mapping[str, Any]) -> str:
    """The name of the template for a message over `channel` of type `kind`; empty when none applies."""
    ranked = sorted(
        (tuple(-part for part in specificity(template, channel)), name)
        for name, template in templates.items()
        if _is_about(template, channel, kind, context)
    )
    if not ranked:
        return ""
    header, now = header_of(context), _instant(context)
    for _, name in ranked:
        when = templates[name].when
        if not _conditions(when) or (header is not None and holds(when, header, now)):
            return name
    return ""


def specificity(template: Template, channel: str) -> tuple[int, int, int]:
    """How closely a template that applies is meant: by its channel (2 its name, 1 its type, 0 any), by the event (1
    named, 0 any), by the number of conditions in `when`; compared in this order."""
    about = 2 if template.channel == channel else 1 if template.channel else 0
    return about, 1 if template.events else 0, _conditions(template.when)


def _conditions(when: Matcher) -> int:
    fields = (when.severity, when.status, when.category, when.service, when.expression)
    return sum(map(bool, fields)) + len(when.labels)


def _is_about(template: Template, channel: str, kind: str, context: Mapping[str, Any]) -> bool:
    return (
        template.channel in ("", channel, kind)
        and template.audience == (context.get("audience") or TEAM)
        # Whoever writes the words of single messages has not meant that of a digest, which says what it stands for.
        and (context.get("type") in template.events if template.events else context.get("type") != DIGEST)
    )


def header_of(context: Mapping[str, Any]) -> IncidentHeader | None:
    """The incident of a context, as far as it is there: an audience outside has not all of it; None where there is
    none."""
    incident = context.get("incident") or {}
    if "severity" not in incident:
        return None
    try:
        return msgspec.convert({**_GAPS, **incident}, IncidentHeader)
    except msgspec.ValidationError:
        return None


def _instant(context: Mapping[str, Any]) -> Instant:
    try:
        return msgspec.convert(context.get("recorded_at"), Instant)
    except msgspec.ValidationError:
        return EPOCH


def _is_inside(context: Mapping[str, Any]) -> bool:
    return (context.get("audience") or TEAM) in (TEAM, "management")


def worded(template: Template, channel: str, kind: str, context: Mapping[str, Any], url: str = "") -> Words:
    """What `template` makes of a message.

    Raises:
        BadTemplate, RenderError: nothing.
    """
    values = values_of(context, channel, kind, url)
    subject = compiled(template.subject_template).render(values) if template.subject_template else ""
    body = ""
    if template.body_template:
        json = kind in JSON_KINDS and template.body_template.lstrip().startswith(("{", "["))
        body = compiled(template.body_template).render(values, json=json)
    return Words(subject=one_line(subject, SUBJECT_MAX), body=clean(body, OUTPUT_BYTES_MAX))


def problems(template: Template) -> list[str]:
    """What is wrong with the texts of a template: each with its field and line, and the nearest name."""
    found = []
    for field in FIELDS:
        source = getattr(template, field)
        try:
            found += [f"{field}, {one}" for one in unknown(compiled(source).found, known())] if source else []
        except BadTemplate as error:
            found += [f"{field}, {one}" for one in error.problems]
    return found
