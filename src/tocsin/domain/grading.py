"""How bad, in whose words: schemes, their words and targets, and the matrix of impact and urgency. Pure functions.

In: severities, words, the rules. Out: the severity that a word stands for, the level that shows a severity, promises.
Invariants: every severity has a level in every scheme; the built-in `named` scheme promises exactly
`DEFAULT_SLA`; a word of the chosen scheme goes before the built-in table, a word of `ingest.severities` before both.
The words of the built-in schemes mean what the built-in table (`domain.severity`) says: P1 is critical whether P0 comes
before it or not. So what an alert means does not change with the scheme it is shown in.
"""

from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Final, TypeVar

import msgspec

from tocsin.domain.rules import IngestRules, Rules, Scheme, SchemeLevel, SeverityRules, SlaTarget
from tocsin.domain.rules.sla import DEFAULT_SLA
from tocsin.domain.severity import WORDS, Severity

T = TypeVar("T")

EMERGENCY, CRITICAL, HIGH, MEDIUM, LOW, INFO = Severity

_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)

_MEANINGS: Final = {
    EMERGENCY: "Everything stands still, or people or records are in danger.",
    CRITICAL: "A service that customers need does not work.",
    HIGH: "An important part does not work, or many see it work badly.",
    MEDIUM: "Something works badly; there is a way around it.",
    LOW: "Few notice it; it can wait for working hours.",
    INFO: "Good to know; nobody has to do anything.",
}


def _named() -> Scheme:
    levels = []
    for severity in Severity:
        promise = DEFAULT_SLA.get(severity, SlaTarget())
        levels.append(
            SchemeLevel(
                word=severity.value,
                severity=severity,
                respond=promise.acknowledge,
                recover=promise.resolve,
                update=promise.update,
                meaning=_MEANINGS[severity],
            )
        )
    return Scheme(levels=tuple(levels))


def _scheme(*rows: tuple[str, Severity, timedelta | None, timedelta | None, timedelta | None, str]) -> Scheme:
    return Scheme(
        levels=tuple(
            SchemeLevel(word=word, severity=severity, respond=respond, recover=recover, update=update, meaning=meaning)
            for word, severity, respond, recover, update, meaning in rows
        )
    )


NAMED: Final = "named"
SCHEMES: Final[Mapping[str, Scheme]] = {
    NAMED: _named(),
    "p0-p3": _scheme(
        ("P0", EMERGENCY, 5 * _MINUTE, 10 * _MINUTE, None, _MEANINGS[EMERGENCY]),
        ("P1", CRITICAL, 15 * _MINUTE, 30 * _MINUTE, None, _MEANINGS[CRITICAL]),
        ("P2", HIGH, _HOUR, 2 * _HOUR, None, _MEANINGS[HIGH]),
        ("P3", MEDIUM, 4 * _HOUR, 8 * _HOUR, None, _MEANINGS[MEDIUM]),
    ),
    "p1-p4": _scheme(
        ("P1", CRITICAL, 15 * _MINUTE, None, 30 * _MINUTE, _MEANINGS[CRITICAL]),
        ("P2", HIGH, 30 * _MINUTE, None, 2 * _HOUR, _MEANINGS[HIGH]),
        ("P3", MEDIUM, 2 * _HOUR, None, 4 * _HOUR, _MEANINGS[MEDIUM]),
        ("P4", LOW, 8 * _HOUR, None, 24 * _HOUR, _MEANINGS[LOW]),
    ),
    "sev1-4": _scheme(
        ("Sev1", CRITICAL, None, None, None, "Critical impact: a service is down, or all customers are affected."),
        ("Sev2", HIGH, None, None, None, "Major impact: an important part is down, or many customers are affected."),
        ("Sev3", MEDIUM, None, None, None, "Some impact: a part works badly, or some customers are affected."),
        ("Sev4", LOW, None, None, None, "Low impact: a blemish, or nobody outside notices."),
    ),
}
"""The built-in schemes (REQUIREMENTS A2). What is not given there has no target here."""

