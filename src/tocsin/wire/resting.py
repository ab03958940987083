"""A mapping of entries of which those that nobody has touched since they were read stay packed, in blocks.

In: blocks (compressed msgpack lists of items) and the keys that lie in each. Out: entries; the first one asked for
wakes its whole block. Invariants: the keys, their number and their order are those of a plain dict; an entry that was
given out by `get` or `[]` is the one that stays in the mapping, so changing it in place works; `peek` and iteration
over values wake nothing and give copies that must not be changed. It does not know what the items mean or where blocks
come from.

Why blocks: entries of one part are alike, so that 250 packed together take a tenth of what they take one by one; and
waking them costs a millisecond or two, once, which is what reading them at the start would have cost.
"""

import zlib
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from typing import Any, Final, TypeVar, cast

import msgspec

V = TypeVar("V")
S = TypeVar("S")

_LEVEL: Final = 1
"""Of compression: a tenth of the size at a third of the time that encoding takes."""
BLOCK_BYTES_MAX: Final = 16 * 1024 * 1024
"""A block is at most half a megabyte (`frozen.SLICE_BYTES` and the largest item): what grows beyond is damaged."""


class Block:
    """Some entries, packed."""

    __slots__ = ("_packed",)

    def __init__(self, packed: bytes) -> None:
        """`packed`: what `pack` gave."""
        self._packed = packed

    def items(self, decoder: "msgspec.msgpack.Decoder[list[S]]") -> list[S]:
        """Its entries.

        Raises:
            ValueError: the block is damaged.
        """
        try:
            return decoder.decode(unpack(self._packed))
        except zlib.error as error:
            raise ValueError(f"a block that cannot be decompressed: {error}") from None


def pack(items: bytes) -> bytes:
    """Compress a msgpack list."""
    return zlib.compress(items, _LEVEL)


def unpack(packed: bytes) -> bytes:
    """The inverse.

    Raises:
        zlib.error, ValueError: it is none.
    """
    inflate = zlib.decompressobj()
    items = inflate.decompress(packed, BLOCK_BYTES_MAX)
    if not inflate.eof or inflate.unused_data:
        raise ValueError("a block that does not end where it should")
    return items


class Resting(dict[str, V]):
    """Entries by key."""

    __slots__ = ("_decoder", "_key", "_seen")

    def __init__(self, kind: type[V], key: Callable[[V], str]) -> None:
        """`key`: of an entry."""
        super().__init__()
        self._decoder = msgspec.msgpack.Decoder(list[kind])  # type: ignore[valid-type]
        self._key = key
        self._seen: tuple[Block, dict[str, V]] | None = None
        """The block that was peeked at last: neighbours are asked for one after the other."""

    def rest(self, keys: Iterable[str], block: Block) -> None:
        """The entries of `keys` lie in `block`."""
        self.update(dict.fromkeys(keys, cast(V, block)))

    def __getitem__(self, key: str) -> V:
        found: Any = dict.__getitem__(self, key)
        return self._woken(key, found) if type(found) is Block else cast(V, found)

    def get(self, key: str, default: Any = None) -> Any:
        found = dict.get(self, key, default)
        return self._woken(key, found) if type(found) is Block else found

    def pop(self, key: str, *default: Any) -> Any:
        found: Any = dict.pop(self, key, *default)
        return self._of(found)[key] if type(found) is Block else found

    def peek(self, key: str) -> V | None:
        """The entry as it is, to be read at once, or None."""
        found: Any = dict.get(self, key)
        return self._of(found)[key] if type(found) is Block else cast("V | None", found)

    def drop(self, key: str) -> None:
        """Remove an entry, if it is there, without a look at it."""
        dict.pop(self, key, None)

    def values(self) -> ValuesView[V]:  # type: ignore[override]
        return _Values(self)

    def items(self) -> ItemsView[str, V]:  # type: ignore[override]
        return _Items(self)

    def read_as(self, kind: type[S], key: Callable[[S], str], of: Callable[[V], S]) -> Iterator[S]:
        """Every entry as `kind`, a smaller type with the same field names, in no order; `of` makes one of an entry that
        is awake."""
        decoder = msgspec.msgpack.Decoder(list[kind])  # type: ignore[valid-type]
        blocks: dict[int, Block] = {}
        found: Any
        for found in dict.values(self):
            if type(found) is Block:
                blocks[id(found)] = found
            else:
                yield of(found)
        for block in blocks.values():
            yield from (item for item in block.items(decoder) if dict.get(self, key(item)) is block)

    def _of(self, block: Block) -> dict[str, V]:
        if self._seen is None or self._seen[0] is not block:
            self._seen = block, {self._key(item): item for item in block.items(self._decoder)}
        return self._seen[1]

    def _woken(self, key: str, block: Block) -> V:
        for item in block.items(self._decoder):
            one = self._key(item)
            if dict.get(self, one) is block:
                self[one] = item
        found: Any = dict.__getitem__(self, key)
        if type(found) is Block:
            raise ValueError(f"{key} does not lie in its block")
        return cast(V, found)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and dict(self.items()) == dict(other.items())

    __hash__ = None


class _Values(ValuesView[V]):
    def __init__(self, resting: Resting[V]) -> None:
        self._resting = resting

    def __iter__(self) -> Iterator[V]:
        return (cast(V, self._resting.peek(key)) for key in self._resting)

    def __len__(self) -> int:
        return len(self._resting)


class _Items(ItemsView[str, V]):
    def __init__(self, resting: Resting[V]) -> None:
        self._resting = resting

    def __iter__(self) -> Iterator[tuple[str, V]]:
        return ((key, cast(V, self._resting.peek(key))) for key in self._resting)

    def __len__(self) -> int:
        return len(self._resting)


def peeking(entries: Mapping[str, V]) -> Callable[[str], V | None]:
    """What looks an entry up without waking it."""
    return entries.peek if isinstance(entries, Resting) else entries.get
