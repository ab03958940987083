"""The story of `tocsin demo`: a bad quarter of an hour of a web shop, in about a minute. Data and pure functions.

Out: steps with the second at which they happen, and the bodies to send, in the format of Alertmanager's webhook. The
storm is 120 alerts for four troubles, repeats included. Nothing here knows tocsin: it is what a monitoring system says.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

STORM_ALERTS: Final = 120
STORM_INCIDENTS: Final = 4

LATE_MINUTES: Final = (8, 3, 6, 2, 7, 4)
"""How long ago the late alerts began, in the order in which they are delivered: shuffled."""


class Trouble(msgspec.Struct, frozen=True):
    """What goes wrong: one alert name on several machines."""

    alertname: str
    service: str
    severity: str
    category: str
    summary: str
    machines: str
    """Prefix of their names."""


CHECKOUT: Final = Trouble(
    "HighErrorRate", "checkout", "critical", "payment", "checkout answers every third request with 500", "checkout"
)
DATABASE: Final = Trouble(
    "DiskWillFillIn4Hours", "orders-db", "error", "database", "the disk of orders-db will be full in 4 hours", "db"
)
SEARCH: Final = Trouble(
    "SlowQueries", "search", "warning", "performance", "half of all searches take more than 2 seconds", "search"
)
MAIL: Final = Trouble("QueueGrows", "mail", "minor", "infrastructure", "mails wait longer than 10 minutes", "mx")


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook of one group. `firing` machines are numbered from 1; all of them are in it, as Alertmanager does."""

    at: float
    trouble: Trouble
    firing: int = 0
    resolved: int = 0
    late: bool = False
    """The last `len(LATE_MINUTES)` of them began minutes ago and come first, out of order."""
    storm: bool = True

    @property
    def alerts(self) -> int:
        return self.firing + self.resolved


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody does something to the incident of a trouble."""

    at: float
    verb: str
    trouble: Trouble
    reason: str


class Say(msgspec.Struct, frozen=True, kw_only=True):
    """The narrator explains."""

    at: float
    text: str


Step = Send | Act | Say


def _send(at: float, trouble: Trouble, firing: int, *, late: bool = False) -> Send:
    return Send(at=at, trouble=trouble, firing=firing, late=late)


STORY: Final[tuple[Step, ...]] = (
    Say(at=0.0, text="03:12 in a web shop. A deployment goes wrong, and Alertmanager begins to send."),
    _send(2.0, CHECKOUT, 3),
    _send(3.0, DATABASE, 4),
    _send(4.0, SEARCH, 5),
    _send(5.0, MAIL, 3),
    Say(
        at=6.0,
        text="More machines fail. Each webhook repeats what is known: repeats are counted, nobody is paged again.",
    ),
    _send(7.0, CHECKOUT, 6),
    _send(8.0, SEARCH, 8),
    _send(8.5, DATABASE, 7),
    Say(
        at=9.5, text="A network was down: late alerts arrive, minutes old and out of order. They find their incidents."
    ),
    _send(10.0, MAIL, 9, late=True),
    _send(11.0, CHECKOUT, 10),
    _send(12.0, SEARCH, 12),
    _send(12.5, DATABASE, 9),
    _send(13.5, MAIL, 6),
    _send(14.5, SEARCH, 12),
    _send(15.0, MAIL, 12),
    _send(16.0, CHECKOUT, 14, late=True),
    Say(
        at=17.0, text="120 alerts, four incidents. One of them is critical, and nobody has answered: level 1 is paged."
    ),
    Say(at=22.0, text="Somebody acknowledges the slow searches: nobody is paged for them any more."),
    Act(at=23.0, verb="acknowledge", trouble=SEARCH, reason="rolling back the deployment"),
    Say(at=27.0, text="The disk of orders-db has room again: its alerts resolve, so the incident will."),
    Send(at=28.0, trouble=DATABASE, resolved=9, storm=False),
    Say(at=34.0, text="The critical one is still unanswered: level 2 is paged."),
    Send(at=44.0, trouble=CHECKOUT, firing=14, storm=False),
    Say(at=46.0, text="Alertmanager repeats itself: fourteen more alerts, and still the same four incidents."),
    Say(at=56.0, text="Every step is in the log. Its hash chain is checked, and the story is proved."),
)

LENGTH: Final = 62.0
"""Seconds until the end of the story."""

LEVEL_1_SECONDS: Final = 15.0
LEVEL_2_SECONDS: Final = 32.0
LEVEL_2_REPEAT_SECONDS: Final = 120.0
"""After the story: somebody who keeps the demo running sees it page again."""
RESOLVE_DELAY_SECONDS: Final = 3.0


def webhook(send: Send, *, began: datetime, now: datetime, speed: float, url: str) -> dict[str, Any]:
    """The body that Alertmanager would send.

    Args:
        began: when the story began; what began to fire at second s did so at `began` + s / `speed`.
        now: of the sending; resolved alerts ended then.
        speed: how many times faster than told the story goes.
        url: where Alertmanager would be found.
    """
    trouble = send.trouble
    shared = {
        "alertname": trouble.alertname,
        "cluster": "eu-1",
        "service": trouble.service,
        "severity": trouble.severity,
        "category": trouble.category,
    }
    texts = {
        "summary": trouble.summary,
        "runbook_url": f"https://runbooks.example/{trouble.alertname.lower()}",
    }
    alerts = [_alert(send, number, shared, texts, began, now, speed) for number in _order(send)]
    status = "firing" if send.firing else "resolved"
    group = {"alertname": trouble.alertname, "cluster": "eu-1", "service": trouble.service}
    labels = ",".join(f'{name}="{value}"' for name, value in group.items())
    return {
        "version": "4",
        "groupKey": f"{{}}:{{{labels}}}",
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "tocsin",
        "groupLabels": group,
        "commonLabels": shared,
        "commonAnnotations": texts,
        "externalURL": url,
        "alerts": alerts,
    }


def _order(send: Send) -> Iterator[int]:
    """Numbers of the machines: the late ones first."""
    late = len(LATE_MINUTES) if send.late else 0
    yield from range(send.alerts - late + 1, send.alerts + 1)
    yield from range(1, send.alerts - late + 1)


def _alert(
    send: Send,
    number: int,
    shared: dict[str, str],
    texts: dict[str, str],
    began: datetime,
    now: datetime,
    speed: float,
) -> dict[str, Any]:
    return {
        "status": "firing" if send.firing else "resolved",
        "labels": {**shared, "instance": f"{send.trouble.machines}-{number}:9100", "job": "node"},
        "annotations": texts,
        "startsAt": _rfc3339(started_at(send.trouble, number, began=began, speed=speed)),
        "endsAt": "0001-01-01T00:00:00Z" if send.firing else _rfc3339(now),
        "generatorURL": f"https://prometheus.example/graph?g0.expr={send.trouble.alertname}",
        "fingerprint": f"{hash_of(send.trouble.alertname, number):016x}",
    }


def started_at(trouble: Trouble, number: int, *, began: datetime, speed: float) -> datetime:
    """When a machine began to fail: it says the same in every webhook."""
    first = next(step for step in STORY if isinstance(step, Send) and step.trouble is trouble and step.firing >= number)
    place = number - (first.firing - len(LATE_MINUTES)) - 1
    if first.late and place >= 0:
        return began - timedelta(minutes=LATE_MINUTES[place])
    return began + timedelta(seconds=(first.at - 1.0) / speed)


def hash_of(alertname: str, number: int) -> int:
    """A stable number below 2^64, where Alertmanager has its fingerprint; tocsin makes its own from the labels."""
    found = 0xCBF29CE484222325
    for byte in f"{alertname}/{number}".encode():
        found = (found ^ byte) * 0x100000001B3 % 2**64
    return found


def _rfc3339(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def settings(*, data_dir: str, listen: str, speed: float) -> dict[str, Any]:
    """The settings of the demo, as they would stand in `tocsin.yaml`: minutes have become seconds."""

    def seconds(number: float) -> str:
        return f"PT{number / speed:.3f}S"

    def minutes(number: float) -> float:
        return number / speed / 60

    unanswered = {"severity": ["emergency", "critical"], "status": ["open"]}
    return {
        "instance": "tocsin-demo",
        "data_dir": data_dir,
        "http": {"listen": listen},
        "correlate": {"rules": [{"name": "demo", "resolve_delay": seconds(RESOLVE_DELAY_SECONDS)}]},
        "escalate": {
            "rules": [
                {
                    "condition": unanswered,
                    "escalation_level": 1,
                    "escalate_to": "on_call_engineer",
                    "escalate_after_minutes": minutes(LEVEL_1_SECONDS),
                },
                {
                    "condition": unanswered,
                    "escalation_level": 2,
                    "escalate_to": "senior_engineers",
                    "escalate_after_minutes": minutes(LEVEL_2_SECONDS),
                    "repeat_minutes": minutes(LEVEL_2_REPEAT_SECONDS),
                    "repeat_times": 10,
                },
                {
                    "condition": {"severity": ["high"], "status": ["open"]},
                    "escalate_to": "database_team",
                    "escalate_after_minutes": minutes(120),
                },
            ]
        },
        "people": {
            "teams": {
                team: {"contacts": {"email": [f"{team}@shop.example"]}}
                for team in ("on_call_engineer", "senior_engineers", "database_team", "everyone")
            }
        },
    }
