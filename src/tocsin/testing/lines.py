"""Lines of `topics export`, as a checker reads them: JSON values and headers, nothing of the product's own decoding."""

import json
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

__all__ = [
    "COMMANDS",
    "ESCALATIONS",
    "INCIDENTS",
    "JOURNALS",
    "NOTIFICATIONS",
    "RAW",
    "REJECTED",
    "Line",
    "instant",
    "read_line",
]

COMMANDS = "incidents.commands.v1"
RAW, REJECTED = "alerts.raw.v1", "alerts.rejected.v1"
INCIDENTS, ESCALATIONS, NOTIFICATIONS = "incidents.events.v1", "escalations.events.v1", "notifications.events.v1"
JOURNALS = ("settings.events.v1", INCIDENTS, ESCALATIONS, NOTIFICATIONS)


class Line(NamedTuple):
    """One record."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    headers: dict[str, str]
    value: Any
    """Decoded JSON; None when it is none."""

    @property
    def counts(self) -> bool:
        sequence = self.headers.get("ce_sequence", "")
        return self.topic not in JOURNALS or (sequence.isdigit() and int(sequence) == self.offset)

    @property
    def type(self) -> str:
        return self.headers.get("ce_type", "").removeprefix("tocsin.").removesuffix(".v1")

    @property
    def where(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def read_line(line: Mapping[str, Any]) -> Line:
    """A line of `topics export` as it is used here."""
    text = line.get("value")
    if text is None and line.get("value_base64") is not None:
        text = b64decode(line["value_base64"]).decode("utf-8", "replace")
    try:
        value = json.loads(text) if text is not None else None
    except (ValueError, RecursionError):  # poison may be nested as deep as it likes
        value = None
    headers = line.get("headers") or {}
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return Line(
        line["topic"], line["partition"], line["offset"], line.get("timestamp", 0), dict(reversed(list(pairs))), value
    )


def instant(text: str) -> datetime:
    """An instant of a value or header."""
    return datetime.fromisoformat(text)
