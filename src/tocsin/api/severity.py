"""Severities as people call them: the scheme chosen with its levels and promises, and the matrix.

In: the rules in force. Out: JSON; durations in seconds, null where nothing is promised. `labelled` puts the label
of the scheme beside the severity of an incident: what is stored and filtered by is always the named severity.
"""

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from tocsin.api.answer import Failure, Json
from tocsin.api.serving import Served
from tocsin.domain import grading
from tocsin.domain.rules import Rules, SchemeLevel
from tocsin.domain.severity import Severity

WORD_MAX: Final = 40

Word = Annotated[str, Query(max_length=WORD_MAX)]

router = APIRouter(tags=["severity"])


@router.get("/api/v1/severity", summary="The severity scheme in force: levels, promises, matrix")
def severity(serving: Served) -> Response:
    """`schemes` names those that can be chosen; `labels` is how each severity is shown."""
    rules = serving.node.rules
    chosen = rules.severity
    return Json(
        {
            "scheme": chosen.scheme,
            "schemes": sorted({*grading.SCHEMES, *chosen.schemes}),
            "levels": [shown_level(level) for level in grading.scheme_of(chosen).levels],
            "labels": {one.value: grading.label_of(one, chosen) for one in Severity},
            "promises": {
                one.value: {
                    "acknowledge_seconds": _seconds(promise.acknowledge),
                    "resolve_seconds": _seconds(promise.resolve),
                    "update_seconds": _seconds(promise.update),
                }
                for one, promise in rules.sla.items()
            },
            "matrix": chosen.matrix or grading.MATRIX,
            "root_cause_required": chosen.root_cause_required,
        }
    )


@router.get("/api/v1/severity/matrix", summary="The severity of an impact and an urgency")
def severity_of(serving: Served, impact: Word, urgency: Word) -> Response:
    rules = serving.node.rules.severity
    try:
        found = grading.severity_from(impact, urgency, rules)
    except ValueError as error:
        raise Failure(422, "unknown_word", str(error)) from None
    level = shown_level(grading.level_of(found, rules))
    return Json({"impact": impact, "urgency": urgency, "severity": found.value, "level": level})


def shown_level(level: SchemeLevel) -> dict[str, Any]:
    return {
        "word": level.word,
        "severity": level.severity.value,
        "respond_seconds": _seconds(level.respond),
        "recover_seconds": _seconds(level.recover),
        "update_seconds": _seconds(level.update),
        "meaning": level.meaning,
    }


def labelled(incident: dict[str, Any], rules: Rules) -> dict[str, Any]:
    """`incident` with `severity_label`: its severity in the scheme chosen."""
    try:
        found = Severity(incident["severity"])
    except ValueError:  # of a newer version
        return {**incident, "severity_label": incident["severity"]}
    return {**incident, "severity_label": grading.label_of(found, rules.severity)}


def _seconds(value: timedelta | None) -> float | None:
    return None if value is None else value.total_seconds()
