"""Stories with times of day, played on any log: what comes in, what time it is, and what has to come of it.

In: a `Transport` (how to open a log) and an async function that gets a `Play`. Out: `Told`: what the log says
afterwards, group by group, in a form in which two transports can be compared; and what the checker found. Between two
calls of the story everything that can be done is done; no real time passes. With a `Crash` the process dies once, in
the middle of whatever it does, and another one takes over: the story has to come out the same.

A story is played on one log from its begin; it does not look at states, only at what is in the log and what arrived.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tocsin.domain import ids
from tocsin.domain.command import Command
from tocsin.domain.instant import Instant
from tocsin.domain.rules import Rules
from tocsin.ingest.intake import take
from tocsin.runtime.routing import partition_of
from tocsin.testing.broker import SimulatedCrash
from tocsin.testing.checker import check
from tocsin.testing.clock import VirtualClock
from tocsin.testing.driver import Driver
from tocsin.testing.lines import Line, read_line
from tocsin.testing.simulator import export
from tocsin.testing.surroundings import Crash, Mortal, Receiver, Rows, Transport
from tocsin.testing.told import Told, sightings, timeline, told
from tocsin.topics import COMMANDS, RAW
from tocsin.wire.command import encode_command
from tocsin.wire.record import Draft

__all__ = ["NO_SLA", "Crash", "Play", "Played", "Receiver", "Story", "StoryFunction", "Transport", "instant", "play"]

DAY: Final = datetime(2026, 11, 21, tzinfo=UTC)
OPENS: Final = DAY + timedelta(hours=9, minutes=50)
"""Every story begins here: the first alerts may be some minutes old."""
NO_SLA: Final = Rules(sla={})
"""What a story runs by when it names no rules: the defaults, without promises that would clutter it."""


def instant(text: str) -> Instant:
    """`10:04`, `10:04:30`, or `+1 10:04` for the next day."""
    days, _, time = text.rpartition(" ")
    parts = [int(part) for part in time.split(":")]
    hours, minutes, seconds = [*parts, 0][:3]
    return DAY + timedelta(days=int(days or 0), hours=hours, minutes=minutes, seconds=seconds)


# ---- the play -------------------------------------------------------------------------------------------------------

StoryFunction = Callable[["Play"], Awaitable[None]]


@dataclass(frozen=True, eq=False)
class Story:
    """A story with what it is played by. `channels` makes receivers anew for each play."""

    tell: StoryFunction
    rules: Rules = NO_SLA
    channels: Callable[[], Sequence[Receiver]] = lambda: (Receiver("console"),)

    @property
    def name(self) -> str:
        return self.tell.__name__


@dataclass(frozen=True)
class Played:
    """What came of a story."""

    told: Told
    problems: list[str]
    counts: dict[str, int]
    calls: int
    """Appends and commits of tocsin itself: the places where it may die."""
    crashes: int


@dataclass
class Play:
    """What a story may do: let time pass, send alerts, act as a person, and look."""

    story: Story
    transport: Transport
    directory: Path
    crash: Crash | None = None
    crashes: int = 0
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(OPENS))
    receivers: dict[str, Receiver] = field(default_factory=dict)
    _rows: Rows = field(default_factory=Rows)
    _requests: int = 0

    async def open(self) -> None:
        """Begin."""
        self.receivers = {receiver.name: receiver for receiver in self.story.channels()}
        for receiver in self.receivers.values():
            receiver.clock = self.clock
        self._log = Mortal(await self.transport.opened(self.directory, self.clock), self.crash)
        self._driver = self._process()
        await self._alive(self._driver.start)

    def _process(self) -> Driver:
        log: Any = self._log
        return Driver(
            log, self.clock, self.story.rules, self.receivers, self.transport.partitions, sink=self._rows, seed=1
        )

    async def _alive(self, call: Callable[[], Awaitable[object]]) -> bool:
        """Call; if the process dies of it, start another one on the same log. False if it died."""
        try:
            await call()
        except SimulatedCrash:
            await self.dies()
            return False
        return True

    async def dies(self) -> None:
        """The process ends at once; another one opens the log again."""
        self.crashes += 1
        await self._driver.crash()
        await self._log.log.close()
        self._log = Mortal(await self.transport.opened(self.directory, self.clock), self.crash, self._log.calls)
        self._driver = self._process()
        await self._alive(self._driver.start)

    async def down(self, until: str) -> None:
        """The process ends now; another one opens the log at `until`."""
        await self._settled()
        await self._driver.crash()
        await self._log.log.close()
        self.clock.advance(instant(until) - self.clock.now())
        self._log = Mortal(await self.transport.opened(self.directory, self.clock), self.crash, self._log.calls)
        self._driver = self._process()
        await self._alive(self._driver.start)
        await self._settled()

    async def at(self, time: str) -> None:
        """Let time pass until `time`; deadlines fire at their instants."""
        until = instant(time)
        assert until >= self.clock.now(), f"it is {self.clock.now():%d %H:%M} already"
        await self._settled()
        while (left := until - self.clock.now()) > timedelta(0):
            by = left
            await self._alive(lambda by=by: self._driver.advance(by))  # type: ignore[misc]
        await self._settled()

    async def _settled(self) -> None:
        while not await self._alive(self._driver.settle):
            pass

    # ---- what comes in ----------------------------------------------------------------------------------------------

    async def posts(self, format: str, document: Any) -> None:
        """Somebody sends a request body; it is read as the HTTP intake reads it."""
        self._requests += 1
        taken = take(
            json.dumps(document).encode(),
            format=format,
            received_at=self.clock.now(),
            seed=f"request {self._requests}",
            partitions=self.transport.partitions,
        )
        assert not taken.errors, taken.errors
        for record in taken.records:
            partition = ids.partition_of_key(record.partition_key, self.transport.partitions)
            headers = (("tocsin_format", record.format.encode()),)
            await self._log.log.append(RAW.name, partition, [Draft(None, record.value, headers)])
        await self._settled()

    async def alertmanager(self, *alerts: Mapping[str, Any], group: Mapping[str, str] | None = None) -> None:
        """A webhook of an Alertmanager that groups by `group`."""
        firing = any(one["status"] == "firing" for one in alerts)
        status = "firing" if firing else "resolved"
        envelope = {"version": "4", "groupKey": "{}", "receiver": "tocsin", "status": status}
        await self.posts("alertmanager", {**envelope, "groupLabels": dict(group or {}), "alerts": list(alerts)})

    async def prometheus(self, *alerts: Mapping[str, Any]) -> None:
        """A Prometheus posts to `/api/v2/alerts`."""
        await self.posts("prometheus", [{name: one[name] for name in one if name != "status"} for one in alerts])

    async def pagerduty(self, action: str, key: str, **payload: Any) -> None:
        """A PagerDuty client; only a trigger says more than its key."""
        event: dict[str, Any] = {"routing_key": "c0ffee00" * 4, "event_action": action, "dedup_key": key}
        if payload:
            event["payload"] = {"source": "probe", "severity": "critical", **payload}
        await self.posts("pagerduty", event)

    async def raw(self, value: bytes, partition: int = 0, format: str = "") -> None:
        """A producer writes to the raw topic without asking anybody."""
        headers = (("tocsin_format", format.encode()),) if format else ()
        await self._log.log.append(RAW.name, partition % self.transport.partitions, [Draft(None, value, headers)])
        await self._settled()

    async def person(self, verb: str, incident: str, *, by: str = "ada", **arguments: Any) -> None:
        """`by` gives a command; `incident` is a title, the newest incident of which is meant."""
        header = await self.header(incident) if incident else {"id": "", "number": ""}
        self._requests += 1
        command = Command(
            command_id=f"cmd_{self._requests}",
            verb=verb,
            incident=header[("id", "number")[self._requests % 2]],
            actor=by,
            arguments=arguments,
        )
        partition = partition_of(command, self.transport.partitions)
        if partition is None:
            named = arguments.get("correlation_id")
            key = ids.correlation_partition_key(named) if named else f"declared:{command.command_id}"
            partition = ids.partition_of_key(key, self.transport.partitions)
        await self._log.log.append(COMMANDS.name, partition, [Draft(*encode_command(command))])
        await self._settled()

    async def changes(self, key: str, document: Any) -> None:
        """Somebody changes a settings document (None deletes it), again if the process dies of it."""
        while not await self._alive(lambda: self._driver.change(key, document)):
            await self._settled()
        await self._settled()

    # ---- what can be seen -------------------------------------------------------------------------------------------

    async def lines(self) -> list[Line]:
        """Every record of the log."""
        return [read_line(line) for line in await export(self._log.log)]

    async def headers(self) -> list[dict[str, Any]]:
        """The newest header of each incident, in the order of their opening; of merged ones the survivor's only."""
        newest: dict[str, dict[str, Any]] = {}
        for line in await self.lines():
            if line.type.startswith("incident.") and line.counts:
                newest[line.value["incident_id"]] = line.value["header"]
                if line.value.get("merged_into"):
                    del newest[line.value["incident_id"]]
        return sorted(newest.values(), key=lambda header: (header["opened_at"], header["title"]))

    async def header(self, title: str) -> dict[str, Any]:
        """The newest header of the newest incident with that title."""
        found = [header for header in await self.headers() if header["title"] == title]
        assert found, f"no incident {title!r}; there are {[header['title'] for header in await self.headers()]}"
        return found[-1]

    async def then(self, title: str, *expected: str) -> None:
        """The group in which an incident had that title has exactly this timeline (`told.timeline`)."""
        found = timeline(await self.lines(), title)
        if found != list(expected):
            raise AssertionError("\n  ".join([f"{title}: the log says", *found, "and not", *expected]))

    async def incidents(self) -> list[str]:
        """`<title>: <severity> <status>, <alerts> alerts, <firing> firing, seen <n> times` of each incident. Repeats
        are in the log a second after they came."""
        seen = sightings(await self.lines())
        return [
            f"{one['title']}: {one['severity']} {one['status']}, {one.get('alerts', 0)} alerts, "
            f"{one.get('firing', 0)} firing, seen {seen[one['id']]} times"
            for one in await self.headers()
        ]

    def messages(self, channel: str = "console") -> list[str]:
        """What arrived over `channel`; see `Receiver.messages`."""
        return self.receivers[channel].messages

    async def deliveries(self, channel: str) -> dict[str, int]:
        """How many deliveries over `channel` are in which step of their life."""
        last: dict[str, str] = {}
        for line in await self.lines():
            if line.type.startswith("delivery.") and line.counts and line.value["channel"] == channel:
                last[line.value["delivery_id"]] = line.type.removeprefix("delivery.")
        return dict(Counter(last.values()))

    # ---- the end ----------------------------------------------------------------------------------------------------

    async def close(self) -> Played:
        """Stop in order, and let somebody look who does not know how tocsin works."""
        await self._settled()
        problems = [
            f"{owner.name}: the state is not the fold of its journal"
            for owner in self._driver.owners()
            if await self._driver.folded(owner) != owner.state
        ]
        while not await self._alive(self._driver.release):
            await self._settled()  # who died while stopping is followed by somebody who has to read before he stops
        sends = [
            {"delivery_id": effect.delivery_id, "attempt": effect.attempt, "possible_duplicate": possible}
            for receiver in self.receivers.values()
            for _, effect, possible in receiver.arrived
        ]
        log = await export(self._log.log)
        checked = check(log, sends, self._rows.rows)
        await self._log.log.close()
        return Played(
            told([read_line(line) for line in log]),
            problems + checked.problems,
            checked.counts,
            self._log.calls,
            self.crashes,
        )


def play(story: Story, transport: Transport, directory: Path, crash: Crash | None = None) -> Played:
    """Play `story` in an event loop of its own.

    Raises:
        AssertionError: an expectation of the story does not hold.
    """

    async def whole() -> Played:
        stage = Play(story, transport, directory, crash)
        await stage.open()
        await story.tell(stage)
        return await stage.close()

    return asyncio.run(whole())
