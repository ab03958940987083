"""Expressions: `severity >= 'high' AND labels.team == 'db' AND time('Europe/London') >= '09:00'`.

In: text and a vocabulary. Out: an `Expression` that answers for a subject at an instant, or an `ExpressionError` with
line, column and caret. Invariants: bounded in size, depth and time; never evaluated as code; the same subject and
instant always give the same answer. A missing label is the empty text.

`tokens` cuts the text, `parse` reads it into a `tree`, `check` holds that against a `vocabulary`, `compile` makes
closures of it; `ruleset` asks a thousand at once, with `index` telling which may hold.
"""

from tocsin.domain.expression.error import ExpressionError
from tocsin.domain.expression.expression import Expression, compile_expression
from tocsin.domain.expression.ruleset import Ruleset
from tocsin.domain.expression.vocabulary import ALERT, INCIDENT, SeenAlert, Vocabulary

__all__ = [
    "ALERT",
    "INCIDENT",
    "Expression",
    "ExpressionError",
    "Ruleset",
    "SeenAlert",
    "Vocabulary",
    "compile_expression",
]
