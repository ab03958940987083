"""The texts of messages as templates: what `notify.message` writes, with the names of variables where values go, and
the templates of the settings.

In: the templates in force. Out: `{name, origin, subject_template, body_template, channel, events, audience, when}`. The
built-in ones are named after the type of event and are not kept anywhere: the function that writes messages is given
the variables' names instead of values, so that they always agree with what is sent.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import msgspec

from tocsin.domain.rules import Template
from tocsin.domain.rules.notification import TEAM
from tocsin.notify.message import message_of
from tocsin.settings.rules import ANNOUNCED

BUILT_IN: Final = "built_in"
SETTINGS: Final = "settings"
_FIELDS_OF_ONE: Final[dict[str, Any]] = {
    "subject_template": "", "body_template": "", "channel": "", "events": [], "audience": TEAM, "when": {}
}  # fmt: skip
PROMISES: Final = ("sla.at_risk", "sla.breached")
_FIELDS: Final = (
    "id", "number", "title", "severity", "status", "service", "category", "team", "acknowledged_by", "opened_at",
    "alerts", "firing",
)  # fmt: skip


def all_templates(own: Mapping[str, Template]) -> list[dict[str, Any]]:
    """Those of the settings by name, which go before the built-in ones, then these."""
    found = [
        {"name": name, "origin": SETTINGS, **_FIELDS_OF_ONE, **msgspec.to_builtins(one)}
        for name, one in sorted(own.items())
    ]
    built_in = [
        {"name": one["name"], "origin": BUILT_IN, **_FIELDS_OF_ONE, **one, "events": [one["name"]]}
        for one in templates()
    ]
    return [*found, *built_in]


@cache
def templates() -> tuple[dict[str, str], ...]:
    """Every message there is, by the type of the event it is about."""
    return tuple(_template(kind) for kind in dict.fromkeys((*ANNOUNCED, *PROMISES)))


def _template(kind: str) -> dict[str, str]:
    incident: dict[str, Any] = {name: f"{{{name}}}" for name in _FIELDS}
    context: dict[str, Any] = {
        "type": kind,
        "recorded_at": "{timestamp}",
        "note": "{note}",
        "incident": {**incident, "summary": "{description}"},
        "next": {"target": "{next_target}", "due_at": "{next_due_at}", "level": "{next_level}"},
    }
    if kind == "escalation.fired":
        context["escalation"] = {"level": "{level}", "target": "{target}", "team": "{target}"}
    elif kind in PROMISES:
        context["sla"] = {"target": "{promise}", "due_at": "{due_at}"}
    elif kind == "incident.severity_raised":
        context["was"] = "{was}"
    message = message_of(context)
    facts = "\n".join(f"{label}: {value}" for label, value in message.facts)
    parts = (message.headline, message.title, message.summary, message.note, facts, message.upcoming)
    return {
        "name": kind,
        "subject_template": _lowered(message.subject),
        "body_template": _lowered("\n\n".join(part for part in parts if part)),
    }


def _lowered(text: str) -> str:
    """Messages shout the severity; the name of the variable does not."""
    return text.replace("{SEVERITY}", "{severity}")
