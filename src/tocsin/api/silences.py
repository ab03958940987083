"""What a silence would cover, before anybody adds it."""

from typing import Annotated, Any, Final

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from tocsin.api.answer import Failure, Json
from tocsin.api.serving import Served
from tocsin.domain.matchers import TEXT_MAX, MatcherError, read_matchers, written
from tocsin.domain.rules import LabelMatch
from tocsin.domain.soundness import MATCHERS_MAX
from tocsin.domain.suppression import Alert, covered
from tocsin.persist.firing import FIRING_MAX, Firing, firing_alerts

SHOWN_MAX: Final = 1000
"""Alerts that are listed; all are counted."""

router = APIRouter(tags=["settings"])


class MatcherRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(min_length=1, max_length=1024)]
    value: Annotated[str, Field(max_length=TEXT_MAX)]
    is_regex: bool = False
    is_equal: bool = True


class PreviewRequest(BaseModel):
    """The matchers of the silence."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    matchers: (
        Annotated[str, Field(max_length=TEXT_MAX)] | Annotated[list[MatcherRequest], Field(max_length=MATCHERS_MAX)]
    ) = Field(description='As amtool writes them, `{host=~"db.*"}`, or as a silence has them')

    def read(self) -> tuple[LabelMatch, ...]:
        """
        Raises:
            Failure: 422 with the place of the mistake.
        """
        try:
            if isinstance(self.matchers, str):
                return read_matchers(self.matchers)
            return tuple(LabelMatch(**one.model_dump()) for one in self.matchers)
        except (MatcherError, ValueError) as error:
            raise Failure(422, "invalid", f"matchers: {error}") from None


@router.post("/api/v1/silences/preview", summary="What a silence would cover now")
def preview(serving: Served, wanted: PreviewRequest) -> Response:
    """The firing alerts that match, and their incidents: `quiet` says whether nobody would be called for it. Nothing
    is changed. Not `complete`: more alerts fire than are looked at, and older ones may speak against `quiet`."""
    matchers = wanted.read()
    by_alert: dict[str, Firing] = {one.member.alert_id: one for one in firing_alerts(serving.queries)}
    found = covered(
        matchers,
        (Alert(one.incident.id, one.member.alert_id, one.facts.labels) for one in by_alert.values()),
    )
    headers = {one.incident.id: one.incident.header for one in by_alert.values()}
    incidents = [
        {
            "id": header.id,
            "number": header.number,
            "title": header.title,
            "severity": header.severity.value,
            "status": header.status.value,
            "quiet": quiet,
        }
        for quiet, names in ((True, found.incidents), (False, found.partly))
        for header in map(headers.__getitem__, names)
    ]
    return Json(
        {
            "matchers": written(matchers),
            "alerts": [_shown(by_alert[one.alert_id]) for one in found.alerts[:SHOWN_MAX]],
            "alerts_total": len(found.alerts),
            "complete": len(by_alert) < FIRING_MAX,
            "incidents": incidents,
        }
    )


def _shown(firing: Firing) -> dict[str, Any]:
    return {
        "alert_id": firing.member.alert_id,
        "incident_id": firing.incident.id,
        "title": firing.member.title,
        "severity": firing.member.severity.value,
        "service": firing.member.service,
        "labels": firing.facts.labels,
    }
