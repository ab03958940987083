"""One seed, one life of tocsin: alerts, people, faults and crashes, all drawn from the seed; then the checker.

In: a seed. Out: what the checker found, and whether every owner's state is the fold of its journal. The same seed
gives the same life. The world is hostile: appends fail before or after they took effect, processes die at any append,
old owners wake up and write, receivers are slow, refuse, or take a message and say that they did not.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from tocsin.domain.errors import Retry
from tocsin.domain.rules import NotifyRules, Rules, Team
from tocsin.domain.severity import Severity
from tocsin.notify.channel import Sent
from tocsin.runtime.journal import Lost
from tocsin.runtime.pace import Pace
from tocsin.stage import Effect, Portion, Showing
from tocsin.testing.broker import Fault, MemoryBroker, SimulatedCrash
from tocsin.testing.checker import Checked, check
from tocsin.testing.clock import VirtualClock
from tocsin.testing.derived import shown_wrong, upset
from tocsin.testing.driver import Driver
from tocsin.testing.exported import export
from tocsin.testing.silencing import drawn_document, drawn_rules
from tocsin.topics import COMMANDS, INCIDENTS, RAW
from tocsin.wire.record import Draft

__all__ = ["Simulation", "export", "simulate"]

START: Final = datetime(2026, 11, 21, 23, 40, tzinfo=UTC)
"""Twenty minutes before midnight: the numbers of a day begin anew in the middle of each life."""
TURNS: Final = 60
ALERTS_A_TURN: Final = 6
SERVICES: Final = ("shop", "search", "billing", "login")
HOSTS: Final = 5
SEVERITIES: Final = ("critical", "warning", "info", "page")
STATUS_VERBS: Final = ("acknowledge", "investigate", "mitigate", "resolve", "close", "reopen")
ARGUMENTS: Final[dict[str, dict[str, Any]]] = {
    "note": {"text": "looking"},
    "assign": {"team": "web"},
    "change": {"severity": "low", "root_cause": "a full disk"},
    "snooze": {"minutes": 7},
    "watch": {"minutes": 30},
    "escalate": {},
    "follow_up": {"text": "do it"},
    "void": {},
}
VERBS: Final = (*STATUS_VERBS, *STATUS_VERBS, *ARGUMENTS, "merge", "merge", "nonsense")
POISON: Final = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"alerts": 3}',
    b"\xff\xfe",
    b'{"title": 7}',
    b'[{"title": "x", "sevrity": 1}]',
)
FAULTS: Final = tuple(Fault)


class Receiver:
    """A channel that keeps a journal of what it took and answers as the seed says."""

    kind = "simulated"
    timeout_seconds = 30.0

    def __init__(self, name: str, random: Random, clock: VirtualClock, in_flight_max: int) -> None:
        self.name = name
        self.in_flight_max = in_flight_max
        self.journal: list[dict[str, Any]] = []
        self._random = random
        self._clock = clock
        self._never = asyncio.Event()

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        luck = self._random.random()
        taken = {
            "delivery_id": effect.delivery_id,
            "attempt": effect.attempt,
            "possible_duplicate": possible_duplicate,
        }
        if luck < 0.1:
            await self._clock.wait(self._never, self._random.uniform(0, 20))
            return Sent("failed", "connection refused")
        self.journal.append(taken)
        if luck < 0.3:
            await self._clock.wait(self._never, self._random.uniform(0, 20))
        if luck < 0.2:
            return Sent("failed", "429", retry_after_seconds=self._random.choice((None, 5.0, 60.0)))
        return Sent("refused", "410") if luck > 0.97 else Sent("delivered", "202")

    async def close(self) -> None: ...


class StallingBroker(MemoryBroker):
    """Calls take time: others get their turns before and after an append takes effect."""

    random: Random

    async def append(self, topic: str, partition: int, drafts: Sequence[Draft], expected: int | None = None) -> int:
        await self._stall()
        first = await super().append(topic, partition, drafts, expected)
        await self._stall()
        return first

    async def _stall(self) -> None:
        for _ in range(self.random.choice((0, 0, 0, 1, 3))):
            await asyncio.sleep(0)


class Ledger:
    """A sink with its position in the same transaction, down now and then."""

    def __init__(self, random: Random) -> None:
        self.rows: list[dict[str, Any]] = []
        self.faults = True
        self._next: dict[tuple[str, int], int] = {}
        self._random = random

    async def position(self, topic: str, partition: int) -> int:
        return self._next.get((topic, partition), 0)

    async def append(self, portions: Sequence[Portion]) -> None:
        if self.faults and self._random.random() < 0.05:
            raise Retry("database is locked")
        for topic, partition, records, next_offset in portions:
            self.rows += [{"topic": topic, "partition": partition, "offset": record.offset} for record in records]
            self._next[topic, partition] = next_offset


class Simulation:
    """The life of one installation."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.partitions = self.random.choice((1, 1, 2, 4))
        self.clock = VirtualClock(START)
        self.broker = StallingBroker(self.clock, self.partitions, kafka_like=self.random.random() < 0.5)
        self.broker.random = self.random
        self.receivers = {
            name: Receiver(name, self.random, self.clock, self.random.choice((1, 3, 50)))
            for name in ("console", "pager")
        }
        self.ledger = Ledger(self.random)
        self.driver = Driver(
            self.broker,
            self.clock,
            self._rules(),
            self.receivers,
            self.partitions,
            sink=self.ledger,
            seed=seed,
            pace=Pace(records_min=self.random.choice((2, 20, 200)), part=0.0, look=self.random.choice((5.0, 60.0))),
        )
        self.problems: list[str] = []
        self.crashes = 0
        self._fault_rate = self.random.choice((0.0, 0.002, 0.01, 0.05))
        self._silencing = self.random.choice((0.0, 0.1, 0.4))
        self._kept_back: list[dict[str, Any]] = []
        self._known: list[dict[str, Any]] = []
        self._commands: list[tuple[bytes, int | None]] = []
        """With the partition that has to see it again; None = any."""

    def _rules(self) -> Rules:
        hold = {Severity.MEDIUM: timedelta(seconds=30)} if self.random.random() < 0.3 else {}
        routes = (("console",), ("console", "pager"), ("nowhere",))
        notify = NotifyRules(catch_all=self.random.choice(routes), hold=hold)
        everyone = Team(contacts={"email": ("a@example.org",)})
        return Rules(notify=notify, teams={"everyone": everyone}, **drawn_rules(self.random))

    async def run(self) -> Checked:
        """Live, end in order, and be checked."""
        self.broker.fault = self._fault
        await self._survive(self.driver.start)
        for _ in range(TURNS):
            await self._happens()
            await self._survive(self.driver.settle)
            if self.random.random() < 0.8:
                seconds = self.random.choice((0.0, 0.2, 1.0, 5.0, 30.0, 120.0))
                await self._survive(lambda by=seconds: self.driver.advance(by))  # type: ignore[misc]
            await self._accident()
        return await self._end()

    async def _end(self) -> Checked:
        """No more faults; what was kept back arrives; everything is worked; a check of every state; an orderly stop."""
        self.broker.fault, self.ledger.faults = None, False
        await self._survive(self.driver.settle)  # what was written beside the work may have met its end already
        await self._publish(self._kept_back)
        await self.driver.settle()
        await self.driver.advance(timedelta(hours=1))
        for owner in self.driver.owners():
            if await self.driver.folded(owner) != owner.state:
                self.problems.append(f"{owner.name}: the state is not the fold of its journal")
        owners = self.driver.owners()
        await self.driver.release()
        for owner in owners:
            if isinstance(owner.stage, Showing):
                self.problems += await shown_wrong(self.broker, owner.stage, owner.state, owner.partition)
        sends = [send for receiver in self.receivers.values() for send in receiver.journal]
        checked = check(await export(self.broker), sends, self.ledger.rows)
        return Checked(self.problems + checked.problems, {**checked.counts, "crashes": self.crashes})

    # ---- input ------------------------------------------------------------------------------------------------------

    async def _happens(self) -> None:
        chance = self.random.random
        alerts = [self._alert() for _ in range(self.random.randint(0, ALERTS_A_TURN))]
        if chance() < 0.2 and alerts:
            self._kept_back.append(alerts.pop())
        if chance() < 0.1 and self._kept_back:
            alerts.append(self._kept_back.pop(0))
        await self._publish(alerts)
        if chance() < 0.1:
            partition = self.random.randrange(self.partitions)
            await self._append(RAW.name, partition, self.random.choice(POISON))
        if chance() < 0.5:
            await self._command()
        if chance() < self._silencing:
            await self._silences()

    def _alert(self) -> dict[str, Any]:
        """A new alert, or one that was seen before: again, or resolved."""
        if self._known and self.random.random() < 0.6:
            known = dict(self.random.choice(self._known))
            known["status"] = "resolved" if self.random.random() < 0.3 else "firing"
            return known
        service, host = self.random.choice(SERVICES), f"host{self.random.randrange(HOSTS)}"
        alert: dict[str, Any] = {
            "labels": {
                "alertname": "Down",
                "service": service,
                "host": host,
                "severity": self.random.choice(SEVERITIES),
            },
            "status": "firing",
        }
        if self.random.random() < 0.7:
            began = self.clock.now() - timedelta(seconds=self.random.uniform(-30, 900))
            alert["startsAt"] = began.isoformat().replace("+00:00", "Z")
        self._known.append(alert)
        return alert

    async def _publish(self, alerts: Sequence[dict[str, Any]]) -> None:
        """As a webhook, or as native alerts; into any raw partition."""
        if not alerts:
            return
        partition = self.random.randrange(self.partitions)
        if all("startsAt" in alert for alert in alerts):
            document: Any = {
                "version": "4",
                "groupKey": "{}",
                "status": "firing",
                "receiver": "tocsin",
                "groupLabels": {},
                "commonLabels": {},
                "commonAnnotations": {},
                "externalURL": "",
                "alerts": [{"annotations": {}, "endsAt": "0001-01-01T00:00:00Z", **alert} for alert in alerts],
            }
        else:
            document = [
                {"title": "Down", **{"starts_at" if name == "startsAt" else name: v for name, v in alert.items()}}
                for alert in alerts
            ]
        await self._append(RAW.name, partition, json.dumps(document).encode())

    async def _command(self) -> None:
        """Mostly for an incident that exists, sometimes in the wrong partition, twice, or nonsense."""
        luck = self.random.random()
        partition = self.random.randrange(self.partitions)
        if luck < 0.1:
            value = b'{"verb": 1}'
        elif luck < 0.25 and self._commands:
            value, home = self.random.choice(self._commands)
            partition = partition if home is None else home
        else:
            header = await self._any_header(partition)
            command: dict[str, Any] = {
                "command_id": f"cmd-{self.random.getrandbits(40):x}",
                "verb": self.random.choice(VERBS),
                "incident": header[self.random.choice(("id", "number"))],
                "actor": "ada",
            }
            if command["verb"] == "merge":  # often with one of another partition
                other = await self._any_header(self.random.randrange(self.partitions))
                command["arguments"] = {"into": other["id"]}
            elif command["verb"] in ARGUMENTS:
                command["arguments"] = ARGUMENTS[command["verb"]]
            if self.random.random() < 0.1:
                command |= {"verb": "declare", "incident": "", "arguments": {"title": "somebody called"}}
            value = json.dumps(command).encode()
            if self.random.random() < 0.2:
                partition = self.random.randrange(self.partitions)
            self._commands.append((value, None if command["incident"] else partition))
        await self._append(COMMANDS.name, partition, value)

    async def _any_header(self, partition: int) -> dict[str, Any]:
        """What some event of the partition said of its incident."""
        seen = [
            record.value
            for record in await self.broker.read(INCIDENTS.name, partition, 0, records_max=10_000)
            if record.value and b'"header"' in record.value
        ]
        if not seen:
            return {"id": "inc_aaxxxx", "number": "INC-1"}
        header: dict[str, Any] = json.loads(self.random.choice(seen))["header"]
        return header

    async def _silences(self) -> None:
        """Somebody silences something, or thinks better of it."""
        fault, self.broker.fault = self.broker.fault, None
        await self.driver.change(*drawn_document(self.random, self.clock.now(), SERVICES, SEVERITIES))
        self.broker.fault = fault

    async def _append(self, topic: str, partition: int, value: bytes) -> None:
        """As a producer: what it is told was accepted was accepted."""
        fault, self.broker.fault = self.broker.fault, None
        await self.driver.publish(topic, partition, [Draft(None, value)])
        self.broker.fault = fault

    # ---- faults -----------------------------------------------------------------------------------------------------

    def _fault(self, op: str, topic: str, partition: int) -> Fault | None:
        if self.random.random() >= self._fault_rate:
            return None
        fault = self.random.choice(FAULTS)
        doubtful = fault in (Fault.DOUBT_LOST, Fault.DOUBT_WRITTEN)
        return None if doubtful and op == "commit" else fault

    async def _accident(self) -> None:
        luck = self.random.random()
        if luck < 0.06:
            await self._dies()
        elif luck < 0.08:
            self.clock.advance(timedelta(minutes=self.random.choice((6, 20))))  # the process hung, or the machine slept
        elif luck < 0.11:
            await self._zombie()
        elif luck < 0.13:
            await self._survive(self.driver.release)
            await self._survive(self.driver.start)
        elif luck < 0.16:
            await upset(self.broker, self.random.randrange(self.partitions), self.clock.now(), self.random)

    async def _zombie(self) -> None:
        """Somebody else takes over while the old process believes that it still owns everything, and goes on
        writing."""
        old = self.driver.groups
        for group in old:
            for effects in group.effects:
                effects.drop()
        await self._survive(self.driver.start)
        await self._publish([self._alert() for _ in range(3)])
        await self._command()
        await self._survive(self.driver.step_ingest)
        for group in old:
            try:
                while await group.step():
                    pass
            except (Lost, SimulatedCrash):
                pass
            group.drop()

    async def _dies(self) -> None:
        self.crashes += 1
        await self.driver.crash()
        if self.random.random() < 0.3:
            self.clock.advance(timedelta(minutes=self.random.choice((1, 11, 40))))
        await self._survive(self.driver.start)
        if self.random.random() < 0.3:
            # This one lives just long enough to apply what is there; ingest repeats itself in the life after it.
            await self._survive(self._core_only)
            await self._dies()

    async def _core_only(self) -> None:
        for group in self.driver.groups:
            while await group.step():
                pass

    async def _survive(self, call: Callable[[], Awaitable[object]]) -> None:
        """Call; a process that dies in it is followed by another one."""
        try:
            await call()
        except SimulatedCrash:
            await self._dies()


def simulate(seed: int) -> Checked:
    """Run one seed in an event loop of its own."""

    async def life() -> Checked:
        return await Simulation(seed).run()

    return asyncio.run(life())
