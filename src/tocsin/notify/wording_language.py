"""The language of templates: a small part of Jinja2, whose work is bounded while it runs.

In: the text of a template, variables (JSON values). Out: text, or what is wrong with the template. Invariants: nothing
but the values that were given can be read, and nothing is called; what a template costs is counted while it is
rendered, so that it ends within `STEPS_MAX` steps and `LETTERS_MAX` letters, whatever it says; the same text and
variables give the same result. A text without Jinja's openings is in the single-brace form: there `{name}` is a
variable, and every other brace is a brace.
It escapes nothing: its results are plain text, and escaping is the channel's part.

Only listed kinds of nodes are compiled (`wording_tree`), so that the sandbox of Jinja2 is the second fence and not the
first.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import jinja2
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tocsin.domain.template import SOURCE_BYTES_MAX
from tocsin.notify.wording_budget import OverBudget, Ready, budget, in_json, spend
from tocsin.notify.wording_filters import FILTERS, TESTS, text_of, within_json
from tocsin.notify.wording_tree import Found, TreeProblem, checked_tree

OUTPUT_BYTES_MAX: Final = 64 * 1024
"""Of one rendered text: more than any channel takes."""
COMPILED_MAX: Final = 500
"""Templates that are kept compiled, a few KB each."""
OPENINGS: Final = ("{{", "{%", "{#")
LOOP: Final = frozenset({"index", "index0", "first", "last", "length", "revindex", "revindex0"})
"""What a template may ask of its loop."""
FACTORS_MAX: Final = 10**15
"""Of a product: larger whole numbers cost more to print than to make."""

_SINGLE: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")


class BadTemplate(ValueError):
    """The text is no template. `problems` has a line for each thing that is wrong."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(self.problems))


class RenderError(ValueError):
    """The template could not be rendered with these variables; the message holds none of their values."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Reads the values of mappings and lists, and attributes of nothing else than the loop."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        if isinstance(obj, LoopContext) and attribute in LOOP:
            return getattr(obj, attribute)
        return self.undefined(obj=None, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping) and isinstance(argument, str):
            return self.getattr(obj, argument)
        if isinstance(obj, list | tuple | str) and isinstance(argument, int) and -len(obj) <= argument < len(obj):
            return obj[argument]
        return self.undefined(obj=None, name=str(argument)[:64])

    def is_safe_callable(self, obj: Any) -> bool:
        return False

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        spend(steps=1)
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            spend(letters=len(left) + len(right))
            return left + right
        if not all(isinstance(one, int | float) for one in (left, right)):
            raise TypeError(f"{operator!r} takes two numbers")
        if operator == "*" and max(abs(left), abs(right)) > FACTORS_MAX:
            raise OverflowError("a factor is too large")
        return super().call_binop(context, operator, left, right)


@jinja2.pass_context  # it makes Jinja2 work nothing out in advance, where no budget is counted
def _finished(context: Context, value: Any) -> str:
    text = text_of(value)
    if in_json() and not isinstance(value, Ready):
        return within_json(text)  # of numbers and words like true nothing changes
    spend(letters=len(text))
    return text


def _environment() -> _Sandbox:
    sandbox = _Sandbox(
        undefined=jinja2.ChainableUndefined,
        autoescape=False,
        optimized=False,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finished,
        cache_size=0,
    )
    sandbox.globals.clear()
    sandbox.filters.clear()
    sandbox.filters.update(FILTERS)
    sandbox.tests.clear()
    sandbox.tests.update(TESTS)
    return sandbox


_sandbox: Final = _environment()


class Compiled:
    """A template that is ready."""

    def __init__(self, template: jinja2.Template, found: Found) -> None:
        self._template = template
        self.found = found
        """The variables that it names."""

    def render(self, variables: Mapping[str, Any], *, json: bool = False) -> str:
        """The text for `variables` (JSON values); what they do not have is empty.

        Args:
            json: the template is JSON, and its variables stand in texts of it: they are escaped as those have to be.

        Raises:
            RenderError: it costs too much, or the values do not fit what it does with them.
        """
        with budget(json=json):
            try:
                spend(steps=self.found.weight)
                return self._written(variables)
            except OverBudget as error:
                raise RenderError(str(error)) from None
            except jinja2.UndefinedError as error:
                raise RenderError(f"a variable that is not there is worked with: {error.message}"[:300]) from None
            except Exception as error:  # whatever the values made of it: a template must not stop a page
                raise RenderError(f"{type(error).__name__} while it was rendered") from None

    def _written(self, variables: Mapping[str, Any]) -> str:
        pieces: list[str] = []
        size = 0
        for piece in self._template.root_render_func(self._template.new_context(dict(variables))):
            size += len(piece.encode("utf-8", "surrogatepass"))
            if size > OUTPUT_BYTES_MAX:
                raise OverBudget(f"it makes more than {OUTPUT_BYTES_MAX} bytes")
            pieces.append(piece)
        return "".join(pieces)


def converted(source: str) -> str:
    """`source` with `{name}` as Jinja2 writes it, when it is in the single-brace form; else as it is."""
    if any(opening in source for opening in OPENINGS):
        return source
    return _SINGLE.sub(r"{{ \1 }}", source)


def compiled(source: str) -> Compiled:
    """The template that `source` is.

    Raises:
        BadTemplate: it is none, with the line and the reason.
    """
    found = _compiled(source)
    if isinstance(found, BadTemplate):
        raise BadTemplate(found.problems)
    return found


@lru_cache(COMPILED_MAX)
def _compiled(source: str) -> Compiled | BadTemplate:
    if len(source.encode("utf-8", "surrogatepass")) > SOURCE_BYTES_MAX:
        return BadTemplate([f"more than {SOURCE_BYTES_MAX} bytes"])
    try:
        tree = _sandbox.parse(converted(source))
        found = checked_tree(tree, FILTERS, TESTS)
        code = _sandbox.compile(tree)
        return Compiled(jinja2.Template.from_code(_sandbox, code, {}), found)
    except TreeProblem as error:
        return BadTemplate(error.problems)
    except jinja2.TemplateSyntaxError as error:
        return BadTemplate([f"line {error.lineno}: {_lowered(error.message or 'not a template')}"])
    except (RecursionError, MemoryError, SyntaxError, ValueError):
        return BadTemplate(["nested too deeply"])


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")
