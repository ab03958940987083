"""Everything of Faust, mode and aiokafka that tocsin touches and that they do not promise to keep.

In: nothing. Out: one table, read by `tests/contract/test_private.py`, which says what a new version has renamed before
anything else breaks. A name that begins with an underscore, or lies in a module the documentation does not name, may be
touched only when it stands here with the reason. pyproject.toml pins the versions it was written for.
"""

from typing import Final, NamedTuple

__all__ = ["PRIVATE", "Private"]


class Private(NamedTuple):
    """One name that is touched."""

    owner: str
    """`module` or `module:object`."""
    attribute: str
    why: str
    parameters: tuple[str, ...] = ()
    """Of a function: those that are given by name."""
    instance: bool = False
    """Set by `__init__` of `owner`, so only its instances have it."""


_CONNECT: Final = (
    "client_id",
    "request_timeout_ms",
    "security_protocol",
    "ssl_context",
    "sasl_mechanism",
    "sasl_plain_username",
    "sasl_plain_password",
    "sasl_oauth_token_provider",
)
_WIRE: Final = "asked of brokers directly: aiokafka's clients wait for ever, or for all partitions at once"
_BATCH: Final = "one record batch an append; records of an answer"

AIOKAFKA: Final = (
    Private("aiokafka.conn", "create_conn", "a connection a purpose, with the reason when it fails", _CONNECT),
    Private("aiokafka.conn", "get_ip_port_afi", "host and port of a server as clients read them"),
    Private("aiokafka.conn", "CloseReason", "says why a connection is closed"),
    Private("aiokafka.conn:AIOKafkaConnection", "send", "one request", ("request",)),
    Private("aiokafka.conn:AIOKafkaConnection", "connected", "whether the other side has closed it"),
    Private("aiokafka.conn:AIOKafkaConnection", "close", "ends it, and gives a future of the end", ("reason",)),
    Private("aiokafka.protocol.produce", "ProduceRequest", _WIRE),
    Private("aiokafka.protocol.transaction", "InitProducerIdRequest", _WIRE),
    Private("aiokafka.protocol.fetch", "FetchRequest", _WIRE),
    Private("aiokafka.protocol.offset", "OffsetRequest", _WIRE),
    Private("aiokafka.protocol.commit", "OffsetCommitRequest", _WIRE),
    Private("aiokafka.protocol.commit", "OffsetFetchRequest", _WIRE),
    Private("aiokafka.protocol.coordination", "FindCoordinatorRequest", _WIRE),
    Private("aiokafka.protocol.admin", "DeleteRecordsRequest", _WIRE),
    Private("aiokafka.protocol.api", "Request", "requests that aiokafka does not have"),
    Private("aiokafka.protocol.api", "RequestStruct", "requests that aiokafka does not have"),
    Private("aiokafka.protocol.api", "Response", "requests that aiokafka does not have"),
    Private("aiokafka.protocol.types", "CompactArray", "requests that aiokafka does not have"),
    Private("aiokafka.protocol.types", "TaggedFields", "requests that aiokafka does not have"),
    Private("aiokafka.record.default_records", "DefaultRecordBatchBuilder", _BATCH),
    Private("aiokafka.record.default_records:DefaultRecordBatchBuilder", "append", _BATCH),
    Private("aiokafka.record.default_records:DefaultRecordBatchBuilder", "build", _BATCH),
    Private("aiokafka.record.default_records:DefaultRecordBatch", "validate_crc", _BATCH),
    Private("aiokafka.record.default_records:DefaultRecordBatch", "is_control_batch", _BATCH),
    Private("aiokafka.record.default_records:DefaultRecordBatch", "base_offset", _BATCH),
    Private("aiokafka.record.default_records:DefaultRecordBatch", "next_offset", _BATCH),
    Private("aiokafka.record.default_records:DefaultRecordBatch", "compression_type", _BATCH),
    Private("aiokafka.record.memory_records", "MemoryRecords", _BATCH),
    Private("aiokafka.codec", "gzip_decode", "batches that aiokafka refuses to read"),
    Private("aiokafka.codec", "snappy_decode", "batches that aiokafka refuses to read"),
    Private("aiokafka.codec", "lz4_decode", "batches that aiokafka refuses to read"),
    Private("aiokafka.codec", "zstd_decode", "batches that aiokafka refuses to read"),
)

PRIVATE: Final[tuple[Private, ...]] = AIOKAFKA
