"""A mapping whose untouched entries stay packed behaves like the dict that they came from."""

import msgspec
import pytest

from tocsin.wire.frozen import Freezing, Part, Rows, Thawing
from tocsin.wire.resting import Block, Resting, pack, peeking


class Entry(msgspec.Struct):
    key: str
    number: int
    text: str = ""


class Small(msgspec.Struct):
    key: str
    number: int


def entries(count: int) -> dict[str, Entry]:
    return {f"k{n}": Entry(f"k{n}", n, "long " * n) for n in range(count)}


def read_back(slices: list[bytes]) -> Resting[Entry]:
    resting = Resting(Entry, lambda entry: entry.key)

    def take(rows: list[str], block: Block) -> None:
        resting.rest(rows, block)

    thawing = Thawing({}, {"entries": Rows(str, take)})
    thawing.read(slices)
    for _, key in thawing.gone:
        resting.drop(key)
    return resting


def written(state: dict[str, Entry], *, between: dict[str, Entry | None] | None = None) -> list[bytes]:
    """The slices of `state`; `between` is what becomes of some entries after all were written once."""
    part = Part("entries", lambda: state, lambda key: peeking(state)(key), lambda entry: entry.key)
    freezing = Freezing((part,), lambda: ())
    freezing.slice_items = 3
    slices = []
    while (slice_ := freezing.sweep()) is not None:
        slices.append(slice_)
    for key, entry in (between or {}).items():
        if entry is None:
            del state[key]
        else:
            state[key] = entry
        freezing.touch("entries", key)
    freezing.seal()
    while (slice_ := freezing.rest()) is not None:
        slices.append(slice_)
    return slices


def awake(resting: Resting[Entry]) -> int:
    return sum(type(found) is Entry for found in dict.values(resting))


def test_it_has_the_keys_and_entries_of_the_dict_in_their_order() -> None:
    resting = read_back(written(entries(10)))
    assert list(resting) == list(entries(10))
    assert list(resting.values()) == list(entries(10).values())
    assert list(resting.items()) == list(entries(10).items())
    assert (len(resting), "k3" in resting, "k10" in resting) == (10, True, False)
    assert resting == entries(10)
    assert awake(resting) == 0


@pytest.mark.parametrize("ask", [lambda resting: resting["k4"], lambda resting: resting.get("k4")])
def test_who_asks_for_an_entry_wakes_its_block_and_may_change_it(ask) -> None:  # type: ignore[no-untyped-def]
    resting = read_back(written(entries(10)))
    ask(resting).number = 44
    assert resting["k4"].number == resting.peek("k4").number == 44  # type: ignore[union-attr]
    assert resting["k4"] is ask(resting)
    assert awake(resting) == 3


def test_an_entry_that_is_not_there() -> None:
    resting = read_back(written(entries(2)))
    assert (resting.get("x"), resting.get("x", 1), resting.peek("x"), resting.pop("x", None)) == (None, 1, None, None)
    with pytest.raises(KeyError):
        resting["x"]


def test_an_entry_is_taken_out_and_its_neighbours_are_not_woken_by_that() -> None:
    resting = read_back(written(entries(10)))
    assert resting.pop("k4") == entries(10)["k4"]
    assert ("k4" in resting, awake(resting)) == (False, 0)
    assert resting["k3"] == entries(10)["k3"]
    assert "k4" not in resting


def test_the_later_block_of_an_entry_counts_and_the_earlier_one_wakes_nothing_of_it() -> None:
    slices = written(entries(10), between={"k1": Entry("k1", 99), "k2": None})
    resting = read_back(slices)
    assert resting["k0"].number == 0
    assert (resting["k1"].number, "k2" in resting) == (99, False)
    smaller = read_back(slices).read_as(Small, lambda small: small.key, lambda entry: Small(entry.key, entry.number))
    assert sorted(one.number for one in smaller) == [0, 3, 4, 5, 6, 7, 8, 9, 99]


def test_what_is_awake_is_read_as_it_is_now() -> None:
    resting = read_back(written(entries(6)))
    resting["k1"].number = 77
    smaller = resting.read_as(Small, lambda small: small.key, lambda entry: Small(entry.key, entry.number))
    assert sorted(one.number for one in smaller) == [0, 2, 3, 4, 5, 77]


def test_what_rests_is_written_again_without_being_woken() -> None:
    resting = read_back(written(entries(10)))
    resting["k9"].number = 90
    again = read_back(written(resting))
    assert (again, awake(resting)) == (resting, 1)


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b"\0" + b[1:]])
def test_a_damaged_block_is_a_value_error(damage) -> None:  # type: ignore[no-untyped-def]
    block = Block(damage(pack(msgspec.msgpack.encode([Entry("k", 1)]))))
    with pytest.raises(ValueError, match="block"):
        block.items(msgspec.msgpack.Decoder(list[Entry]))


def test_a_key_that_does_not_lie_in_its_block_is_said() -> None:
    resting = Resting(Entry, lambda entry: entry.key)
    resting.rest(["k2"], Block(pack(msgspec.msgpack.encode([Entry("k1", 1)]))))
    with pytest.raises(ValueError, match="k2 does not lie"):
        resting["k2"]
