"""A channel goes down: its pages go another way, the rest waits, and when it is back everything arrives."""

import asyncio
import json
from datetime import UTC, datetime

from tocsin.domain.rules import NotifyRules, Route, Rules
from tocsin.notify.channel import Sent
from tocsin.stage import Effect
from tocsin.testing.broker import MemoryBroker
from tocsin.testing.clock import VirtualClock
from tocsin.testing.driver import Driver
from tocsin.topics import RAW
from tocsin.wire.record import Draft

T0 = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Receiver:
    """A channel that works or does not, with the minute of each message that it took."""

    kind = "memory"
    in_flight_max = 4
    timeout_seconds = 10.0

    def __init__(self, name: str, clock: VirtualClock) -> None:
        self.name = name
        self.clock = clock
        self.works = True
        self.tries = 0
        self.took: list[tuple[float, str]] = []

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        self.tries += 1
        await asyncio.sleep(0)
        if not self.works:
            return Sent("failed", "503 Service Unavailable")
        incident = effect.context["incident"]
        assert isinstance(incident, dict)
        self.took.append((self.clock.monotonic() / 60, str(incident["title"])))
        return Sent("delivered", "ok")

    async def close(self) -> None:
        """Nothing to give back."""


async def fires(driver: Driver, title: str, severity: str) -> None:
    alert = {"title": title, "severity": severity, "labels": {"alertname": title}}
    await driver.publish(RAW.name, 0, [Draft(b"", json.dumps(alert).encode(), (("tocsin_format", b"native"),))])
    await driver.settle()


async def test_pages_go_another_way_and_the_rest_waits() -> None:
    clock = VirtualClock(T0)
    chat, mail = Receiver("chat", clock), Receiver("mail", clock)
    notify = NotifyRules(routes=(Route(channels=("chat",)),), events=("incident.opened",), fallback={"chat": ("mail",)})
    driver = Driver(MemoryBroker(clock), clock, Rules(notify=notify), {"chat": chat, "mail": mail})
    await driver.start()
    await fires(driver, "one", "critical")
    assert [title for _, title in chat.took] == ["one"]

    chat.works = False
    for number in range(30):
        await fires(driver, f"low {number}", "low")
    await fires(driver, "two", "critical")
    await driver.advance(600)
    assert [title for _, title in mail.took] == ["two"]
    assert 2 <= mail.took[0][0] <= 5, "after two minutes, and what one attempt takes"
    assert chat.tries < 80, "thirty messages wait for ten minutes and are hardly tried"
    await fires(driver, "three", "critical")
    assert [title for _, title in mail.took] == ["two", "three"], "at once"

    chat.works = True
    await driver.advance(900)
    assert {title for _, title in chat.took} == {"one", *(f"low {number}" for number in range(30))}
    assert len(chat.took) == 31, "each once"
    assert [title for _, title in mail.took] == ["two", "three"]
    await driver.release()
