"""What keeps things quiet in a simulated life: rules from its begin on, silences and windows that come and go.

In: chance and an instant. Out: rules, and settings documents. The same chance draws the same.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from tocsin.domain.rules import CorrelationRule, Flapping, Inhibition, LabelMatch, Threshold

__all__ = ["drawn_document", "drawn_rules"]

NAMES: Final = ("a", "b", "c")
"""Few, so that documents replace each other."""


def drawn_rules(random: Random) -> dict[str, Any]:
    """Fields of `Rules`: often none."""
    drawn: dict[str, Any] = {}
    if random.random() < 0.4:
        severity = LabelMatch(name="severity", value="critical")
        others = LabelMatch(name="severity", value="critical", is_equal=False)
        equal = random.choice((("host",), ("service",), ()))
        drawn["inhibitions"] = (Inhibition(name="worse", source=(severity,), target=(others,), equal=equal),)
    threshold = Threshold(count=random.choice((2, 4)), within=timedelta(minutes=5)) if random.random() < 0.3 else None
    flapping = (
        Flapping(times=2, within=timedelta(minutes=30), calm=timedelta(minutes=5)) if random.random() < 0.3 else None
    )
    if threshold or flapping:
        drawn["correlation"] = (CorrelationRule(threshold=threshold, flapping=flapping),)
    return drawn


def drawn_document(
    random: Random, now: datetime, services: Sequence[str], severities: Sequence[str]
) -> tuple[str, dict[str, Any] | None]:
    """Key and value of a settings document: a silence or a window, or the end of one."""
    kind = random.choice(("silence", "silence", "silence", "maintenance"))
    key = f"{kind}/{random.choice(NAMES)}"
    if random.random() < 0.2:
        return key, None
    starts_at = now + timedelta(seconds=random.choice((-10, 0, 0, 45, 200)))
    ends_at = starts_at + timedelta(seconds=random.choice((20, 90, 300, 1500)))
    document: dict[str, Any] = {
        "matchers": [random.choice(_matchers(random, services, severities)[: 1 + random.randrange(4)])],
        "starts_at": _text(starts_at),
        "ends_at": _text(ends_at),
    }
    if random.random() < 0.2:
        document["matchers"].append({"name": "service", "value": random.choice(services), "is_equal": False})
    if kind == "maintenance" and random.random() < 0.4:
        del document["ends_at"]
        begin = now + timedelta(minutes=random.choice((-2, 1, 5)))
        document["windows"] = [{"start": f"{begin:%H:%M}", "end": f"{begin + timedelta(minutes=4):%H:%M}"}]
    return key, document


def _matchers(random: Random, services: Sequence[str], severities: Sequence[str]) -> list[dict[str, Any]]:
    """Some that match something, the last one all."""
    return [
        {"name": "service", "value": random.choice(services)},
        {"name": "severity", "value": random.choice(severities)},
        {"name": "host", "value": "host[0-2]", "is_regex": True},
        {"name": "alertname", "value": "Down"},
    ]


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
