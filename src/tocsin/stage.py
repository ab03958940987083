"""What a stage is: three protocols, and the inputs a decider gets. `runtime/` owns the rest once, for all stages.

A stage does no I/O, reads no clock and draws no random number. Its state is the fold of its own journal: `evolve` over
its events, `advanced` over the positions that commits carry. `decide` never changes the state.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import msgspec

from tocsin.domain.agenda import Deadline
from tocsin.domain.alert import RawMark, Sighting
from tocsin.domain.command import Command
from tocsin.domain.events import Event, Tallied
from tocsin.domain.instant import Instant
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import Rules
from tocsin.domain.severity import Severity
from tocsin.topics import Topic
from tocsin.wire.frozen import Freezing
from tocsin.wire.normalized import Batch
from tocsin.wire.record import Record
from tocsin.wire.state import IncidentState

State = TypeVar("State")
Shown = TypeVar("Shown", contravariant=True)


class Fact(msgspec.Struct, frozen=True, gc=False):
    """An event of another stage's journal, with its place there."""

    event: Event
    topic: str
    partition: int
    offset: int


class Room(msgspec.Struct, frozen=True):
    """The runtime can start `n` more sends over `channel` now. Planned turns into attempted only on room."""

    channel: str
    n: int


class DeliveryResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one attempt ended."""

    delivery_id: str
    attempt: int
    outcome: str
    """`delivered`, `failed` (worth another attempt), `refused` (will never work this way) or `denied` (no message will,
    until the settings are mended)."""
    detail: str = ""
    """Receipt or error, shortened. Of a page refused because its channel is down while the rules name a fallback for it
    (`notify.fallback`), it begins with "breaker open"."""
    retry_after_seconds: float | None = None
    duration_seconds: float = 0.0
    possible_duplicate: bool = False
    jitter: float = 0.0
    """0..1, drawn by the runtime: randomness is an argument."""
    handle: str = ""
    """The provider's name of what was made: see `Effect.handle`."""


class RulesChanged(msgspec.Struct, frozen=True):
    """The rules in force are others than at the last input, or may be: given once after loading, and again after each
    change. What depends on rules alone is brought up to date here; nothing when it is already."""

    version: int


class CommandSent(msgspec.Struct, frozen=True):
    """A command to the owner of another partition (`Sending.outgoing`) is in the log."""

    command_id: str


Input = Sighting | Command | CommandSent | Fact | Deadline | Room | DeliveryResult | RulesChanged


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """An attempted and unfinished delivery: to be sent once its record is durable."""

    delivery_id: str
    channel: str
    attempt: int
    recipient: str
    contacts: dict[str, tuple[str, ...]]
    context: dict[str, object]
    page: bool = False
    handle: str = ""
    """What the last delivery for the same incident, channel and recipient made at the provider; empty = nothing yet."""
    overtaken: bool = False
    """What that is shows a later state of the incident already: a page goes before what waits."""


class Want(msgspec.Struct, frozen=True):
    """Deliveries wait for room on `channel`, from `at` on."""

    channel: str
    at: Instant
    page_at: Instant | None = None
    """From when on one of them is a page: it goes before what waits in other partitions, too."""


class Decider(Protocol[State]):
    """correlate, escalate, notify: one instance per partition."""

    name: str
    reads: tuple[Topic, ...]
    journal: Topic
    partition: int

    def empty(self) -> State: ...

    def evolve(self, state: State, event: Event) -> None:
        """Change `state` as `event` of the own journal says. Never fails on what `decide` produced."""

    def advanced(self, state: State, raw: RawMark, source: str) -> None:
        """The last alert of raw partition `source` that was applied: part of the state, carried by positions."""

    def decide(self, state: State, given: Input, rules: Rules, now: Instant) -> Iterable[Event]:
        """What `given` brings about. A generator may read the state again after each yielded event: the caller
        evolves an event before it asks for the next one."""

    def due(self, state: State) -> Deadline | None:
        """The next deadline. A deadline given to `decide` must change what `due` returns."""

    def wants(self, state: State) -> Sequence[Want]:
        """Channels with deliveries that wait for room (notify; the others: empty)."""

    def effects(self, state: State) -> Sequence[Effect]:
        """Attempted and unfinished deliveries (notify; the others: empty)."""


