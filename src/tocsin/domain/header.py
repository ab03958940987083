"""The incident header: what everybody downstream needs to know of an incident, in every incident event."""

from typing import Final

import msgspec

from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import Status
from tocsin.domain.severity import Severity

HEADER_BYTES_MAX: Final = 4096
"""So that an event with a header always fits a record batch; the texts are cut to fit (`cut_text`)."""
TITLE_MAX: Final = 300
SUMMARY_MAX: Final = 1000
TEST_SOURCE: Final = "test_page"
"""`source` of a test page."""
TEST_LABEL: Final = "tocsin_test"
"""A label of what only tests the way to people: nobody is told but whom the test is for."""


class IncidentHeader(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An incident as it is after the event that carries this header."""

    id: str
    number: str
    version: int
    title: str
    severity: Severity
    status: Status
    opened_at: Instant
    category: str = "system"
    service: str = ""
    team: str = ""
    assignee: str = ""
    source: str = ""
    correlation_id: str = ""
    acknowledged_at: Instant | None = None
    acknowledged_by: str = ""
    suppressed_by: str = ""
    """What keeps it quiet: `silence:<id>`, `maintenance:<name>`, `inhibition:<name>`, `threshold`, `flapping`,
    `snooze`; empty = nothing."""
    suppressed_until: Instant | None = None
    """When that ends by itself, where it is known."""
    alerts: int = 0
    """Distinct fingerprints."""
    firing: int = 0
    """Distinct fingerprints that fire."""
    occurrences: int = 0
    """Sightings counted when the event was written; tallies move it on without an event of the incident."""
    summary: str = ""
    labels: dict[str, str] = {}
    """The labels that the group was made by."""
    links: dict[str, str] = {}


def is_test(header: IncidentHeader) -> bool:
    """Whether an incident only tests the way to people. What an alert says of itself never makes it one: it has one."""
    return not header.alerts and header.source == TEST_SOURCE and header.labels.get(TEST_LABEL) == "true"


def cut_text(text: str, limit: int) -> str:
    """`text` with at most `limit` characters; a cut one ends with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def fitted(header: IncidentHeader) -> IncidentHeader:
    """`header` within `HEADER_BYTES_MAX`: texts of four-byte characters may take four times what their limits count.
    The summary goes first, then links, then labels; what identifies the incident stays."""
    for spare in _SPARES:
        if len(_encoder.encode(header)) <= HEADER_BYTES_MAX:
            break
        header = msgspec.structs.replace(header, **spare)
    return header


_encoder: Final = msgspec.json.Encoder()
_SPARES: Final[tuple[dict[str, object], ...]] = ({"summary": ""}, {"links": {}}, {"labels": {}})
