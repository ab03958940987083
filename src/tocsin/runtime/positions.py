"""How far an owner has read, as its journal says it.

In: the `tocsin_position` headers of a journal at load, then each record that was worked. Out: what has changed
since the last commit, for the next header; and the check that a source still continues where its reader stopped
(PROTOCOL §3). Nothing moves here before the input it stands for has been decided.
"""

from collections.abc import Sequence
from typing import Final

from tocsin.domain.alert import RawMark
from tocsin.runtime.world import SourceLost, World
from tocsin.topics import Topic
from tocsin.wire.position import Position, record_fingerprint
from tocsin.wire.record import Record

__all__ = ["Positions", "check_source"]

ENTRY_BYTES: Final = 200
"""One entry of the encoded header, its name included: topic names are below 100 characters."""


class Positions:
    """The next offset of each source, and the last alert applied of each raw partition."""

    def __init__(self) -> None:
        self._sources: dict[str, tuple[int, str]] = {}
        self._raw: dict[str, RawMark] = {}
        self._last: dict[str, Record] = {}
        """The record before a changed position; its fingerprint is taken only when a commit needs it."""
        self._durable: dict[str, int] = {}
        """What a new owner would find: the next offsets that the journal says."""
        self._changed: set[str] = set()
        self._changed_raw: set[str] = set()

    def fold(self, position: Position) -> None:
        """What one commit said."""
        self._sources.update(position.sources)
        self._durable.update((source, place[0]) for source, place in position.sources.items())
        self._raw.update(position.raw)

    def next(self, source: str) -> int:
        """The offset to read next of `source` (`<topic>/<partition>`)."""
        known = self._sources.get(source)
        return known[0] if known else 0

    def fingerprint(self, source: str) -> str:
        """The fingerprint of the record before; empty when there was none."""
        known = self._sources.get(source)
        return known[1] if known else ""

    def durable(self, source: str) -> int:
        """The offset of `source` from which on a new owner would read."""
        return self._durable.get(source, 0)

    def mark(self, source: str) -> RawMark | None:
        """The last alert applied of raw partition `source`."""
        return self._raw.get(source)

    def moved(self, source: str, record: Record) -> None:
        """`record` of `source` has been worked."""
        self._sources[source] = (record.offset + 1, "")
        self._last[source] = record
        self._changed.add(source)

    def set(self, source: str, place: tuple[int, str]) -> None:
        """`source` has been read by somebody else (the settings) up to `place`."""
        if self._sources.get(source) != place:
            self._sources[source] = place
            self._changed.add(source)

    def applied(self, source: str, mark: RawMark) -> None:
        """An alert of raw partition `source` has been decided."""
        self._raw[source] = mark
        self._changed_raw.add(source)

    @property
    def changed(self) -> bool:
        return bool(self._changed or self._changed_raw)

    @property
    def size(self) -> int:
        """Bytes of the next header, rounded up."""
        return 100 + ENTRY_BYTES * (len(self._sources) + len(self._raw) + 2)

    def changes(self) -> Position:
        """What the next commit has to say: every entry that has changed since the last one."""
        for source, record in self._last.items():
            self._sources[source] = (record.offset + 1, record_fingerprint(record.key, record.value))
        self._last.clear()
        return Position(
            sources={source: self._sources[source] for source in sorted(self._changed)},
            raw={source: self._raw[source] for source in sorted(self._changed_raw)},
        )

    async def check(self, world: World, topics: Sequence[Topic], partition: int) -> None:
        """Check that each source still continues where its reader stopped; raises like `check_source`."""
        for topic in topics:
            source = f"{topic.name}/{partition}"
            await check_source(world, topic.name, partition, self.next(source), self.fingerprint(source))

    def everything(self) -> Position:
        """Every entry, for a checkpoint. Call only when nothing has changed since the last commit."""
        assert not self.changed, "a checkpoint stands on committed positions"
        return Position(sources=dict(self._sources), raw=dict(self._raw))

    def settled(self) -> None:
        """The commit that carried `changes` counts."""
        self._durable.update((source, self._sources[source][0]) for source in self._changed)
        self._changed.clear()
        self._changed_raw.clear()


async def check_source(world: World, topic: str, partition: int, next_offset: int, fingerprint: str) -> None:
    """Check that `topic`/`partition` continues at `next_offset` behind the record with `fingerprint`.

    Raises:
        SourceLost: records that were not read are gone, or it is another log than the one that was read.
    """
    broker = world.broker
    name = f"{topic}/{partition}"
    begin = await world.patiently(f"read {name}", lambda: broker.begin(topic, partition))
    end = await world.patiently(f"read {name}", lambda: broker.end(topic, partition))
    if next_offset < begin:
        raise SourceLost("source_trimmed", f"{name} begins at {begin}; {next_offset} was to be read next")
    if next_offset > end:
        raise SourceLost("source_recreated", f"{name} ends at {end}; {next_offset} was to be read next")
    if not fingerprint or next_offset - 1 < begin:
        return
    records = await world.patiently(
        f"read {name}", lambda: broker.read(topic, partition, next_offset - 1, records_max=1)
    )
    if not records or records[0].offset != next_offset - 1:
        return  # trimmed between the two calls
    found = record_fingerprint(records[0].key, records[0].value)
    if found != fingerprint:
        raise SourceLost(
            "source_recreated",
            f"{name}: record {next_offset - 1} is {found}, {fingerprint} was read when it was worked",
        )
