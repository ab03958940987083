"""The dead-man's switch: alerts that have to come, and that are an alert when they stay away.

In: the rules `expected/<name>`, the views. Out: an alert `ExpectedAlertMissing` in the raw topic, firing while the
expected one stays away and resolved when it is back; correlate makes of it what it makes of every alert. Invariants:
time in which tocsin itself was down or behind counts for nobody; without a whole event log nothing is said. It keeps
nothing: after a restart the views tell whether the alarm stands.
"""

import asyncio
import logging
from datetime import timedelta
from typing import Final

import orjson

from tocsin.domain.errors import TocsinError
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Expected, LabelMatch
from tocsin.persist.seen import Seen, last_seen, seen
from tocsin.persist.sqlite import EventLog
from tocsin.runtime.vigil import Ward
from tocsin.topics import RAW
from tocsin.wire.events import rfc3339
from tocsin.wire.record import Draft

__all__ = ["ALERT", "Expecting"]

log: Final = logging.getLogger("tocsin.expecting")

EVERY: Final = 5.0
"""Seconds between two looks."""
AGAIN: Final = timedelta(minutes=5)
"""Between two sayings that an alert is still missing: they are counted, and open nothing."""
OVERLAP: Final = timedelta(minutes=1)
"""An alert is in the views somewhat later than the instant that it carries."""
ALERT: Final = "ExpectedAlertMissing"


class Expecting:
    """All rules of one process."""

    name = "expected alerts"

    def __init__(self, every: float = EVERY) -> None:
        """`every`: seconds between two looks."""
        self._every = every
        self._since: dict[str, tuple[Expected, Instant]] = {}
        """Rule -> from when on its alert is waited for."""
        self._known: dict[str, str] = {}
        """Rule -> the alert that was seen last."""
        self._scanned: dict[str, Instant] = {}
        """Rule -> when new alerts were last looked through for it."""
        self._said: dict[str, Instant] = {}
        """Rule -> when it was last said that its alert is missing."""
        self._settled: set[str] = set()
        """Rules of which no alarm stands."""

    async def run(self, ward: Ward, stop: asyncio.Event) -> None:
        """Look until `stop` is set."""
        while not await ward.world.clock.wait(stop, self._every):
            rules = ward.rules().expected
            for name in (self._since.keys() | self._said.keys()) - rules.keys():
                await self._gone(ward, name)
            if ward.event_log is None or not rules:
                continue
            if _behind(ward):
                self._since.clear()  # what came meanwhile is not in the views yet
                continue
            for name, rule in rules.items():
                try:
                    await self._look(ward, ward.event_log, name, rule)
                except TocsinError as error:
                    log.info("expected alert %s: looked for later: %s", name, error)

    async def _look(self, ward: Ward, event_log: EventLog, name: str, rule: Expected) -> None:
        now = ward.world.now()
        waited_for, since = self._since.get(name, (None, now))
        if waited_for != rule:
            since = now
            self._since[name] = (rule, since)
            self._known.pop(name, None)
            self._scanned.pop(name, None)
        found = await asyncio.to_thread(self._find, event_log, name, rule, now)
        last = max(found.at, since) if found else since
        ward.world.metrics.set("tocsin_expected_alert_age_seconds", max(0.0, (now - last).total_seconds()), name)
        if now - last > rule.within:
            self._settled.discard(name)
            if now - self._said.get(name, last) >= AGAIN or name not in self._said:
                await _tell(ward, alarm(name, rule, last))
                self._said[name] = now
        elif found and now - found.at <= rule.within and name not in self._settled:
            if await asyncio.to_thread(last_seen, event_log.queries, _alarms(name)):
                await _tell(ward, alarm(name, rule, last, resolved=True))
            else:
                self._settled.add(name)
                self._said.pop(name, None)

    def _find(self, event_log: EventLog, name: str, rule: Expected, now: Instant) -> Seen | None:
        queries, known = event_log.queries, self._known.get(name)
        found = seen(queries, known) if known else None
        if found is None or now - found.at > rule.within:
            scanned = self._scanned.get(name)
            self._scanned[name] = now
            new = last_seen(queries, rule.matchers, (scanned or now - rule.within) - OVERLAP)
            older = last_seen(queries, rule.matchers) if scanned is None else None
            found = max((one for one in (found, new, older) if one), key=lambda one: one.at, default=None)
        if found is not None:
            self._known[name] = found.alert_id
        return found

    async def _gone(self, ward: Ward, name: str) -> None:
        """The rule was deleted: nothing is missing any more."""
        self._since.pop(name, None)
        ward.world.metrics.set("tocsin_expected_alert_age_seconds", 0.0, name)
        if name in self._said:
            try:
                await _tell(ward, alarm(name, Expected(matchers=()), ward.world.now(), resolved=True))
            except TocsinError as error:
                log.info("expected alert %s is expected no more; its alarm is taken back later: %s", name, error)
            else:
                del self._said[name]


def _behind(ward: Ward) -> bool:
    """Whether the views may miss what has come."""
    return bool(ward.problems())


def _alarms(name: str) -> tuple[LabelMatch, ...]:
    return (LabelMatch(name="alertname", value=ALERT), LabelMatch(name="expected", value=name))


def alarm(name: str, rule: Expected, last: Instant, *, resolved: bool = False) -> bytes:
    """The native alert that says that the alert of rule `name` was not seen since `last`."""
    was = f"It has to come every {rule.within.total_seconds() / 60:g} min and was last seen before {rfc3339(last)}."
    return orjson.dumps(
        {
            "key": f"expected:{name}",
            "title": f"The expected alert {name} stays away",
            "status": "resolved" if resolved else "firing",
            "severity": rule.severity.value,
            "service": rule.service or "monitoring",
            "source": "tocsin",
            "labels": {"alertname": ALERT, "expected": name},
            "annotations": {"summary": f"{was} {rule.description}".strip()},
        }
    )


async def _tell(ward: Ward, value: bytes) -> None:
    await ward.publish(RAW.name, 0, [Draft(None, value, native_headers())])


def native_headers() -> tuple[tuple[str, bytes], ...]:
    """Of a native alert in the raw topic."""
    return (("content-type", b"application/json"), ("tocsin_format", b"native"))
