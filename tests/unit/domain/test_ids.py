"""Ids: hashes of their causes in base32 as RFC 4648 has it; the partition is in them."""

from base64 import b32encode
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain import ids


@given(st.lists(st.text(), max_size=4))
def test_a_short_hash_is_rfc_4648_base32_of_96_bits(parts: list[str]) -> None:
    raw = ids._hash(parts, 12)
    assert ids.short_hash(*parts) == b32encode(raw).decode().rstrip("=").lower()


@given(st.lists(st.text() | st.text("ab\x00\x7f", min_size=120, max_size=140), max_size=4))
def test_a_hash_is_blake2b_over_parts_with_their_lengths(parts: list[str]) -> None:
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    plain = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
    assert ids._hash(parts, 16) == blake2b(plain, digest_size=16).digest()


def test_ids_stay_what_they_were() -> None:
    """They are in logs that exist."""
    assert ids.fingerprint({"alertname": "A", "service": "shop"}) == "d19fc468f6152b7e08c82604ddfc914b"
    assert ids.incident_id(3, "alerts.raw.v1/0/1/0") == "inc_adtli6s4x2x67jz3xzw74a"


def test_parts_do_not_run_into_each_other() -> None:
    assert ids.short_hash("ab", "c") != ids.short_hash("a", "bc")


@given(st.integers(0, ids.PARTITIONS_MAX - 1))
def test_an_id_carries_its_partition(partition: int) -> None:
    assert ids.partition_in(ids.incident_id(partition, "cause")) == partition
    assert ids.partition_in(ids.delivery_id(partition, "a", "b", "c", "d")) == partition


@pytest.mark.parametrize("text", ["", "inc", "inc_", "incident_aa", "INC-2026-11-21-001", "inc_A1zz", "inc_0!zzz"])
def test_what_is_no_id_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an id|substring"):
        ids.partition_in(text)


def test_a_fingerprint_ignores_order_empty_values_and_what_it_is_told_to() -> None:
    one = ids.fingerprint({"a": "1", "b": "2", "replica": "x", "empty": ""}, ("replica",))
    assert one == ids.fingerprint({"b": "2", "a": "1"})
    assert one != ids.fingerprint({"b": "2", "a": "1", "c": "3"})
