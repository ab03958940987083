"""The alerts that fire, as Alertmanager lists them: one by one, and by group, which is an incident here."""

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query
from fastapi.responses import Response

from tocsin.api.alertmanager.answer import Refusal, filters
from tocsin.api.alertmanager.shape import Quiet, active_of, alert_json, quiet_of
from tocsin.api.answer import Json
from tocsin.api.serving import Served, Serving
from tocsin.domain.incident import Incident
from tocsin.domain.rules import LabelMatch
from tocsin.domain.suppression import matches_all
from tocsin.notify.plan import channels_for
from tocsin.persist.firing import FIRING_MAX, firing_alerts

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
    filter: Filter = [],  # noqa: B006 - FastAPI copies it
    receiver: Receiver = "",
) -> Response:
    """No alert is unprocessed: what is listed has been decided."""
    look = _Look(serving, Shown(active, silenced, inhibited), filter, receiver)
    items = sorted((alert for _, alert in look), key=lambda alert: str(alert["fingerprint"]))
    return Json(items, headers=look.headers())


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
    look = _Look(serving, Shown(active, silenced, inhibited, muted), filter, receiver)
    for incident, alert in look:
        for one in alert["receivers"]:
            by_group.setdefault((incident.id, one["name"]), (incident, []))[1].append(alert)
    found: list[dict[str, Any]] = [
        {
            "labels": incident.header.labels,
            "receiver": {"name": name},
            "alerts": sorted(alerts, key=lambda alert: str(alert["fingerprint"])),
        }
        for (_, name), (incident, alerts) in by_group.items()
    ]
    found.sort(key=lambda group: (sorted(group["labels"].items()), group["receiver"]["name"]))
    return Json(found, headers=look.headers())


class Shown(NamedTuple):
    """Which alerts are wanted, by what keeps them quiet."""

    active: bool = True
    silenced: bool = True
    inhibited: bool = True
    muted: bool = True

    def passes(self, quiet: Quiet) -> bool:
        if not quiet.is_quiet:
            return self.active
        return (
            (self.silenced or not quiet.silenced_by)
            and (self.inhibited or not quiet.inhibited_by)
            and (self.muted or not quiet.muted_by)
        )


class _Look:
    """One look at the alerts that fire: (incident, alert as JSON) of those that are wanted."""

    def __init__(self, serving: Serving, shown: Shown, wanted: list[str], receiver: str) -> None:
        """
        Raises:
            Refusal: a filter, or the pattern for receivers, is none.
        """
        self._serving = serving
        self._shown = shown
        self._wanted = filters(wanted)
        self._receiver = _pattern(receiver)
        self._count = 0

    def __iter__(self) -> Iterator[tuple[Incident, dict[str, Any]]]:
        now, rules = self._serving.clock.now(), self._serving.node.rules
        silences = active_of(rules.silences, now)
        receivers: dict[str, tuple[str, ...]] = {}
        for firing in firing_alerts(self._serving.queries):
            self._count += 1
            incident = firing.incident
            if not matches_all(self._wanted, firing.facts.labels):
                continue
            quiet = quiet_of(firing, silences)
            if not self._shown.passes(quiet):
                continue
            if incident.id not in receivers:
                receivers[incident.id] = self._named(channels_for(incident.header, rules.notify, now))
            if channels := receivers[incident.id]:
                yield incident, alert_json(firing, quiet, channels, now)

    def _named(self, channels: tuple[str, ...]) -> tuple[str, ...]:
        wanted = self._receiver
        return channels if wanted is None else tuple(one for one in channels if wanted.matches({"receiver": one}))

    def headers(self) -> dict[str, str]:
        """Says that there may be more; Alertmanager's answers have no other place for it."""
        if self._count < FIRING_MAX:
            return {}
        return {"X-Tocsin-Incomplete": f"of the alerts that fire only the newest {FIRING_MAX} were looked at"}


def _pattern(receiver: str) -> LabelMatch | None:
    if not receiver:
        return None
    try:
        return LabelMatch(name="receiver", value=receiver, is_regex=True)
    except ValueError as error:
        raise Refusal(400, f"failed to parse receiver param: {error}") from None
