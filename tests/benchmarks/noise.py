"""Notifications that labelled storms bring about, over the real stages on a log in memory, in virtual time (P13).

Storms: the same alerts again and again; services that flap; one cause that takes sixty services with it; the same in
random order; the same with alerts that come late. Each alert is labelled with the cause that it belongs to. Peer in the
run: Alertmanager's grouping by service and alertname (group_wait 30 s, group_interval 5 min, repeat_interval 4 h,
resolved ones sent), computed for the same alerts; it escalates nothing. Checked in the run: every critical cause is
paged by itself; every message went to the channel that the routes name; the digests count exactly what was bundled.
Prints JSON. Run: `python tests/benchmarks/noise.py [--smoke]`.
"""

import asyncio
import json
import random
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
import msgspec
from asking import asked, options
from results import stamped

from tocsin.domain.rules import Limit, Matcher, NotifyRules, Route, Rules
from tocsin.runtime.broker import Broker
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.scenario import NO_SLA, Play, Receiver, Story, Transport, instant

CHANNELS: Final = ("data", "ops")
RULES: Final[Rules] = msgspec.structs.replace(
    NO_SLA,
    notify=NotifyRules(
        routes=(
            Route(when=Matcher(expression="service in ['db-0', 'db-1', 'db-2']"), channels=("data",)),
            Route(when=Matcher(expression="NOT (service in ['db-0', 'db-1', 'db-2'])"), channels=("ops",)),
        ),
        catch_all=("ops",),
        limits={name: Limit() for name in CHANNELS},
    ),
)
BEGINS: Final = 600
"""Seconds after the begin of a play, so that late alerts have somewhere to come from."""
WAIT: Final = 30
INTERVAL: Final = 300
REPEAT: Final = 4 * 3600
"""Seconds: Alertmanager's defaults."""


class Signal(NamedTuple):
    """One alert as it arrives."""

    received: int
    """Seconds after the begin."""
    started: int
    service: str
    name: str
    host: str
    severity: str
    firing: bool = True

    @property
    def cause(self) -> str:
        """The label: what an incident should be about."""
        return f"{self.name} {self.service}"


# ---- the storms ------------------------------------------------------------------------------------------------------


def repeat(scale: int) -> Iterator[Signal]:
    """Twenty groups of ten alerts, two groups critical, sent again every minute for half an hour."""
    for minute in range(30):
        for group in range(20):
            for host in range(scale):
                severity = "critical" if group < 2 else "warning"
                yield Signal(minute * 60, 0, f"web-{group}", "Slow", f"h{host}", severity)


def flap(scale: int) -> Iterator[Signal]:
    """Thirty services that fail and recover every four minutes for an hour, one of them critical."""
    for turn in range(15):
        for group in range(30):
            for host in range(scale):
                severity = "critical" if group == 0 else "warning"
                begins = turn * 240 + group
                yield Signal(begins, begins, f"web-{group}", "Unreachable", f"h{host}", severity)
                yield Signal(begins + 120, begins, f"web-{group}", "Unreachable", f"h{host}", severity, firing=False)


def cascade(scale: int) -> Iterator[Signal]:
    """Three databases fail, critical; within four minutes sixty services that need them follow; all end together."""
    failed = [
        *((group * 5, f"db-{group}", "Down", "critical") for group in range(3)),
        *((20 + group * 4, f"web-{group}", "Errors", "warning" if group % 2 else "error") for group in range(60)),
    ]
    for begins, service, name, severity in failed:
        for host in range(scale * 2):
            yield Signal(begins + host, begins + host, service, name, f"h{host}", severity)
    for begins, service, name, severity in failed:
        for host in range(scale * 2):
            yield Signal(1200, begins + host, service, name, f"h{host}", severity, firing=False)


def shuffled(scale: int) -> Iterator[Signal]:
    """The cascade, each failure up to a minute before or after its time."""
    chance = random.Random(7)
    for one in cascade(scale):
        yield one._replace(received=max(one.received, one.started + chance.randrange(60))) if one.firing else one


def late(scale: int) -> Iterator[Signal]:
    """The cascade, a third of the failures up to eight minutes late."""
    chance = random.Random(8)
    for one in cascade(scale):
        lateness = chance.randrange(480) if one.firing and chance.random() < 0.33 else 0
        yield one._replace(received=one.received + lateness)


STORMS: Final = (repeat, flap, cascade, shuffled, late)


# ---- what is told ----------------------------------------------------------------------------------------------------


def clock_text(second: int) -> str:
    minutes, seconds = divmod(BEGINS + second, 60)
    return f"{10 + minutes // 60}:{minutes % 60:02}:{seconds:02}"


def document(one: Signal) -> dict[str, Any]:
    return {
        "status": "firing" if one.firing else "resolved",
        "labels": {"alertname": one.name, "service": one.service, "instance": one.host, "severity": one.severity},
        "annotations": {"summary": one.cause},
        "startsAt": instant(clock_text(one.started)).isoformat(),
        "endsAt": "0001-01-01T00:00:00Z" if one.firing else instant(clock_text(one.received)).isoformat(),
    }