@runtime_checkable
class Sending(Protocol):
    """A decider that asks owners of other partitions for something, by commands."""

    def outgoing(self, state: Any) -> Sequence[Command]:
        """Commands that follow from committed events and are not known to be in the log. Each is written there at
        least once, then `CommandSent` is given to `decide`, which must take it out of here. Who reads it twice answers
        once: the id is a function of the event."""


@runtime_checkable
class Counter(Protocol):
    """A decider of which most sightings only ask to be counted: it may take many at once."""

    def repeats(self, state: Any, batch: Batch, first: int, rules: Rules, now: Instant) -> tuple[Tallied | None, int]:
        """The sum of the rows from `first` on that bring about nothing but tallies, and the row behind them.

        The same as to decide and evolve them one by one. None and `first`: row `first` has to be decided. Does not
        change the state.
        """


@runtime_checkable
class Freezable(Protocol[State]):
    """A decider whose state can be written down and read back: what checkpoints are made of."""

    layout: int
    """Of the slices. Raised with each change that the code of before could not read: then the journal is folded."""

    def freeze(self, state: State) -> Freezing:
        """Begin to write `state`, which goes on changing meanwhile."""

    def thaw(self, slices: Iterable[bytes]) -> tuple[State, int]:
        """The state that the slices say, indexes included, and how many items they had.

        Raises:
            ValueError: they are not the slices of such a state.
        """

    def touched(self, state: State, event: Event) -> Iterable[tuple[str, str]]:
        """(part, key) of the entries that `event`, evolved and committed, has changed."""


class Standing(Protocol):
    """What the gauges need to know of an incident."""

    @property
    def id(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def status(self) -> Status: ...
    @property
    def acknowledged_at(self) -> Instant | None: ...


@runtime_checkable
class Showing(Protocol[Shown]):
    """A decider whose state is public: the incidents as they are."""

    shows: Topic
    shown_part: str
    """The part of the frozen state whose keys are shown."""

    def keys(self, state: Shown) -> Iterable[str]:
        """Everything that is to be seen."""

    def show(self, state: Shown, key: str) -> IncidentState | None:
        """What `key` looks like; None when it is not there any more."""

    def standing(self, state: Shown) -> Iterable[Standing]:
        """Every incident, for the gauges; a header says it."""


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that ingest cannot use, for `alerts.rejected.v1`."""

    value: bytes
    word: str
    message: str
    raw_topic: str
    raw_partition: int
    offset: int
    index: int | None = None
    """Item within the record; None = the whole record."""
    headers: tuple[tuple[str, bytes], ...] = ()


class Mapped(msgspec.Struct, frozen=True):
    """What a mapper made of raw records: encoded normalized batches by partition, commands, and rejects."""

    batches: dict[int, list[bytes]]
    rejected: list[Rejected]
    received: dict[str, int]
    """Alerts by format, for the metrics."""


class Mapper(Protocol):
    """ingest: stateless, may repeat itself, never leaves a hole."""

    def map(self, records: "Sequence[RawRecord]", rules: Rules) -> Mapped: ...


class RawRecord(msgspec.Struct, frozen=True, gc=False):
    """One record of a raw topic, with its place."""

    topic: str
    partition: int
    incarnation: str
    offset: int
    received_at: Instant
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Portion(NamedTuple):
    """Records of one partition that count, in order; everything below `next_offset` was read."""

    topic: str
    partition: int
    records: Sequence[Record]
    next_offset: int


class Sink(Protocol):
    """persist: takes records that count and stores the positions in the same transaction."""

    async def append(self, portions: Sequence[Portion]) -> None: ...

    async def position(self, topic: str, partition: int) -> int: ...
