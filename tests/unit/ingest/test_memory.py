"""A bounded dictionary that forgets what was not asked for in a long time."""

from tocsin.ingest.memory import ENTRY_BYTES, Memory


def memory(entries: int) -> Memory[int, str]:
    """Room for `entries` entries of 100 bytes."""
    return Memory(entries * (ENTRY_BYTES + 100))


def test_what_was_put_is_found() -> None:
    known = memory(10)
    known.put(1, "one", 100)
    assert known.get(1) == "one"
    assert known.get(2) is None


def test_it_never_holds_more_than_its_bytes() -> None:
    known = memory(10)
    for number in range(1000):
        known.put(number, "x", 100)
        assert len(known) <= 10
    assert known.get(999) == "x"
    assert known.get(0) is None


def test_what_is_asked_for_stays() -> None:
    known = memory(10)
    known.put(-1, "asked for", 100)
    for number in range(1000):
        known.put(number, "x", 100)
        assert known.get(-1) == "asked for"


def test_what_is_larger_than_half_of_all_is_not_kept() -> None:
    known = memory(10)
    known.put(1, "small", 100)
    known.put(2, "large", 10 * 700)
    assert known.get(2) is None
    assert known.get(1) == "small"
