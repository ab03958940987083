"""Whether a Kafka cluster can be used by this installation, asked from outside in.

In: a `Connection` and what the settings ask of the cluster. Out: `Finding`s in the order in which they depend on each
other; after a failure nothing is asked that could only fail for the same reason. Nothing is changed in the cluster: the
rights are told by the broker, not tried. Every check ends within `CHECK_SECONDS`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import codec
from aiokafka.errors import GroupAuthorizationFailedError

from tocsin.domain.errors import TocsinError
from tocsin.runtime.broker import Broken
from tocsin.runtime.finding import Finding, failed, fine, warned
from tocsin.runtime.kafka.admin import OK, TOPIC_REFUSED, UNKNOWN_TOPIC, Admin, admin_of, planned
from tocsin.runtime.kafka.connection import Connection
from tocsin.runtime.kafka.errors import Meaning, meaning
from tocsin.runtime.kafka.reach import Reached, reach
from tocsin.runtime.kafka.requests import (
    CREATE,
    DESCRIBE,
    READ,
    WRITE,
    GroupsRequest,
    QuorumRequest,
    rights_of,
)
from tocsin.runtime.kafka.topics import Plan, Wanted, blocking, wanted

__all__ = ["Asked", "codecs", "examined", "time_apart"]

CHECK_SECONDS: Final = 20.0
"""One check; a healthy cluster answers all of them within a second."""
CLOCK_WARN_SECONDS: Final = 5.0
"""A step of the clock by more is reported at run time, too (PROTOCOL §5)."""
CLOCK_FAIL_SECONDS: Final = 60.0
"""Alerts that begin more than a minute after their receipt get another time (RECORDS §3)."""

NEEDED_APIS: Final = {44: "2.3", 60: "2.8"}
"""Requests that old brokers lack (single topic settings; a sign of topic ids) -> the first version that has them."""
METADATA_VERSIONS: Final = (
    (1, "3.0"), (2, "3.1"), (3, "3.2"), (4, "3.3"), (8, "3.4"), (9, "3.5"), (12, "3.6"), (15, "3.7"), (20, "3.8"),
    (21, "3.9"), (22, "4.0"), (26, "4.1"),
)  # fmt: skip
"""First level of the feature `metadata.version` of each release (org.apache.kafka.server.common.MetadataVersion)."""

SESSION_LIMITS: Final = ("group.min.session.timeout.ms", "group.max.session.timeout.ms")
ADVERTISED: Final = "correct advertised.listeners of that broker, or the name service and routes of this machine"
NAMES: Final = {READ: "Read", WRITE: "Write", DESCRIBE: "Describe", CREATE: "Create"}
CODECS: Final = (
    ("gzip", codec.has_gzip),
    ("snappy", codec.has_snappy),
    ("lz4", codec.has_lz4),
    ("zstd", codec.has_zstd),
)


@dataclass(frozen=True)
class Asked:
    """What the settings ask of the cluster."""

    partitions: int
    replication: int | None = None
    min_insync: int | None = None
    groups: tuple[str, ...] = ()
    """Groups that this process joins, as tocsin calls them."""
    foreign: tuple[str, ...] = ()
    """Topics of others that are read."""
    member: str | None = None
    """Static name of this process, when the operator gave one."""
    session_ms: int | None = None
    """Session time-out of the groups."""
    single_writer: str | None = None
    """The group that may have one member only: its database takes one writer."""


async def examined(connection: Connection, asked: Asked) -> AsyncIterator[Finding]:
    """The findings, each as soon as it is known."""
    for finding in codecs(CODECS):
        yield finding
    reached = await asyncio.gather(*(reach(connection, server) for server in connection.servers))
    for one in reached:
        yield _server(one)
    open_ones = [one for one in reached if one.problem is None]
    if not open_ones:
        return
    yield _version(open_ones[0])
    try:
        async with admin_of(connection) as admin:
            for check, ask in _checks(admin, connection, asked):
                for finding in await _bounded(check, ask):
                    yield finding
    except TocsinError as error:
        yield _of("cluster", error)


Ask = Callable[[], Awaitable[Sequence[Finding]]]


def _checks(admin: Admin, connection: Connection, asked: Asked) -> list[tuple[str, Ask]]:
    return [
        ("brokers", lambda: _brokers(admin, connection)),
        ("clock", lambda: _clock(admin)),
        ("session", lambda: _session(admin, asked)),
        ("topics", lambda: _topics(admin, connection, asked)),
        ("rights", lambda: _rights(admin, connection, asked)),
        ("groups", lambda: _groups(admin, connection, asked)),
    ]


async def _bounded(check: str, ask: Ask) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await ask()
    except TocsinError as error:
        return [_of(check, error)]
    except TimeoutError as error:
        return [_failure(check, meaning(error))]


def _of(check: str, error: TocsinError) -> Finding:
    """What the clients say of themselves has the remedy behind the last semicolon."""
    found, _, remedy = str(error).rpartition("; ")
    return failed(check, found or remedy, remedy)


def _failure(check: str, said: Meaning) -> Finding:
    return failed(check, f"{said.where}: {said.what}" if said.where else said.what, said.remedy)


def codecs(known: Sequence[tuple[str, Callable[[], bool]]]) -> list[Finding]:
    """Whether records of every compression can be read: one that cannot would stop its partition."""
    missing = [name for name, has in known if not has()]
    if not missing:
        return [fine("codecs", ", ".join(name for name, _ in known))]
    what = f"records compressed with {', '.join(missing)} cannot be read"
    return [failed("codecs", what, "pip install 'aiokafka[lz4,snappy,zstd]'")]


def _server(reached: Reached) -> Finding:
    check = f"server {reached.server}"
    if reached.problem is not None:
        return failed(check, f"{reached.failed}: {reached.problem.what}", reached.problem.remedy)
    return fine(check, "name, port, protocol and login")


def _version(reached: Reached) -> Finding:
    missing = [version for api, version in NEEDED_APIS.items() if api not in reached.apis]
    if missing:
        return failed("version", "the brokers are too old", f"upgrade them to Apache Kafka {max(missing)} or newer")
    level = reached.metadata_level
    if level is None:
        return fine("version", "every request that tocsin makes is known")
    release = [name for first, name in METADATA_VERSIONS if first <= level]
    return fine("version", f"the cluster is at metadata.version {level}, Kafka {release[-1]} or newer")


async def _brokers(admin: Admin, connection: Connection) -> list[Finding]:
    """Clients are sent on to these addresses, whichever they asked first."""
    others = [address for address in admin.addresses if address not in connection.servers]
    return broker_findings(await asyncio.gather(*(reach(connection, address) for address in others)))


def broker_findings(reached: Sequence[Reached]) -> list[Finding]:
    """What came of the addresses that the cluster tells its clients."""
    found = []
    for one in reached:
        check = f"broker {one.server}"
        if one.problem is None:
            found.append(fine(check, "the cluster names it; name, port, protocol and login"))
        else:
            remedy = ADVERTISED if one.failed in ("name", "port") else one.problem.remedy
            found.append(failed(check, f"the cluster names it; {one.failed}: {one.problem.what}", remedy))
    return found


async def _clock(admin: Admin) -> list[Finding]:
    """The leader of the controllers answers with its time; nothing else does without a record being written."""
    asked_at, began = time.time(), time.monotonic()
    answer = (await admin.ask(QuorumRequest())).to_object()
    took = time.monotonic() - began
    partitions = [one for topic in answer["topics"] for one in topic["partitions"] if one["error_code"] == OK]
    times = [
        voter["last_fetch_at_ms"] / 1000
        for one in partitions
        for voter in one["voters"]
        if voter["replica_id"] == one["leader"] and voter["last_fetch_at_ms"] > 0
    ]
    if answer["error_code"] != OK or not times:
        what = "not compared: the cluster does not tell its time to this user"
        return [warned("clock", what, "grant Describe on the cluster, or see that NTP runs on both sides")]
    return [time_apart(times[0] - asked_at - took / 2, took)]


def time_apart(seconds: float, took: float) -> Finding:
    """The clock of the cluster is `seconds` ahead, as asked within `took` seconds."""
    words = f"{abs(seconds):.3f} s {'ahead of' if seconds > 0 else 'behind'} this machine's (± {took / 2:.3f} s)"
    remedy = "run an NTP client such as chrony on this machine and on the brokers"
    sure = abs(seconds) - took / 2
    if sure > CLOCK_FAIL_SECONDS:
        return failed("clock", f"the cluster's clock is {words}: alerts would get wrong times", remedy)
    if sure > CLOCK_WARN_SECONDS:
        return warned("clock", f"the cluster's clock is {words}", remedy)
    return fine("clock", f"the cluster's clock is {words}")


async def _session(admin: Admin, asked: Asked) -> list[Finding]:
    return session_findings(asked.session_ms, await admin.broker_settings(SESSION_LIMITS))


def session_findings(session_ms: int | None, limits: Mapping[str, str]) -> list[Finding]:
    """Whether the brokers allow the session time-out; nothing when the user may not see the settings of brokers."""
    if session_ms is None or not all(limit in limits for limit in SESSION_LIMITS):
        return []
    lowest, highest = (int(limits[limit]) for limit in SESSION_LIMITS)
    words = f"{session_ms} ms; the brokers allow {lowest} to {highest} ms"
    if not lowest <= session_ms <= highest:
        return [failed("session", words, f"set kafka.session_timeout between {lowest}ms and {highest}ms")]
    return [fine("session", words)]


async def _plan(admin: Admin, connection: Connection, asked: Asked) -> tuple[tuple[Wanted, ...], Plan]:
    return await planned(
        admin,
        connection,
        partitions=asked.partitions,
        replication=asked.replication,
        min_insync=asked.min_insync,
    )


async def _topics(admin: Admin, connection: Connection, asked: Asked) -> list[Finding]:
    _, plan = await _plan(admin, connection, asked)
    return topic_findings(plan)


def topic_findings(plan: Plan) -> list[Finding]:
    """One finding for every topic that is not as it has to be, or one for all."""
    found: list[Finding] = []
    for step in plan.steps:
        check = f"topic {step.topic.topic}"
        if problem := blocking(Plan((step,))):
            what, _, remedy = problem[0].removeprefix(f"{check} ").rpartition("; ")
            found.append(failed(check, what, remedy))
        elif step.changes:
            found.append(warned(check, ", ".join(map(str, step.changes)), "run `tocsin topics apply`"))
        if step.note:
            what, _, remedy = step.note.partition(": ")
            found.append(warned(check, what, remedy))
    return found or [fine("topics", f"{len(plan.steps)} topics are as they have to be")]


async def _rights(admin: Admin, connection: Connection, asked: Asked) -> list[Finding]:
    topics, plan = await _plan_or_none(admin, connection, asked)
    needed: dict[str, tuple[int, ...]] = dict.fromkeys((topic.topic for topic in topics), (DESCRIBE, READ, WRITE))
    needed |= dict.fromkeys(asked.foreign, (DESCRIBE, READ))
    answer = await admin.described(needed)
    found: list[Finding] = []
    for topic in answer["topics"]:
        name = topic["name"]
        refused = topic["error_code"] == TOPIC_REFUSED
        has = frozenset() if refused else rights_of(topic["operations"])
        found += _missing(f"topic {name}", needed[name], has)
        if name in asked.foreign and topic["error_code"] == UNKNOWN_TOPIC:
            found.append(failed(f"topic {name}", "does not exist", "create it, or take it out of ingest.topics"))
    cluster = rights_of(answer["cluster_operations"])
    if plan is not None and plan.todo and cluster is not None and CREATE not in cluster:
        what = "the user may not create topics"
        found.append(warned("rights", what, "grant Create on the cluster to whoever runs `tocsin topics apply`"))
    return found or [fine("rights", f"Describe, Read and Write on {len(topics)} topics, Read on {len(asked.foreign)}")]


async def _plan_or_none(admin: Admin, connection: Connection, asked: Asked) -> tuple[tuple[Wanted, ...], Plan | None]:
    try:
        return await _plan(admin, connection, asked)
    except TocsinError:  # said by the check of the topics
        return wanted(prefix=connection.prefix, partitions=asked.partitions, brokers=admin.brokers), None


def _missing(place: str, needed: Sequence[int], has: frozenset[int] | None) -> list[Finding]:
    """What the user may not do; nothing when the broker does not tell."""
    if has is None:
        return []
    lacking = [NAMES[right] for right in needed if right not in has]
    if not lacking:
        return []
    words = ", ".join(lacking)
    return [failed(place, f"the user has no right {words}", f"grant {words} on {place} to the user")]


async def _groups(admin: Admin, connection: Connection, asked: Asked) -> list[Finding]:
    found: list[Finding] = []
    for name in asked.groups:
        group = connection.group(name)
        try:
            answer = await admin.ask(GroupsRequest([group]), await admin.coordinator(group))
        except Broken as error:
            if not isinstance(error.__cause__, GroupAuthorizationFailedError):
                raise
            found += _missing(f"group {group}", (DESCRIBE, READ), frozenset())
            continue
        found += group_findings(group, answer.to_object()["groups"][0], asked, single=name == asked.single_writer)
    return found


def group_findings(group: str, told: dict[str, Any], asked: Asked, *, single: bool) -> list[Finding]:
    """What one group says of itself (an item of the answer to `GroupsRequest`)."""
    check = f"group {group}"
    if told["error_code"] == GroupAuthorizationFailedError.errno:
        return _missing(check, (DESCRIBE, READ), frozenset())
    if told["error_code"] != OK:
        return [_failure(check, meaning(told["error_code"], group=group))]
    found = _missing(check, (DESCRIBE, READ), rights_of(told["operations"]))
    members = told["members"]
    hosts = ", ".join(sorted({str(member["host"]).lstrip("/") for member in members}))
    if single and len(members) > 1:
        what = f"{len(members)} processes ({hosts}) would write SQLite databases of their own"
        found.append(failed(check, what, "set run.groups: [ingest, core] in all processes but one"))
    holders = [member for member in members if asked.member and asked.member == member["instance_id"]]
    for holder in holders:
        what = f"a process on {str(holder['host']).lstrip('/')} has the name {asked.member} now"
        remedy = "if that is not the tocsin of this machine, give each process its own kafka.member"
        found.append(warned(check, what, remedy))
    if found:
        return found
    words = f"{len(members)} member{'' if len(members) == 1 else 's'}"
    return [fine(check, f"{words} ({hosts})" if members else "no member yet")]
