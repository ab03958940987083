"""Names of other people's packages that tocsin touches although nobody promised to keep them: all are still there, and
behave as they did.

When this fails after an upgrade, `runtime/kafka/private.py` says what each is for; the pins in pyproject.toml name the
versions that fit.
"""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
from aiokafka.protocol.admin import DeleteRecordsRequest
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest

from tocsin.runtime.kafka import transport
from tocsin.runtime.kafka.metadata import TopicsRequest
from tocsin.runtime.kafka.private import PRIVATE, Private

SOURCE = Path(__file__).parents[2] / "src/tocsin/runtime/kafka"

# What an Apache Kafka 4.1 says it understands: (oldest, newest) version of each message.
KAFKA_4 = {0: (0, 13), 1: (4, 18), 2: (1, 11), 3: (0, 13), 8: (2, 10), 9: (1, 10), 10: (0, 6), 21: (0, 2), 22: (0, 5)}


def resolve(private: Private) -> object:
    module, _, name = private.owner.partition(":")
    owner: object = import_module(module)
    for part in name.split(".") if name else ():
        owner = getattr(owner, part)
    return owner


@pytest.mark.parametrize("private", PRIVATE, ids=lambda private: f"{private.owner}.{private.attribute}")
def test_the_name_is_still_there(private: Private) -> None:
    owner = resolve(private)
    if private.instance:
        source = inspect.getsource(owner)  # type: ignore[arg-type]
        there = re.search(rf"\bself\.{re.escape(private.attribute)}\b", source) is not None
    else:
        there = hasattr(owner, private.attribute)
    assert there, f"{private.owner} has no {private.attribute} any more; it was used for: {private.why}"
    if private.parameters:
        known = inspect.signature(getattr(owner, private.attribute)).parameters
        missing = set(private.parameters) - set(known)
        assert not missing, f"{private.owner}.{private.attribute} takes no {missing} any more: {private.why}"


def test_the_table_names_what_is_imported_from_undocumented_modules_of_aiokafka() -> None:
    """What stands in `import` lines of broker, cluster and their parts; requests of the admin tools are theirs."""
    listed = {(private.owner, private.attribute) for private in PRIVATE}
    parts = ("batch", "broker", "cluster", "outbox", "positions", "producer", "reading", "tolerant", "watch")
    found = {
        (node.module or "", name.name)
        for part in parts
        for node in ast.walk(ast.parse((SOURCE / f"{part}.py").read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("aiokafka.", "faust", "mode"))
        for name in node.names
    }
    documented = {(module, name) for module, name in found if module in ("aiokafka.errors", "aiokafka.abc")}
    helpers = {("aiokafka.conn", "AIOKafkaConnection"), ("aiokafka.record.default_records", "DefaultRecordBatch")}
    codecs = {("aiokafka.codec", f"has_{codec}") for codec in ("gzip", "snappy", "lz4", "zstd")}
    assert found - documented - helpers - codecs <= listed


def own_names(tree: ast.AST) -> set[str]:
    """What a module of ours defines, or sets on `self`. A declared type alone defines nothing."""
    declared = {node.target for node in ast.walk(tree) if isinstance(node, ast.AnnAssign) and node.value is None}
    named = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    slots = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and "__slots__" in {getattr(one, "id", "") for one in node.targets}
    ]
    return {
        *(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)),
        *(node.id for node in named if node not in declared),
        *(name for slot in slots for name in ast.literal_eval(slot)),
        *(node.attr for node in attributes(tree) if isinstance(node.ctx, ast.Store) and of_self(node)),
    }


def of_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "self"


