"""What an incident page says, in words: pure, from what the database and the rules have.

In: an incident, its deliveries, alerts, lines and escalation as `persist.queries` gives them; the rules; now. Out:
texts for the templates. Invariant: what a source wrote has no control characters and no marks that turn text around;
links are http or https.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final

from tocsin.api.severity import labelled
from tocsin.domain.events import SYSTEM
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules
from tocsin.notify.message import clean, links_of, one_line

TITLE_MAX: Final = 300
SUMMARY_MAX: Final = 2000
LINE_MAX: Final = 500
ALERTS_SHOWN: Final = 50
TOLD_SHOWN: Final = 50

GOOD: Final = "good"
BAD: Final = "bad"
WAIT: Final = "wait"
_DELIVERY: Final = {
    "planned": ("waits to be sent", WAIT),
    "attempted": ("is being sent", WAIT),
    "delivered": ("delivered", GOOD),
    "failed": ("failed, is tried again", WAIT),
    "gave_up": ("not delivered", BAD),
    "withdrawn": ("taken back before it was sent", ""),
    "suppressed": ("not sent", ""),
    "bundled": ("said in a digest", ""),
}
_PROMISES: Final = {"acknowledge": "Answer", "resolve": "Resolution", "update": "Next update"}
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"))


def person(reference: str, rules: Rules) -> str:
    """`user:ana` by name, `team:dba` as team dba; anything else as it is."""
    kind, colon, name = reference.partition(":")
    if kind == "user" and colon:
        user = rules.users.get(name)
        return one_line((user.name if user else "") or name)
    if colon and kind in ("team", "channel", "schedule", "vendor"):
        return one_line(f"{kind} {name}")
    return one_line(reference)


def moment(stamp: str | None, now: Instant) -> str:
    """`23:41 UTC, 5 min ago`; with the day when it is not today."""
    if not stamp:
        return ""
    at = datetime.fromisoformat(stamp).astimezone(UTC)
    year = "" if at.year == now.year else " %Y"
    day = "" if at.date() == now.date() else f"%d %b{year} "
    return f"{at.strftime(f'{day}%H:%M UTC')}, {apart(now - at)}"


def apart(passed: timedelta) -> str:
    """`5 min ago`, `in 2 h`, `now`: in the largest unit that there is one of."""
    seconds = int(abs(passed.total_seconds()))
    for size, unit in _UNITS:
        if seconds >= size:
            text = f"{seconds // size} {unit}"
            return f"{text} ago" if passed > timedelta(0) else f"in {text}"
    return "now"


def head(found: dict[str, Any], rules: Rules, now: Instant) -> dict[str, Any]:
    """What both pages begin with."""
    parts = [
        one_line(found.get("service") or ""),
        f"team {one_line(found['team'])}" if found.get("team") else "",
        f"assigned to {person(found['assignee'], rules)}" if found.get("assignee") else "",
        f"opened {moment(found.get('opened_at'), now)}",
        f"resolved {moment(found['resolved_at'], now)}" if found.get("resolved_at") else "",
        f"closed {moment(found['closed_at'], now)}" if found.get("closed_at") else "",
    ]
    return {
        "severity": found["severity"],
        "severity_label": one_line(labelled(found, rules)["severity_label"]),
        "status": one_line(found["status"]),
        "number": one_line(found["number"]),
        "headline": one_line(found["title"], TITLE_MAX),
        "meta": " · ".join(part for part in parts if part),
    }


def acknowledged_by(found: Mapping[str, Any], rules: Rules, now: Instant) -> str:
    """`Acknowledged by Ana, 23:41 UTC, 5 min ago`; empty while nobody has."""
    if not found.get("acknowledged_at"):
        return ""
    who = person(found.get("acknowledged_by") or "", rules)
    return f"Answered by {who} at {moment(found['acknowledged_at'], now)}."


def coming(found: Mapping[str, Any], escalation: Mapping[str, Any], rules: Rules, now: Instant) -> list[str]:
    """Who has answered, who is called next and when, what is promised."""
    lines = [acknowledged_by(found, rules, now)]
    following = escalation.get("next")
    if following:
        again = ", again" if following.get("repeat") else ""
        whom = ", ".join(person(one.strip(), rules) for one in (following.get("escalate_to") or "").split(","))
        lines.append(
            f"Level {following['level']}: {whom or 'the catch-all team'} is called{again} "
            f"at {moment(following['due_at'], now)}, unless somebody acknowledges."
        )
    elif escalation.get("paused_at"):
        lines.append(f"Escalation stands still since {moment(escalation['paused_at'], now)}.")
    else:
        lines.append("Nobody else is called by itself.")
    for name, promise in (escalation.get("sla") or {}).items():
        state = promise.get("state")
        if state in ("running", "at_risk", "breached") and promise.get("due_at"):
            mark = {"at_risk": ", at risk", "breached": ", missed"}.get(state, "")
            lines.append(f"{_PROMISES.get(name, name)} promised for {moment(promise['due_at'], now)}{mark}.")
    if found.get("suppressed_by"):
        lines.append(f"Kept quiet by {one_line(found['suppressed_by'])}.")
    return [line for line in lines if line]


def told(deliveries: Iterable[Mapping[str, Any]], rules: Rules, now: Instant) -> list[dict[str, Any]]:
    """Deliveries, in their order."""
    rows = []
    for one in deliveries:
        words, tone = _DELIVERY.get(one["status"], (one["status"], ""))
        why = one.get("error") if one["status"] in ("failed", "gave_up") else ""
        if one["status"] in ("withdrawn", "suppressed"):
            why = (one.get("reason") or "").replace("_", " ")
        again = " (possibly twice)" if one.get("possible_duplicate") and one["status"] == "delivered" else ""
        stamp = one.get("finished_at") or one.get("next_attempt_at") or one.get("attempted_at") or one.get("planned_at")
        rows.append(
            {
                "who": person(one["recipient"], rules),
                "channel": "" if one["recipient"] == f"channel:{one['channel']}" else one_line(one["channel"]),
                "page": one.get("page"),
                "state": f"{words}{again}: {one_line(why, 160)}" if why else f"{words}{again}",
                "tone": tone,
                "at": moment(stamp, now),
            }
        )
    return rows


def alerts(items: Iterable[Mapping[str, Any]], service: str, now: Instant) -> list[dict[str, Any]]:
    """Members of an incident of `service`."""
    rows = []
    for one in items:
        firing = one["status"] == "firing"
        times = f", seen {one['occurrences']} times" if one.get("occurrences", 1) > 1 else ""
        since = moment(one["last_seen_at"] if firing else one["resolved_at"] or one["last_seen_at"], now)
        where = f"{one_line(one['service'])}: " if one.get("service") not in ("", None, service) else ""
        rows.append(
            {
                "title": f"{where}{one_line(one['title'], TITLE_MAX)}",
                "state": f"{one['status']}{times}, {since}",
                "tone": BAD if firing else GOOD,
            }
        )
    return rows


def timeline(items: Iterable[Mapping[str, Any]], rules: Rules, now: Instant) -> list[dict[str, Any]]:
    """Lines of the timeline, newest first; neighbours that say the same of several things are one line."""
    rows: list[dict[str, Any]] = []
    for (kind, actor), group in groupby(items, key=lambda one: (one["type"], one["actor"])):
        same = list(group)
        for several in [same] if kind in _TOGETHER else [[one] for one in same]:
            newest = several[0]
            more = f"{clean(newest['text'], LINE_MAX)} and {len(several) - 1} more" if len(several) > 1 else ""
            rows.append(
                {
                    "what": _WORDS.get(kind) or _what(kind),
                    "who": person(actor, rules) if actor and actor != SYSTEM else "",
                    "text": more or clean(newest["text"], LINE_MAX),
                    "stamp": newest["at"],
                    "at": moment(newest["at"], now),
                }
            )
    return rows


_TOGETHER: Final = frozenset(
    {"incident.alert_attached", "incident.alert_resolved", "delivery.delivered", "delivery.bundled"}
)
_WORDS: Final = {
    "delivery.delivered": "Delivered",
    "delivery.failed": "Delivery failed, is tried again",
    "delivery.gave_up": "Not delivered",
    "delivery.withdrawn": "Message taken back",
    "delivery.suppressed": "Message not sent",
    "delivery.bundled": "Said in a digest",
    "escalation.fired": "Called",
    "sla.at_risk": "Promise at risk",
    "sla.breached": "Promise missed",
}


def _what(kind: str) -> str:
    stage, _, word = kind.rpartition(".")
    words = word.replace("_", " ")
    return words.capitalize() if stage == "incident" else f"{stage.capitalize()} {words}"


def links(found: Mapping[str, Any], rules: Rules) -> list[tuple[str, str]]:
    """The links of the incident and of its service, the runbook first."""
    service = rules.services.get(found.get("service") or "")
    of_service = {**service.links, **({"runbook": service.runbook} if service.runbook else {})} if service else {}
    return list(links_of({**of_service, **(found.get("links") or {})}))


def summary(found: Mapping[str, Any]) -> str:
    return clean(found.get("summary") or "", SUMMARY_MAX)
