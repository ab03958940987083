"""Record batches: what goes in comes out, whoever wrote it; what is damaged is refused."""

import struct
from random import Random

import pytest
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from tocsin.runtime.kafka.batch import CODECS, Identity, decode, encode
from tocsin.runtime.kafka.errors import UnknownCodec, explain
from tocsin.runtime.kafka.tolerant import tolerant_records
from tocsin.wire.record import Draft, Record

ME = Identity(7, 1)
DRAFTS = [
    Draft(None, None),
    Draft(b"", b""),
    Draft(b"\0\xff", bytes(range(256)), (("b", b""), ("a", b"1"), ("a", b"2"), ("ä", b"\0"))),
    Draft(b"k", b"v" * 5000, (("n", b"x" * 300),)),
]


def placed(batch: bytearray, base: int) -> bytes:
    """As a broker keeps it: its first offset is no part of what is checked."""
    return base.to_bytes(8, "big") + bytes(batch[8:])


@pytest.mark.parametrize("codec", [None, *CODECS])
def test_records_are_what_the_drafts_were(codec: str | None) -> None:
    data = placed(encode(DRAFTS, 1_700_000_000_123, ME, 5, codec), 40)
    records, following = decode(data, 40)
    assert records == [Record(40 + n, 1_700_000_000_123, *one) for n, one in enumerate(DRAFTS)]
    assert following == 44
    assert tolerant_records(data, 40) == records


@pytest.mark.parametrize("offset", range(40, 50))
def test_a_read_from_within_a_batch_begins_there(offset: int) -> None:
    data = placed(encode(DRAFTS, 1, ME, 0), 40) + placed(encode(DRAFTS, 1, ME, 4), 44)
    records, following = decode(data, offset)
    assert [record.offset for record in records] == list(range(offset, 48))
    assert following == max(offset, 48)


def test_a_batch_that_is_cut_off_is_left_for_the_next_read() -> None:
    data = placed(encode(DRAFTS, 1, ME, 0), 0) + placed(encode(DRAFTS, 1, ME, 4), 4)[:-1]
    records, following = decode(data, 0)
    assert ([record.offset for record in records], following) == ([0, 1, 2, 3], 4)


def test_every_flipped_bit_behind_the_head_is_noticed(seed: int) -> None:
    batch = encode(DRAFTS, 1, ME, 0)
    random = Random(seed)
    for place in {17, 21, 22, 61, len(batch) - 1, *(random.randrange(21, len(batch)) for _ in range(50))}:
        broken = bytearray(batch)
        broken[place] ^= 1 << random.randrange(8)
        with pytest.raises(CorruptRecordException):
            decode(bytes(broken), 0)


PACK = {"gzip": gzip_encode, "snappy": snappy_encode, "lz4": lz4_encode, "zstd": zstd_encode}


def foreign(drafts: list[Draft], codec: str | None, *changes: tuple[bytes, bytes]) -> bytes:
    """A batch whose records hold other bytes than ours ever would; its checksum is right."""
    batch = bytes(encode(drafts, 1, ME, 0))
    body = batch[61:]
    for old, new in changes:
        assert len(old) == len(new)
        body = body.replace(old, new)
    if codec is not None:
        body = PACK[codec](body)
    number = CODECS[codec][0] if codec else 0
    checked = struct.pack(">h", number) + batch[23:61] + body
    return (
        batch[:8]
        + struct.pack(">i", 9 + len(checked))
        + batch[12:17]
        + struct.pack(">I", calc_crc32c(checked))
        + checked
    )


@pytest.mark.parametrize("codec", [None, *CODECS])
def test_a_header_name_that_is_no_text_stops_nobody(codec: str | None) -> None:
    """aiokafka reads no record of such a batch; anybody who may write to a topic could stop it for ever."""
    drafts = [Draft(b"k", b"1", (("good", b"x"),)), Draft(None, None, (("evil", b"y"),)), Draft(b"k", b"3" * 90)]
    records, following = decode(foreign(drafts, codec, (b"evil", b"\xff\xfe\xfd!")), 0)
    assert [record.value for record in records] == [draft.value for draft in drafts]
    assert [record.key for record in records] == [draft.key for draft in drafts]
    assert [record.headers for record in records] == [(("good", b"x"),), (("\ufffd\ufffd\ufffd!", b"y"),), ()]
    assert (following, records[1].timestamp) == (3, 1)


def test_a_header_without_value_is_an_empty_one() -> None:
    builder = DefaultRecordBatchBuilder(2, 0, 0, *ME, 0, 2**31 - 1)
    builder.append(0, 1, b"k", b"v", [("a", None), ("a", b"1"), ("b", None)])
    assert decode(bytes(builder.build()), 0).records[0].headers == (("a", b""), ("a", b"1"), ("b", b""))


@pytest.mark.parametrize("codec", CODECS)
def test_what_cannot_be_unpacked_is_corrupt(codec: str) -> None:
    plain = foreign(DRAFTS, None)
    checked = struct.pack(">h", CODECS[codec][0]) + plain[23:]
    broken = plain[:17] + struct.pack(">I", calc_crc32c(checked)) + checked
    with pytest.raises(CorruptRecordException):
        decode(broken, 0)


@pytest.mark.parametrize("number", [5, 7])
def test_a_codec_that_came_later_is_not_taken_for_damage(number: int) -> None:
    plain = foreign(DRAFTS, None)
    checked = struct.pack(">h", number) + plain[23:]
    later = plain[:17] + struct.pack(">I", calc_crc32c(checked)) + checked
    with pytest.raises(UnknownCodec) as caught:
        decode(later, 0)
    said = explain(caught.value, topic="t/0")
    assert said == (
        f"topic t/0: a batch is compressed with a codec that this version does not know (number {number}); "
        "have its producer use gzip, snappy, lz4 or zstd, or upgrade tocsin"
    )


@pytest.mark.parametrize(
    "wrong", [Draft("k", b""), Draft(b"", "v"), Draft(b"", b"", ((b"n", b""),)), Draft(b"", b"", (("\ud800", b""),))]
)
def test_what_is_no_draft_is_a_type_error(wrong: Draft) -> None:
    with pytest.raises(TypeError):
        encode([wrong], 1, ME, 0)
