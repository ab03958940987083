"""The texts of messages as templates: what `notify.message` writes, with the names of variables where values go.

In: nothing. Out: `{name, subject_template, body_template}` per type of event. They are not kept anywhere: the function
that writes messages is given the variables' names instead of values, so that they always agree with what is sent.
"""

from functools import cache
from typing import Any, Final

from tocsin.notify.message import message_of
from tocsin.settings.rules import ANNOUNCED

PROMISES: Final = ("sla.at_risk", "sla.breached")
_FIELDS: Final = (
    "id", "number", "title", "severity", "status", "service", "category", "team", "acknowledged_by", "opened_at",
    "alerts", "firing",
)  # fmt: skip


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
