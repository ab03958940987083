"""Templates that fail report themselves: one line in the log for each version of one, a counter, a note.

In: failures as `notify.wording` tells them. Out: log lines, `tocsin_template_failures_total`, notes for `/-/ready`.
Invariant: the counter has at most `NAMES_MAX` series, whatever templates come and go.
"""

import logging
from typing import Final

from tocsin.notify.wording import Failure, Templates
from tocsin.runtime.metrics import Metrics

log: Final = logging.getLogger("tocsin.templates")

NAMES_MAX: Final = 500
"""Series of the counter: as many as there may be templates."""
OTHERS: Final = "other"
LOGGED_MAX: Final = 2000
"""Failures that are remembered as said; a newcomer among more of them is said again."""


class TemplateReports:
    """Takes failures of one process."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._names: set[str] = set()
        self._logged: set[tuple[str, int]] = set()

    def __call__(self, failure: Failure) -> None:
        name = failure.name if failure.name in self._names or len(self._names) < NAMES_MAX else OTHERS
        self._names.add(name)
        self._metrics.add("tocsin_template_failures_total", 1, name)
        version = (failure.name, hash((failure.template.subject_template, failure.template.body_template)))
        if version not in self._logged:
            if len(self._logged) >= LOGGED_MAX:
                self._logged.clear()
            self._logged.add(version)
            log.warning("template %s: %s; the built-in text goes out instead", failure.name, failure.problem)


def notes(templates: Templates) -> list[str]:
    """A line for each template in force that fails."""
    return [f"template {one.name}: {one.problem}; the built-in text goes out instead" for one in templates.failing()]
