"""Requests of the Kafka protocol that aiokafka has not, or only in versions without the field that is needed.

In: plain arguments. Out: requests for `Client.send`, and readers of their answers as plain structs. Field names, order
and versions are those of Apache Kafka's message definitions (clients/src/main/resources/common/message).
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import ClassVar, Final

from aiokafka.protocol.api import Request, RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.types import (
    Array,
    Boolean,
    Bytes,
    CompactArray,
    CompactString,
    Int8,
    Int16,
    Int32,
    Int64,
    Schema,
    String,
    TaggedFields,
)

__all__ = [
    "DESCRIBE",
    "DESCRIBE_CONFIGS",
    "NOT_TOLD",
    "READ",
    "WRITE",
    "AlterTopicRequest",
    "FeaturesRequest",
    "GroupsRequest",
    "QuorumRequest",
    "RightsRequest",
    "finalized_features",
    "rights_of",
]

READ: Final = 3
WRITE: Final = 4
CREATE: Final = 5
DESCRIBE: Final = 8
DESCRIBE_CONFIGS: Final = 10
ALTER_CONFIGS: Final = 11
IDEMPOTENT_WRITE: Final = 12
"""Codes of operations (org.apache.kafka.common.acl.AclOperation)."""
NOT_TOLD: Final = -(2**31)
"""Instead of a set of operations: the broker was not asked."""

TOPIC: Final = 2
BROKER: Final = 4
"""Codes of resource types (org.apache.kafka.common.config.ConfigResource)."""
SET: Final = 0
"""Code of the operation (org.apache.kafka.clients.admin.AlterConfigOp)."""
METADATA_TOPIC: Final = "__cluster_metadata"
"""The log of the controllers; the only partition a quorum is described for."""
FINALIZED_FEATURES: Final = 2
"""Tag of the field in the answer to ApiVersions."""


def rights_of(operations: int) -> frozenset[int] | None:
    """The operations that a bit field of the broker allows; None when it holds no answer."""
    if operations == NOT_TOLD:
        return None
    return frozenset(code for code in range(32) if operations & (1 << code))


class _RightsResponse(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", String()), ("port", Int32), ("rack", String()))),
        ("cluster_id", String()),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("name", String()),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("in_sync", Array(Int32)),
                        ("offline", Array(Int32)),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
        ("cluster_operations", Int32),
    )


class _RightsStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _RightsResponse
    SCHEMA = Schema(
        ("topics", Array(String())),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_operations", Boolean),
        ("include_topic_operations", Boolean),
    )


class RightsRequest(Request[_RightsStruct]):  # type: ignore[misc]
    """The named topics with their partitions and what the user may do with each of them and with the cluster."""

    API_KEY: ClassVar[int] = 3

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = list(topics)

    def build(self, request_struct_class: type[_RightsStruct]) -> _RightsStruct:
        return request_struct_class(self._topics, False, True, True)


class _AlterTopicResponse(Response):  # type: ignore[misc]
    API_KEY = 44
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "responses",
            Array(("error_code", Int16), ("error_message", String()), ("resource_type", Int8), ("name", String())),
        ),
    )


class _AlterTopicStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 44
    API_VERSION = 0
    RESPONSE_TYPE = _AlterTopicResponse
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("name", String()),
                ("configs", Array(("name", String()), ("operation", Int8), ("value", String()))),
            ),
        ),
        ("validate_only", Boolean),
    )


class AlterTopicRequest(Request[_AlterTopicStruct]):  # type: ignore[misc]
    """Set some settings of one topic and leave its others: IncrementalAlterConfigs (AlterConfigs resets them)."""

    API_KEY: ClassVar[int] = 44

    def __init__(self, topic: str, configs: Mapping[str, str]) -> None:
        self._topic, self._configs = topic, [(name, SET, value) for name, value in configs.items()]

    def build(self, request_struct_class: type[_AlterTopicStruct]) -> _AlterTopicStruct:
        return request_struct_class([(TOPIC, self._topic, self._configs)], False)


class _GroupsResponse(Response):  # type: ignore[misc]
    API_KEY = 15
    API_VERSION = 4
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", String()),
                ("state", String()),
                ("protocol_type", String()),
                ("protocol", String()),
                (
                    "members",
                    Array(
                        ("member_id", String()),
                        ("instance_id", String()),
                        ("client_id", String()),
                        ("host", String()),
                        ("metadata", Bytes),
                        ("assignment", Bytes),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
    )


class _GroupsStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 15
    API_VERSION = 4
    RESPONSE_TYPE = _GroupsResponse
    SCHEMA = Schema(("groups", Array(String())), ("include_operations", Boolean))


class GroupsRequest(Request[_GroupsStruct]):  # type: ignore[misc]
    """The members of groups with their static names, and what the user may do with the groups."""

    API_KEY: ClassVar[int] = 15

    def __init__(self, groups: Sequence[str]) -> None:
        self._groups = list(groups)

    def build(self, request_struct_class: type[_GroupsStruct]) -> _GroupsStruct:
        return request_struct_class(self._groups, True)


class _FeaturesResponse(Response):  # type: ignore[misc]
    API_KEY = 18
    API_VERSION = 3
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "api_versions",
            CompactArray(("api_key", Int16), ("lowest", Int16), ("highest", Int16), ("tags", TaggedFields)),
        ),
        ("throttle_time_ms", Int32),
        ("tags", TaggedFields),
    )


class _FeaturesStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 18
    API_VERSION = 3
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _FeaturesResponse
    SCHEMA = Schema(("name", CompactString()), ("version", CompactString()), ("tags", TaggedFields))

    def parse_response_header(self, read_buffer: BytesIO | bytes) -> ResponseHeader_v0:
        """The old header: a client must be able to read this answer before it knows the broker's versions."""
        return ResponseHeader_v0.decode(read_buffer)


