"""The owner of one partition of one stage: reads its sources, decides, evolves, commits, fires deadlines, starts
effects.

In: records of the sources, deadlines, results of effects. Out: commits in the journal. Invariants (DESIGN §2,
PROTOCOL §1-§6):

- the state is the fold of the journal and of what is pending; folding the journal again gives the same state;
- a commit carries how far the sources were read, all pending tallies, and all events of an input or none;
- effects start when everything the state knows is in the journal;
- `now` never goes back, across owners too.

Any exception but `Lost` and `SourceLost` is a bug or a broken log: nothing is acknowledged, the process has to end.
It does not know whether a poller or a Kafka agent calls it.
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, Final

import msgspec

from tocsin.domain.errors import Reject, TocsinError
from tocsin.domain.events import Event, Positioned
from tocsin.domain.instant import EPOCH, Instant
from tocsin.runtime.broker import BATCH_BYTES_MAX
from tocsin.runtime.effects import Effects
from tocsin.runtime.folding import fold
from tocsin.runtime.gate import Gate
from tocsin.runtime.journal import Journal
from tocsin.runtime.outgoing import written
from tocsin.runtime.pending import Pending, item_of
from tocsin.runtime.positions import Positions
from tocsin.runtime.rejects import reject_record
from tocsin.runtime.routing import forwarded
from tocsin.runtime.rules import SOURCE as SETTINGS_SOURCE
from tocsin.runtime.rules import SettingsFeed
from tocsin.runtime.upkeep import Upkeep
from tocsin.runtime.world import SourceLost, World
from tocsin.stage import Counter, Decider, Fact, Input, Room, RulesChanged
from tocsin.topics import COMMANDS, NORMALIZED, Kind, Topic
from tocsin.wire.command import decode_command
from tocsin.wire.events import counts, decode, encode, source_of
from tocsin.wire.normalized import Batch, read_batch
from tocsin.wire.position import encode_position
from tocsin.wire.record import Record

__all__ = ["Owner", "StageBug"]

FIRE_MAX: Final = 1000
"""Deadlines a tick: then the sources are looked at again."""
TALLY_EVERY: Final = 1.0
"""Seconds that repeats wait for company (DESIGN §6)."""
WAITING_LOOK: Final = 1.0
"""Seconds between two looks whether a send that waits may begin; a lane that becomes free wakes its owner at once."""
POSITION_EVERY: Final = 10.0
"""Seconds of input without a commit (PROTOCOL §3): what a restart reads again."""


class StageBug(TocsinError):
    """A stage broke its contract; its state cannot be trusted."""


class Owner:
    """One stage's partition. `load` once, then `read` and `tick` in turns from one task, then `release`."""

    def __init__(
        self,
        stage: Decider[Any],
        world: World,
        feed: SettingsFeed,
        *,
        partitions: int,
        effects: Effects | None = None,
        ahead: "Owner | None" = None,
        beside: "Mapping[str, Owner] | None" = None,
    ) -> None:
        """`ahead`: the owner in front, of the commands; `beside`: journal -> owner that lives with this one."""
        self.stage = stage
        self._counter = stage if isinstance(stage, Counter) else None
        self.partition = stage.partition
        self.name = f"{stage.name}/{stage.partition}"
        self.state: Any = stage.empty()
        self.positions = Positions()
        self.journal: Journal | None = None
        self.effects = effects
        self._beside = beside or {}
        self.upkeep = Upkeep(stage, world)
        self.world = world
        self._feed = feed
        self._rules, self._rules_place = feed.rules, feed.place
        self._told: int | None = None  # version of the rules that the stage was told of
        self._partitions = partitions
        self.latest: Instant = EPOCH
        self.pending = Pending(source_of(world.instance, stage.journal.name, self.partition))
        self._idle_since: float | None = None  # when something first waited for the next commit
        self._order = sorted(stage.reads, key=lambda topic: topic is not COMMANDS)  # stable: else as the stage has it
        self._gate = Gate(
            lambda: self._ends(stage.reads),
            self.next,
            lambda: ahead._ends((COMMANDS,)) if ahead else self._ends(()),
            ahead.next if ahead else self.next,
        )

    def next(self, topic: str) -> int:
        """The offset of `topic` to read next."""
        return self.positions.next(f"{topic}/{self.partition}")

    def places(self) -> dict[tuple[str, int], int]:
        """(topic, partition) -> next offset, of every source."""
        return {(topic.name, self.partition): self.next(topic.name) for topic in self.stage.reads}

    async def _ends(self, topics: Sequence[Topic]) -> dict[str, int]:
        return {topic.name: await self._end(topic.name) for topic in topics}

    async def _end(self, topic: str) -> int:
        # Who writes it here knows. If others have written since, the partition is theirs, and nothing of ours counts.
        if (written := self._beside.get(topic)) is not None and written.journal is not None:
            return written.journal.expected
        return await self.world.end(topic, self.partition)

    def _now(self) -> Instant:
        self.latest = max(self.latest, self.world.now())
        return self.latest

    async def load(self, generation: int = 0) -> None:
        """Fold the journal, check the sources, claim, and take up unfinished effects.

        Raises:
            Lost: somebody else wrote between the fold and the claim.
            SourceLost: a source, or the journal itself, is not what it was.
        """
        folded = await fold(self.stage, self.world, await self.upkeep.restored())
        self.state, self.positions, self.latest = folded.state, folded.positions, folded.latest
        await self.positions.check(self.world, self.stage.reads, self.partition)
        self.journal = Journal(self.world, self.stage.journal.name, self.partition, folded.end)
        # Evolved like every record of the journal: whoever folds it later sees the claim, too.
        self.stage.evolve(self.state, await self.journal.claim(self._now(), generation))
        await self.upkeep.loaded(self.state, folded.end)
        if self.effects:
            self.effects.resume(self.stage.effects(self.state))

    async def untouched(self) -> bool:
        """Whether nobody has written to the journal since this owner did."""
        return self.journal is not None and await self._end(self.stage.journal.name) == self.journal.expected

    def resume(self, effects: Effects | None) -> None:
        """Go on after `release`; what was cut off then may have been sent."""
        self.effects = effects
        if effects:
            effects.resume(self.stage.effects(self.state))

    # ---- input -------------------------------------------------------------------------------------------------------

    async def read(self, *, settle: bool = True) -> bool:
        """Read at most one slice of each source and work it, in one commit if it fits. True if there was anything.
        Without `settle` the commit is left to the `tick` that has to follow: it may say more."""
        self._adopt_rules()
        busy = False
        for topic in self._order:
            at = self.next(topic.name)
            if records := await self.world.arrived(self.stage.name, topic.name, self.partition, at):
                busy = True
                await self.take(topic, records)
        if settle:
            await self._settle()
        return busy

    async def _slice(self, topic: Topic) -> Sequence[Record]:
        return await self.world.read(topic.name, self.partition, self.next(topic.name))

    async def _read_to(self, topic: Topic, end: int) -> None:
        while self.next(topic.name) < end:
            await self.take(topic, await self._slice(topic))

    async def take(self, topic: Topic, records: Sequence[Record]) -> None:
        """Decide records of one source, whatever their place: those below the position are dropped, holes are read."""
        if topic.kind is Kind.JOURNAL:
            # What rests on an event of an earlier journal is worked after that event (PROTOCOL §5).
            for earlier in self._order[: self._order.index(topic)]:
                await self._read_to(earlier, await self._end(earlier.name))
        source = f"{topic.name}/{self.partition}"
        started, inputs = self.world.clock.monotonic(), 0
        for record in records:
            if record.offset < self.next(topic.name):
                continue
            if record.offset > self.next(topic.name):
                await self._fill_hole(topic, record.offset)
            if topic is NORMALIZED:
                inputs += await self._take_alerts(record)
            elif topic is COMMANDS:
                inputs += await self._take_command(record)
            elif counts(record.headers, record.offset):
                inputs += await self._take_fact(topic, record)
            self.positions.moved(source, record)
        if self._idle_since is None:
            self._idle_since = started
        self.world.metrics.decided(self.stage.name, inputs, self.world.clock.monotonic() - started)

    async def _fill_hole(self, topic: Topic, end: int) -> None:
        """Work what lies between the position and `end`; the caller was given records from further on."""
        while (offset := self.next(topic.name)) < end:
            records = [record for record in await self._slice(topic) if record.offset < end]
            if not records or records[0].offset != offset:
                found = records[0].offset if records else end
                raise SourceLost("source_trimmed", f"{topic.name}/{self.partition}: {offset} to {found} cannot be read")
            await self.take(topic, records)

    async def _take_alerts(self, record: Record) -> int:
        try:
            batch = read_batch(record.value or b"")
        except msgspec.MsgspecError as error:
            bad = Reject("bad_batch", str(error))
            await reject_record(self.world, NORMALIZED.name, self.partition, record, bad, self.stage.name)
            return 0
        source = batch.raw_source
        number = batch.behind(self.positions.mark(source))  # ingest repeats itself after a crash (PROTOCOL §4)
        now = self._now()  # one for all: to look at the clock for each row costs more than most of them
        while number < len(batch):
            number = await self._take_rows(batch, number, now)
            mark = batch.mark(number - 1)
            self.positions.applied(source, mark)
            self.stage.advanced(self.state, mark, source)
        return len(batch)

    async def _take_rows(self, batch: Batch, first: int, now: Instant) -> int:
        """Work as many rows from `first` on as may be counted at once, or one; returns the row behind."""
        if self._counter:
            tallied, behind = self._counter.repeats(self.state, batch, first, self._rules, now)
            if tallied:
                self.stage.evolve(self.state, tallied)
                await self._keep([tallied], "Batch")
                return behind
        await self._apply(batch.sighting(first), now)
        return first + 1

    async def _take_command(self, record: Record) -> int:
        try:
            command = decode_command(record.value)
        except Reject as error:
            await reject_record(self.world, COMMANDS.name, self.partition, record, error, self.stage.name)
            return 0
        if await forwarded(self.world, command, record, self.partition, self._partitions):
            return 0
        await self._apply(command)
        return 1

    async def _take_fact(self, topic: Topic, record: Record) -> int:
        try:
            event = decode(record.headers, record.value)
        except Reject as error:
            if error.word != "unknown_event_type":
                raise
            return 0  # a newer tocsin wrote it; what this version knows does not depend on it
        await self._apply(Fact(event, topic.name, self.partition, record.offset))
        return 1

    # ---- decide, evolve, commit --------------------------------------------------------------------------------------

    async def _apply(self, given: Input, at: Instant | None = None) -> bool:
        """Decide one input and evolve its events; they join a commit and have its instant. True if there were any."""
        now, stage, state = at or (self.latest if self.pending.events else self._now()), self.stage, self.state
        events: list[Event] = []
        for event in stage.decide(state, given, self._rules, now):
            stage.evolve(state, event)
            events.append(event)
        await self._keep(events, type(given).__name__)
        return bool(events)

    async def _keep(self, events: Sequence[Event], given: str) -> None:
        """Keep evolved events for the next commit: all of them join the same."""
        items = [item_of(event) for event in events]
        if self.pending.take(items, self.positions.size):
            return
        if self.pending:
            await self._commit()
        if not self.pending.take(items, self.positions.size):
            what = f"{given} brought about {sum(map(self.pending.cost, items))} bytes of events"
            raise StageBug(f"{self.name}: {what}; one commit holds at most {BATCH_BYTES_MAX}")

    def _adopt_rules(self) -> None:
        """New rules apply between commits only: a commit's position names the rules that its events were decided
        by."""
        if not self.pending:
            self._rules, self._rules_place = self._feed.rules, self._feed.place

    async def _settle(self) -> None:
        """Commit what does not wait for company; then start the effects that the journal now knows."""
        if self.pending.events:
            await self._commit()
        if self.effects and not self.pending:
            self.effects.start()

    async def _commit(self) -> None:
        assert self.journal is not None, "load first"
        self.positions.set(SETTINGS_SOURCE, self._rules_place)
        records = self.pending.records()
        if not records:
            positioned = Positioned(recorded_at=self._now(), rules_version=self._rules.version)
            self.stage.evolve(self.state, positioned)
            records = [encode(positioned)]
        position = self.positions.changes() if self.positions.changed else None
        first = await self.journal.commit(records, encode_position(position) if position else b"")
        self.positions.settled()
        self.pending.clear()
        self._idle_since = None
        self.world.metrics.committed(record.event for record in records)
        self.upkeep.committed(self.state, [record.event for record in records], first)
        self._adopt_rules()

    # ---- time --------------------------------------------------------------------------------------------------------

    async def tick(self) -> bool:
        """Record results of effects, fire deadlines, fill lanes, flush what has waited. True if there was anything."""
        self._adopt_rules()
        busy = False
        if self._told != self._rules.version:
            self._told = self._rules.version
            busy |= await self._apply(RulesChanged(self._told))
        if self.effects:
            for result in self.effects.results():
                busy |= await self._apply(result)
            self.effects.heed(self.stage.wants(self.state), self._now(), self._rules.notify)
        if (at := await self._gate.passed(self._first(), self._now())) is not None:
            busy |= await self._fire(at)
            busy |= await self._fill_lanes(at)
        await self._settle()
        for sent in await written(self.stage, self.state, self.world, self._partitions):
            busy |= await self._apply(sent)
            await self._settle()
        if self._overdue() <= 0:
            await self._commit()
        return busy

    def _first(self) -> Instant | None:
        """The earliest instant at which something is to be decided without input."""
        first = deadline.at if (deadline := self.stage.due(self.state)) else None
        if self.effects:
            for want in self.stage.wants(self.state):
                if (first is None or want.at < first) and self.effects.room(want.channel):
                    first = want.at
        return first

    async def _fire(self, at: Instant) -> bool:
        due, now, fired = self.stage.due(self.state), self._now(), False  # one now for all, as for alerts
        for _ in range(FIRE_MAX):
            if due is None or due.at > at:
                break
            fired = True
            await self._apply(due, now)
            last, due = due, self.stage.due(self.state)
            if due == last:
                raise StageBug(f"{self.name}: {last} was decided and is still due")
        return fired

    async def _fill_lanes(self, at: Instant) -> bool:
        filled = False
        for want in self.stage.wants(self.state) if self.effects else ():
            assert self.effects is not None
            if want.at > at or not (room := self.effects.room(want.channel)):
                continue
            if not await self._apply(Room(want.channel, room)):
                raise StageBug(f"{self.name}: {want} was given room for {room} and wants it still")
            self.effects.reserve(self.stage.effects(self.state))
            filled = True
        return filled

    def _overdue(self) -> float:
        """Seconds until what waits for company has to be committed; infinite when nothing waits."""
        if self._idle_since is None:
            return inf
        waited = self.world.clock.monotonic() - self._idle_since
        if self.pending:
            return TALLY_EVERY - waited
        return POSITION_EVERY - waited if self.positions.changed else inf

    def idle_for(self) -> float:
        """Seconds until `tick` has something to do, without new input; infinite when it never will."""
        if (self.effects and self.effects.has_results) or (self._told != self._feed.rules.version and not self.pending):
            return 0.0
        wait = self._overdue()
        if self.effects:
            wait = min(wait, self.effects.wakes_in(self.stage.wants(self.state), self._now()))
            if self.effects.waiting:
                wait = min(wait, WAITING_LOOK)
        if (first := self._first()) is not None:
            wait = min(wait, (first - self._now()).total_seconds())
        return max(0.0, wait)

    async def release(self) -> None:
        """Give the partition back: no new sends, results of the running ones, pending tallies and the position."""
        if self.effects:
            await self.effects.stop()
            for result in self.effects.results():
                await self._apply(result)
        await self.rest()

    async def rest(self) -> None:
        """Commit whatever is left, the position included."""
        if self.pending or self.positions.changed:
            await self._commit()
