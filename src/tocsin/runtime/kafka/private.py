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

_DRIVER: Final = "faust.transport.drivers.aiokafka"
_CONSUMER: Final = f"{_DRIVER}:Consumer"
_THREAD: Final = f"{_DRIVER}:AIOKafkaConsumerThread"
_HEARTBEAT: Final = "the lease counts from a heartbeat that was answered"
_NAME: Final = "somebody else may have joined with our name; then we must not join again"
_DEAD: Final = "what ended the fetcher or the heartbeats, which nobody else would notice"
_UNREADABLE: Final = "a batch that aiokafka cannot take apart is left to those who read the log themselves"
_LEAVING: Final = "a stop does not wait for a join that the group does not answer"
_JOINING: Final = "a join is asked for again after an answer that aiokafka does not know"
_FEEDING: Final = "our own loop of fetches: one message a batch, only from partitions that have room"

FAUST: Final = (
    Private(_DRIVER, "Transport", "brings our consumer in"),
    Private(f"{_DRIVER}:Transport", "Consumer", "brings our consumer in"),
    Private(f"{_DRIVER}:Transport", "Producer", "Faust insists on one"),
    Private(f"{_DRIVER}:Producer", "flush", "ours connects to nothing"),
    Private(_CONSUMER, "_new_consumer_thread", "brings our thread in"),
    Private("faust.transport.consumer:ThreadDelegateConsumer", "_thread", "seeks and commits there", instance=True),
    Private(_CONSUMER, "_drain_messages", _FEEDING),
    Private(_CONSUMER, "_get_active_partitions", _FEEDING),
    Private(_CONSUMER, "_getmany", _FEEDING),
    Private(_CONSUMER, "_to_message", _FEEDING),
    Private("faust.transport.consumer:Consumer", "callback", _FEEDING, instance=True),
    Private("faust.transport.consumer:Consumer", "flow_active", _FEEDING),
    Private("mode.services:Service", "_stopped", _FEEDING, instance=True),
    Private("mode.services:Service", "should_stop", "an error while stopping is none"),
    Private(_CONSUMER, "on_partitions_revoked", "owners finish and commit before the group goes on"),
    Private(_CONSUMER, "on_partitions_assigned", _HEARTBEAT),
    Private(_CONSUMER, "seek_to_committed", "the position is the owner's"),
    Private(_CONSUMER, "assignment", "what is held"),
    Private(_CONSUMER, "verify_event_path", "looks at bookkeeping that is not kept"),
    Private(_DRIVER, "AIOKafkaConsumerThread", "brings our aiokafka consumer in"),
    Private(_THREAD, "_create_worker_consumer", "a static member name, no automatic commit"),
    Private(_THREAD, "_assignor", "Faust looks at it when partitions were assigned", instance=True),
    Private(_THREAD, "_ensure_consumer", "aiokafka's consumer, in its thread"),
    Private(_THREAD, "on_thread_stop", _LEAVING),
    Private("aiokafka.consumer.consumer:AIOKafkaConsumer", "_client", _LEAVING, instance=True),
    Private(_THREAD, "_fetch_records", _UNREADABLE),
    Private("aiokafka.consumer.fetcher:Fetcher", "_records", _UNREADABLE, instance=True),
    Private(_THREAD, "call_thread", "what has to be done in the consumer's thread"),
    Private("faust.assignor.partition_assignor:PartitionAssignor", "metadata", _NAME),
    Private("faust.app.base:App", "assignor", "keeps co-partitioned topics together"),
    Private("faust.app.base:App", "consumer_generation_id", "the generation that loading belongs to"),
    Private("faust.app.base:App", "transport", "brings our transport in"),
    Private("mode.services:Service", "_crash_reason", "why an app ended; it tells nobody", instance=True),
    Private("aiokafka.consumer.consumer:AIOKafkaConsumer", "_coordinator", _HEARTBEAT, instance=True),
    Private("aiokafka.consumer.consumer:AIOKafkaConsumer", "_fetcher", _DEAD, instance=True),
    Private("aiokafka.consumer.fetcher:Fetcher", "_fetch_task", _DEAD, instance=True),
    Private("aiokafka.consumer.group_coordinator:GroupCoordinator", "_do_heartbeat", _HEARTBEAT),
    Private("aiokafka.consumer.group_coordinator:GroupCoordinator", "_do_rejoin_group", _JOINING),
    Private("aiokafka.consumer.group_coordinator:GroupCoordinator", "check_errors", _DEAD),
    Private("aiokafka.consumer.group_coordinator:GroupCoordinator", "request_rejoin", _DEAD),
    Private("aiokafka.consumer.group_coordinator:GroupCoordinator", "member_id", _NAME, instance=True),
    Private("aiokafka.consumer.group_coordinator:GroupCoordinator", "_max_poll_interval", _NAME, instance=True),
)

PRIVATE: Final[tuple[Private, ...]] = AIOKAFKA + FAUST