class FeaturesRequest(Request[_FeaturesStruct]):  # type: ignore[misc]
    """What the broker speaks, and at which level the features of the cluster are."""

    API_KEY: ClassVar[int] = 18

    def build(self, request_struct_class: type[_FeaturesStruct]) -> _FeaturesStruct:
        return request_struct_class("tocsin", "1", {})


_FEATURES: Final = CompactArray(
    ("name", CompactString()), ("highest", Int16), ("lowest", Int16), ("tags", TaggedFields)
)


def finalized_features(tags: Mapping[int, bytes]) -> dict[str, int]:
    """Feature -> level, out of the tagged fields of the answer to `FeaturesRequest`; empty when it has none."""
    field = tags.get(FINALIZED_FEATURES)
    return {name: highest for name, highest, *_ in _FEATURES.decode(BytesIO(field))} if field else {}


_REPLICAS: Final = CompactArray(
    ("replica_id", Int32),
    ("log_end_offset", Int64),
    ("last_fetch_at_ms", Int64),
    ("last_caught_up_at_ms", Int64),
    ("tags", TaggedFields),
)


class _QuorumResponse(Response):  # type: ignore[misc]
    API_KEY = 55
    API_VERSION = 1
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "topics",
            CompactArray(
                ("name", CompactString()),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("high_watermark", Int64),
                        ("voters", _REPLICAS),
                        ("observers", _REPLICAS),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _QuorumStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 55
    API_VERSION = 1
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _QuorumResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("name", CompactString()),
                ("partitions", CompactArray(("partition", Int32), ("tags", TaggedFields))),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class QuorumRequest(Request[_QuorumStruct]):  # type: ignore[misc]
    """The controllers. The leader's own entry carries its clock: the instant at which it answered."""

    API_KEY: ClassVar[int] = 55

    def build(self, request_struct_class: type[_QuorumStruct]) -> _QuorumStruct:
        return request_struct_class([(METADATA_TOPIC, [(0, {})], {})], {})