def in_memory() -> Transport:
    logs: dict[Path, MemoryBroker] = {}

    def open_log(directory: Path, clock: VirtualClock) -> Broker:
        return logs.setdefault(directory, MemoryBroker(clock, 1))

    return Transport("memory-1", 1, open_log)


async def told_by_tocsin(signals: Sequence[Signal]) -> dict[str, Any]:
    """Every message that arrived until half an hour after the last alert, and whether it was right."""
    by_second: dict[int, list[Signal]] = defaultdict(list)
    for one in signals:
        by_second[one.received].append(one)

    async def tell(play: Play) -> None:
        for second in sorted(by_second):
            await play.at(clock_text(second))
            await play.alertmanager(*map(document, by_second[second]))
        await play.at(clock_text(max(by_second) + 1800))

    with tempfile.TemporaryDirectory() as directory:
        play = Play(Story(tell, RULES, lambda: tuple(map(Receiver, CHANNELS))), in_memory(), Path(directory))
        await play.open()
        await tell(play)
        ledger = [line.value | {"word": line.type} for line in await play.lines() if line.type.startswith("delivery.")]
    sent = {
        effect.delivery_id: (name, effect.context)
        for name, receiver in play.receivers.items()
        for _, effect, _ in receiver.arrived
    }
    return judged(signals, list(sent.values()), ledger)


def judged(
    signals: Sequence[Signal], sent: list[tuple[str, dict[str, Any]]], ledger: list[dict[str, Any]]
) -> dict[str, Any]:
    critical = {one.cause for one in signals if one.severity == "critical"}
    alone = [(channel, context) for channel, context in sent if "digest" not in context]
    paged = {
        context["incident"]["title"]
        for _, context in alone
        if context["incident"]["severity"] == "critical" and context["type"] == "incident.opened"
    }
    routed = [
        channel == ("data" if context["incident"]["service"][:3] == "db-" else "ops") for channel, context in alone
    ]
    digests = [context["digest"]["count"] for _, context in sent if "digest" in context]
    bundled = sum(line["word"] == "delivery.bundled" for line in ledger)
    return {
        "messages": len(sent),
        "by_type": dict(Counter(str(context["type"]) for _, context in sent)),
        "bundled": bundled,
        "routing": sum(routed) / len(routed) if routed else 1.0,
        "critical": {"labelled": len(critical), "paged_alone": len(critical & paged), "ok": critical <= paged},
        "digests": {"count": sum(digests), "ok": sum(digests) == bundled},
        "ok": all(routed),
    }


def told_by_grouping(signals: Sequence[Signal]) -> int:
    """Notifications of Alertmanager for one receiver, grouped by service and alertname."""
    groups: dict[str, list[Signal]] = defaultdict(list)
    for one in sorted(signals, key=lambda one: one.received):
        groups[one.cause].append(one)
    end = max(one.received for one in signals) + 1800
    return sum(_flushes(arrivals, end) for arrivals in groups.values())


def _flushes(arrivals: list[Signal], end: int) -> int:
    """Of one group: it is flushed a wait after it began, then every interval; it says something when that is new."""
    count, at, last = 0, arrivals[0].received + WAIT, -REPEAT
    firing: set[str] = set()
    said: set[str] = set()
    place = 0
    while at <= end:
        over: set[str] = set()
        while place < len(arrivals) and arrivals[place].received <= at:
            one = arrivals[place]
            (firing.add if one.firing else firing.discard)(one.host)
            if not one.firing:
                over.add(one.host)
            place += 1
        if firing - said or (said & over) - firing or (firing and at - last >= REPEAT):
            count, last, said = count + 1, at, set(firing)
        if not firing and place < len(arrivals):  # the group is gone; the next alert begins a new one
            said, at = set(), max(at + 1, arrivals[place].received + WAIT)
        elif not firing:
            return count
        else:
            at += INTERVAL
    return count


def main() -> None:
    smoke = asked(options(__doc__)).smoke
    found = {}
    for storm in STORMS:
        signals = sorted(storm(2 if smoke else 10), key=lambda one: one.received)
        result = asyncio.run(told_by_tocsin(signals))
        fewer = 1 - result["messages"] / len(signals)
        found[storm.__name__] = {
            "alerts": len(signals),
            "causes": len({one.cause for one in signals}),
            **result,
            "fewer_percent": round(100 * fewer, 2),
            "peer_alertmanager_grouping": told_by_grouping(signals),
        }
    good = all(one["ok"] and one["critical"]["ok"] and one["digests"]["ok"] for one in found.values())
    few = smoke or all(one["fewer_percent"] >= 90 for one in found.values())
    print(json.dumps(stamped("noise", smoke, {"storms": found, "ok": good and few}), indent=1))
    sys.exit(0 if good and few else 1)


if __name__ == "__main__":
    main()
