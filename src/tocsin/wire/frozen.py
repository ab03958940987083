"""A state as slices of bytes, written beside the work and read back at once.

In: the parts of a state, each a mapping of entries that may change at any time, and a rest that is taken over at one
moment. Out: slices (a part's name and msgpack items), first each entry as it was when its turn came, then again those
that were touched since, and at the seal whatever is still missing: so that the slices in order, later ones winning,
are the state at the moment of the seal, and no single step took long. A slice is complete in itself. A part that says
what its reader needs at once (`Part.row`) has slices of rows and one packed block of items, which may stay packed
(`resting.py`). This module does not know what the items mean, where slices are kept or whether one was lost.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.wire.resting import Block, pack

SLICE_ITEMS: Final = 250
"""Items of one slice: encoding them takes about a millisecond, during which nothing else runs."""
SLICE_BYTES: Final = 256 * 1024
"""A slice ends with the item that reaches this; with the largest item (an event, 256 KB) it still fits one append."""
SEAL_TOUCHED: Final = 500
"""Touched entries that the seal may encode at once; as long as there are more, they are written in rounds before."""
ROUNDS_MAX: Final = 8
"""A state that is touched faster than it is written is sealed all the same, in one longer step."""
GONE: Final = "gone"
_LIST: Final = b"\xdd"
"""msgpack: an array whose length follows in four bytes."""

_encoder: Final = msgspec.msgpack.Encoder()
_gone_decoder: Final = msgspec.msgpack.Decoder(list[tuple[str, str]])


class Part(NamedTuple):
    """Entries of a state that change in place."""

    name: str
    keys: Callable[[], Iterable[str]]
    """Those that are there now, in an order that means something to the reader: it gets it back."""
    get: Callable[[str], Any]
    """The entry as it is now, to be encoded at once; None = it is not there (any more)."""
    row: Callable[[Any], Any] | None = None
    """What whoever reads needs to know of an entry before anybody asks for it."""


def packed(
    name: str, items: Iterable[Any], items_max: int = SLICE_ITEMS, row: Callable[[Any], Any] | None = None
) -> Iterator[bytes]:
    """The slices of `items`. An item is asked for when its slice is made."""
    encode, limit = _encoder.encode_into, SLICE_BYTES
    buffer = bytearray()
    rows: list[Any] = []
    count = 0
    for item in items:
        encode(item, buffer, -1)
        count += 1
        if row:
            rows.append(row(item))
        if count >= items_max or len(buffer) >= limit:
            yield _slice(name, count, rows, buffer)
            buffer.clear()
            rows.clear()
            count = 0
    if count:
        yield _slice(name, count, rows, buffer)


def _slice(name: str, count: int, rows: list[Any], buffer: bytearray) -> bytes:
    items = b"".join((_LIST, count.to_bytes(4, "big"), buffer))
    return name.encode() + b"\0" + (_encoder.encode((rows, pack(items))) if rows else items)


class Freezing:
    """One state on its way into slices: `sweep` until it returns None, `seal`, `rest` until it returns None. Between
    any two calls the state may change, and whatever changes in an entry of a part has to be told (`touch`)."""

    def __init__(
        self,
        parts: Sequence[Part],
        rest: Callable[[], Iterable[tuple[str, Iterable[Any]]]],
        untold: Callable[[], Iterable[tuple[str, str]]] = tuple,
    ) -> None:
        """
        Args:
            rest: (name, items) of everything else, called at the seal; it must take what may change with it.
            untold: (part, key) of entries that have changed without being touched, called at the seal.
        """
        self.slice_items = SLICE_ITEMS
        self.seal_touched = SEAL_TOUCHED
        self.entries = 0
        """Items encoded so far."""
        self._parts = {part.name: part for part in parts}
        self._rest_of = rest
        self._untold = untold
        self._touched: dict[str, dict[str, None]] = {part.name: {} for part in parts}
        self._gone: dict[tuple[str, str], None] = {}
        self._slices = self._sweep()
        self._sealed: Iterator[bytes] | None = None

    def touch(self, part: str, key: str) -> None:
        """The entry has changed, is new, or is gone; said once the change stands."""
        self._touched[part][key] = None

    def sweep(self) -> bytes | None:
        """The next slice of the parts; None when few enough touched entries are left for the seal."""
        return next(self._slices, None)

    def seal(self) -> None:
        """From now on the state is the one that the slices say."""
        assert self._sealed is None, "sealed already"
        for part, key in self._untold():
            self.touch(part, key)
        last = [slice_ for name, keys in self._taken() for slice_ in self._of(name, keys)]
        gone = [key for key in self._gone if self._parts[key[0]].get(key[1]) is None]
        rest = [packed(name, self._counted(items), self.slice_items) for name, items in self._rest_of()]
        self._sealed = chain(last, packed(GONE, self._counted(gone)), *rest)

    def rest(self) -> bytes | None:
        """The next slice of what the seal has taken over; None at the end."""
        assert self._sealed is not None, "seal first"
        return next(self._sealed, None)

    def _sweep(self) -> Iterator[bytes]:
        for part in self._parts.values():
            yield from self._of(part.name, list(part.keys()))
        for _ in range(ROUNDS_MAX):
            if sum(map(len, self._touched.values())) <= self.seal_touched:
                break
            for name, keys in self._taken():
                yield from self._of(name, keys)

    def _taken(self) -> list[tuple[str, list[str]]]:
        taken = [(name, list(keys)) for name, keys in self._touched.items()]
        for keys in self._touched.values():
            keys.clear()
        return taken

    def _of(self, name: str, keys: Iterable[str]) -> Iterator[bytes]:
        return packed(name, self._counted(self._present(name, keys)), self.slice_items, self._parts[name].row)

    def _present(self, name: str, keys: Iterable[str]) -> Iterator[Any]:
        get, gone = self._parts[name].get, self._gone
        for key in keys:
            item = get(key)
            if item is None:
                gone[name, key] = None
            else:
                yield item

    def _counted(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self.entries += 1
            yield item


class Rows(NamedTuple):
    """How a part with rows is read."""

    row: Any
    """Type of a row."""
    take: Callable[[list[Any], Block], None]
    """Takes the rows of one slice, and where their items lie."""


class Thawing:
    """Slices read back: per part one decoder, and per item or per block one call, in the order in which they were
    written."""

    def __init__(self, readers: Mapping[str, tuple[Any, Callable[[Any], None]]], rows: Mapping[str, Rows]) -> None:
        """`readers`: part -> (type of an item, what takes an item); `rows`: the parts with rows."""
        self._readers = {
            name: (msgspec.msgpack.Decoder(list[kind]), take)  # type: ignore[valid-type]
            for name, (kind, take) in readers.items()
        }
        self._rows = {
            name: (msgspec.msgpack.Decoder(tuple[list[kind], bytes]), take)  # type: ignore[valid-type]
            for name, (kind, take) in rows.items()
        }
        self.gone: list[tuple[str, str]] = []
        """(part, key) of entries that were written and are gone."""

    def read(self, slices: Iterable[bytes]) -> int:
        """Take every item; how many there were.

        Raises:
            ValueError: an unknown part, or items that do not fit it.
        """
        return sum(self._take(*slice_.partition(b"\0")) for slice_ in slices)

    def _take(self, head: bytes, _: bytes, body: bytes) -> int:
        name = head.decode("utf-8", "replace")
        if name == GONE:
            gone = _gone_decoder.decode(body)
            self.gone += gone
            return len(gone)
        if name in self._rows:
            decoder, take_rows = self._rows[name]
            rows, block = decoder.decode(body)
            take_rows(rows, Block(block))
            return len(rows)
        if name not in self._readers:
            raise ValueError(f"a checkpoint with the unknown part {name!r}")
        reader, take = self._readers[name]
        items = reader.decode(body)
        for item in items:
            take(item)
        return len(items)