def attributes(tree: ast.AST) -> list[ast.Attribute]:
    """Everything that begins with one underscore and is reached through a dot."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return [node for node in nodes if node.attr.startswith("_") and not node.attr.startswith("__")]


NAMED_TUPLES = {"_replace"}
"""Documented, for all its underscore."""


def test_every_underscore_of_others_is_in_the_table() -> None:
    listed = {private.attribute for private in PRIVATE}
    unknown = set()
    for path in SOURCE.glob("*.py"):
        tree = ast.parse(path.read_text())
        ours = own_names(tree) | NAMED_TUPLES
        unknown |= {f"{path.name}:{node.lineno} {node.attr}" for node in attributes(tree) if node.attr not in ours}
    assert {one for one in unknown if one.rpartition(" ")[2] not in listed} == set()


OVERRIDDEN = [
    (ours, base, name)
    for ours in vars(transport).values()
    if inspect.isclass(ours) and ours.__module__ == transport.__name__
    for base in ours.__mro__[1:2]
    if base.__module__.startswith(("faust", "mode", "aiokafka"))
    for name, value in vars(ours).items()
    if inspect.isfunction(value) and hasattr(base, name) and not name.startswith("__")
]


def test_every_underscore_that_is_overridden_is_in_the_table() -> None:
    assert {name for *_, name in OVERRIDDEN if name.startswith("_")} <= {private.attribute for private in PRIVATE}
    assert len(OVERRIDDEN) >= 10


@pytest.mark.parametrize(("ours", "base", "name"), OVERRIDDEN, ids=lambda value: getattr(value, "__name__", value))
def test_what_we_override_is_still_called_as_we_expect(ours: type, base: type, name: str) -> None:
    """The same parameters in the same order, and awaited or not as before."""
    mine, theirs = getattr(ours, name), getattr(base, name)
    assert inspect.iscoroutinefunction(mine) == inspect.iscoroutinefunction(theirs), f"{base}.{name}"
    wanted = inspect.signature(theirs).parameters.values()
    catches = {one.kind for one in inspect.signature(mine).parameters.values()}
    if inspect.Parameter.VAR_KEYWORD not in catches:
        mine_are = [(one.name, one.kind) for one in inspect.signature(mine).parameters.values()]
        assert mine_are == [(one.name, one.kind) for one in wanted], f"{base}.{name}"


def fields(schema: object, *path: str) -> tuple[str, ...]:
    """Names of the fields below `path`."""
    for step in path:
        schema = schema.fields[schema.names.index(step)].array_of  # type: ignore[attr-defined]
    return schema.names  # type: ignore[attr-defined, no-any-return]


REQUESTS = {
    "produce": (
        ProduceRequest(None, -1, 1000, [("t", [(0, b"")])]),
        ("partition", "error_code", "offset"),
        ("topics", "partitions"),
    ),
    "fetch": (
        FetchRequest(0, 0, 1, 0, [("t", [(0, 0, 1)])]),
        ("partition", "error_code", "highwater_offset"),
        ("topics", "partitions"),
    ),
    "offsets": (
        OffsetRequest(-1, 0, [("t", [(0, -1)])]),
        ("partition", "error_code", "timestamp", "offset"),
        ("topics", "partitions"),
    ),
    "commit": (
        OffsetCommitRequest("g", -1, "", -1, [("t", [(0, 0, "")])]),
        ("partition", "error_code"),
        ("topics", "partitions"),
    ),
    "committed": (
        OffsetFetchRequest("g", [("t", [0])]),
        ("partition", "offset", "metadata", "error_code"),
        ("topics", "partitions"),
    ),
    "trim": (
        DeleteRecordsRequest([("t", [(0, 5)])], 1000),
        ("partition_index", "low_watermark", "error_code"),
        ("topics", "partitions"),
    ),
    "topics": (
        TopicsRequest(["t"]),
        ("error_code", "name", "topic_id", "is_internal", "partitions"),
        ("topics",),
    ),
    "coordinator": (FindCoordinatorRequest("g", 0), ("throttle_time_ms", "error_code"), ()),
    "identity": (
        InitProducerIdRequest(None, 0),  # type: ignore[arg-type]
        ("throttle_time_ms", "error_code", "producer_id", "producer_epoch"),
        (),
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_can_be_made_and_its_answer_has_the_fields_where_they_are_read(name: str) -> None:
    request, expected, path = REQUESTS[name]
    struct = request.prepare(KAFKA_4)  # type: ignore[attr-defined]
    assert struct.encode()
    assert fields(struct.RESPONSE_TYPE.SCHEMA, *path)[: len(expected)] == expected


def test_the_records_are_the_last_field_of_a_fetched_partition() -> None:
    struct = REQUESTS["fetch"][0].prepare(KAFKA_4)  # type: ignore[attr-defined]
    assert fields(struct.RESPONSE_TYPE.SCHEMA, "topics", "partitions")[-1] == "message_set"