MATRIX: Final[Mapping[str, Mapping[str, Severity]]] = {
    "high": {"high": CRITICAL, "medium": HIGH, "low": MEDIUM},
    "medium": {"high": HIGH, "medium": MEDIUM, "low": LOW},
    "low": {"high": MEDIUM, "medium": LOW, "low": INFO},
}
"""Impact -> urgency -> severity, where the rules give none."""


def scheme_of(rules: SeverityRules) -> Scheme:
    """The scheme chosen; the named one where the choice leads nowhere or to an empty one."""
    own = rules.schemes.get(rules.scheme)
    if own is not None and own.levels:
        return own
    return SCHEMES.get(rules.scheme, SCHEMES[NAMED])


def level_of(severity: Severity, rules: SeverityRules) -> SchemeLevel:
    """The level that shows `severity`: its own, else the nearest, else of two as near the more urgent."""
    return min(
        scheme_of(rules).levels,
        key=lambda level: (abs(level.severity.rank - severity.rank), level.severity.rank),
    )


def label_of(severity: Severity, rules: SeverityRules) -> str:
    """How people call `severity` in the scheme chosen: `critical`, `P1`, `Sev1`."""
    if rules.scheme == NAMED and not rules.schemes:
        return severity.value  # nearly always, and asked for each message
    return level_of(severity, rules).word


def words_of(rules: SeverityRules) -> dict[str, Severity]:
    """The words of an own scheme, in lower case; of a built-in one the built-in table knows them."""
    if rules.scheme not in rules.schemes:
        return {}
    return {level.word.strip().lower(): level.severity for level in scheme_of(rules).levels}


def reading_rules(rules: Rules) -> IngestRules:
    """`rules.ingest`, with the words of the scheme chosen behind its own; the same object where there are none."""
    words = words_of(rules.severity)
    return (
        msgspec.structs.replace(rules.ingest, severities={**words, **rules.ingest.severities})
        if words
        else rules.ingest
    )


def known_severity(word: str, rules: Rules) -> Severity | None:
    """The severity that a person's word stands for, case aside; None for a word that nobody knows."""
    lower = word.strip().lower()
    for table in (rules.ingest.severities, words_of(rules.severity), WORDS):
        if lower in table:
            return table[lower]
    return None


def severity_from(impact: str, urgency: str, rules: SeverityRules) -> Severity:
    """The severity of an impact and an urgency, by the matrix of the rules or the built-in one. Case does not matter.

    Raises:
        ValueError: a word that the matrix does not have; the message names the words it has.
    """
    matrix: Mapping[str, Mapping[str, Severity]] = rules.matrix or MATRIX
    row = _found(impact, matrix, "impact")
    return _found(urgency, row, "urgency")


def _found(word: str, table: Mapping[str, T], what: str) -> T:
    lower = word.strip().lower()
    for known, value in table.items():
        if known.lower() == lower:
            return value
    near = get_close_matches(lower, table, n=1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{word!r} is no {what}; known: {', '.join(table)}{hint}")


def targets_of(rules: SeverityRules) -> dict[Severity, SlaTarget]:
    """What the scheme chosen promises, by severity: the promises where the settings give no others.

    A scheme without any target promises what `DEFAULT_SLA` does; in all others nothing is promised but what they say.
    A severity above the first level is promised what the first level is; any other without a level, nothing.
    """
    scheme = scheme_of(rules)
    own = {level.severity: level for level in scheme.levels}
    first = min(scheme.levels, key=lambda level: level.severity.rank)
    bare = all(level.respond is None and level.recover is None for level in scheme.levels)
    found: dict[Severity, SlaTarget] = {}
    for severity in Severity:
        level = own.get(severity) or (first if severity.rank < first.severity.rank else None)
        if level is None:
            continue
        default = DEFAULT_SLA.get(severity, SlaTarget()) if bare else SlaTarget()
        promise = SlaTarget(
            acknowledge=level.respond or default.acknowledge,
            resolve=level.recover or default.resolve,
            update=level.update or default.update,
        )
        if promise != SlaTarget():
            found[severity] = promise
    return found
