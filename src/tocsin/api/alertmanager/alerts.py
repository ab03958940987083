"""The alerts that fire, as Alertmanager lists them: one by one, and by group, which is an incident here."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from tocsin.api.alertmanager.answer import Refusal, filters
from tocsin.api.alertmanager.shape import Quiet, SilenceState, alert_json, quiet_of, state_of
from tocsin.api.answer import Json
from tocsin.api.serving import Served, Serving
from tocsin.domain.incident import Incident
from tocsin.domain.instant import Instant
from tocsin.domain.rules import LabelMatch
from tocsin.notify.plan import channels_for
from tocsin.persist.firing import Firing, firing_alerts

Filter = Annotated[list[str], Query()]
Receiver = Annotated[str, Query(max_length=512, description="A pattern for the whole name of a channel")]

router = APIRouter(tags=["alertmanager"])


@router.get("/api/v2/alerts", summary="Alerts that fire, as Alertmanager lists them")
def alerts(
    serving: Served,
    active: bool = True,
    silenced: bool = True,
    inhibited: bool = True,
    unprocessed: bool = True,
    filter: Filter = [],  # noqa: B006 - their name; FastAPI copies it
    receiver: Receiver = "",
) -> Response:
    """No alert is unprocessed: what is listed has been decided."""
    found = _shown(serving, active, silenced, inhibited, filter, receiver)
    return Json(sorted((alert for _, alert, _ in found), key=lambda alert: str(alert["fingerprint"])))


@router.get("/api/v2/alerts/groups", summary="Alerts that fire, by incident and receiver")
def groups(
    serving: Served,
    active: bool = True,
    silenced: bool = True,
    inhibited: bool = True,
    muted: bool = True,
    filter: Filter = [],  # noqa: B006
    receiver: Receiver = "",
) -> Response:
    """The labels of a group are those that its incident was grouped by."""
    by_group: dict[tuple[str, str], tuple[Incident, list[Any]]] = {}
    for incident, alert, quiet in _shown(serving, active, silenced, inhibited, filter, receiver):
        if quiet.muted_by and not muted:
            continue
        for name in alert["receivers"]:
            key = (incident.id, name["name"])
            by_group.setdefault(key, (incident, []))[1].append(alert)
    found = [
        {"labels": incident.header.labels, "receiver": {"name": name}, "alerts": alerts}
        for (_, name), (incident, alerts) in by_group.items()
    ]
    return Json(sorted(found, key=lambda group: (sorted(group["labels"].items()), group["receiver"]["name"])))


def _shown(
    serving: Serving, active: bool, silenced: bool, inhibited: bool, filter_: list[str], receiver: str
) -> Iterator[tuple[Incident, dict[str, Any], Quiet]]:
    """(incident, alert as JSON, what keeps it quiet) of those that pass."""
    now, rules, wanted = serving.clock.now(), serving.node.rules, filters(filter_)
    named = _pattern(receiver)
    silences = [(name, one) for name, one in rules.silences.items() if state_of(one, now) is SilenceState.ACTIVE]
    receivers: dict[str, tuple[str, ...]] = {}
    for firing in firing_alerts(serving.queries):
        if not all(one.matches(firing.facts.labels) for one in wanted):
            continue
        quiet = quiet_of(firing, silences)
        if not _passes(quiet, active, silenced, inhibited):
            continue
        if firing.incident.id not in receivers:
            receivers[firing.incident.id] = _receivers(serving, firing, now)
        channels = receivers[firing.incident.id]
        if named is not None:
            channels = tuple(name for name in channels if named.matches({"receiver": name}))
            if not channels:
                continue
        yield firing.incident, alert_json(firing, quiet, channels, now), quiet


def _receivers(serving: Serving, firing: Firing, now: Instant) -> tuple[str, ...]:
    return channels_for(firing.incident.header, serving.node.rules.notify, now)


def _pattern(receiver: str) -> LabelMatch | None:
    if not receiver:
        return None
    try:
        return LabelMatch(name="receiver", value=receiver, is_regex=True)
    except ValueError as error:
        raise Refusal(400, f"failed to parse receiver param: {error}") from None


def _passes(quiet: Quiet, active: bool, silenced: bool, inhibited: bool) -> bool:
    if not quiet.is_quiet:
        return active
    return (silenced or not quiet.silenced_by) and (inhibited or not quiet.inhibited_by)
