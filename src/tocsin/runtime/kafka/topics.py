"""What the topics of an installation must be like on Kafka, and what is to be done until they are.

In: `topics.TOPICS`, the settings, what the cluster says. Out: `Plan`: topics to create, settings to change, notes, and
what is refused with its reason. Pure: `admin.py` asks the cluster and does it.

Invariants: nothing here deletes a topic, a record or a partition, or raises a number of partitions. A setting with
which an operator is stricter or keeps more than asked (`AT_LEAST`) is left as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tocsin.ingest.limits import REQUEST_BYTES_MAX
from tocsin.topics import RAW, REJECTED, TOPICS, Topic

__all__ = ["Change", "Found", "Plan", "Step", "Wanted", "blocking", "plan", "wanted"]

JOURNAL_BYTES_MAX: Final = 1024 * 1024
"""`max.message.bytes`: an append has at most 900 KB; with Kafka's own bytes it stays below (PROTOCOL §2)."""
RAW_BYTES_MAX: Final = REQUEST_BYTES_MAX + 64 * 1024
"""What foreign producers send may be as large as a request; more than ingest takes need not be accepted."""
DAY_MS: Final = 86_400_000
COMPACTION_LAG_MS: Final = 3_600_000
"""Readers of compacted topics have an hour to read what is replaced (PROTOCOL §7)."""
REPLICATION: Final = 3
"""Copies when there are that many brokers: one may fail while another is restarted."""
FOR_EVER: Final = "-1"

AT_LEAST: Final = frozenset({"retention.ms", "retention.bytes", "max.message.bytes", "min.compaction.lag.ms"})
"""Numbers that may be larger than asked; -1 is the largest for retention."""
KEEPS_RECORDS: Final = frozenset({"cleanup.policy", "unclean.leader.election.enable", "message.timestamp.type"})
"""Settings without which history is lost or alerts get wrong times: tocsin does not start on them."""


@dataclass(frozen=True)
class Wanted:
    """One topic as it has to be."""

    name: str
    """The logical name, as in `topics.py`."""
    topic: str
    """The name in the cluster."""
    partitions: int
    replication: int
    given: bool
    """Whether the operator wrote the replication down."""
    configs: Mapping[str, str]
    min_insync: int | None
    """What the operator wrote down."""

    def least(self, copies: int) -> str:
        """`min.insync.replicas` for so many copies: a broker that is away for a while must not change it."""
        return str(min(self.min_insync or (2 if copies >= REPLICATION else 1), copies))


@dataclass(frozen=True)
class Found:
    """One topic as the cluster has it."""

    partitions: int
    replication: int
    """Copies of the partition that has fewest."""
    configs: Mapping[str, str] | None
    """Every setting with its effective value; None when the user may not see them."""


@dataclass(frozen=True)
class Change:
    setting: str
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.setting} {self.found} -> {self.wanted}"


@dataclass(frozen=True)
class Step:
    """One topic: what is to be done with it."""

    topic: Wanted
    action: Literal["create", "change", "none", "refused"]
    changes: tuple[Change, ...] = ()
    reason: str = ""
    """Why it is refused, with what to do."""
    note: str = ""
    """What is not as wished and does no harm."""


@dataclass(frozen=True)
class Plan:
    steps: tuple[Step, ...]

    @property
    def todo(self) -> tuple[Step, ...]:
        """What `topics apply` would do."""
        return tuple(step for step in self.steps if step.action in ("create", "change"))

    @property
    def refused(self) -> tuple[Step, ...]:
        """What cannot be done and needs a person."""
        return tuple(step for step in self.steps if step.action == "refused")


def wanted(
    *,
    prefix: str,
    partitions: int,
    brokers: int,
    replication: int | None = None,
    min_insync: int | None = None,
    topics: Iterable[Topic] = TOPICS.values(),
) -> tuple[Wanted, ...]:
    """The topics of an installation.

    Args:
        prefix: in front of every name.
        partitions: of every topic that does not say its own number.
        brokers: how many the cluster has; decides the replication when None is given.
        min_insync: None = 2 with at least three copies, else 1.
    """
    copies = replication or min(REPLICATION, max(1, brokers))
    return tuple(
        Wanted(
            name=topic.name,
            topic=prefix + topic.name,
            partitions=topic.partitions or partitions,
            replication=copies,
            given=replication is not None,
            configs=_configs(topic),
            min_insync=min_insync,
        )
        for topic in topics
    )


def _configs(topic: Topic) -> dict[str, str]:
    """Everything that matters is written down, so that no default of a cluster decides it.

    Names and values: Kafka's documentation, "Topic Configs".
    """
    large = topic.name in (RAW.name, REJECTED.name)
    configs = {
        "cleanup.policy": "compact" if topic.compacted else "delete",
        "retention.ms": FOR_EVER if topic.retention_days is None else str(topic.retention_days * DAY_MS),
        "retention.bytes": FOR_EVER,
        "max.message.bytes": str(RAW_BYTES_MAX if large else JOURNAL_BYTES_MAX),
        "message.timestamp.type": "LogAppendTime" if topic.name == RAW.name else "CreateTime",
        "compression.type": "producer",
        "unclean.leader.election.enable": "false",
    }
    if topic.compacted:
        del configs["retention.ms"], configs["retention.bytes"]
        configs["min.compaction.lag.ms"] = str(COMPACTION_LAG_MS)
    return configs


def plan(topics: Sequence[Wanted], found: Mapping[str, Found]) -> Plan:
    """What makes the cluster's topics `topics`. `found` is by the name in the cluster; what is not there is missing."""
    return Plan(tuple(_step(topic, found.get(topic.topic)) for topic in topics))


def _step(topic: Wanted, found: Found | None) -> Step:
    if found is None:
        configs = {**topic.configs, "min.insync.replicas": topic.least(topic.replication)}
        return Step(topic, "create", tuple(Change(name, "", value) for name, value in configs.items()))
    if found.partitions != topic.partitions:
        return Step(topic, "refused", reason=_other_count(topic, found.partitions))
    if found.configs is None:
        return Step(topic, "none", note="its settings are not compared: the user has no right DescribeConfigs on it")
    least, note = topic.least(found.replication), ""
    if found.replication != topic.replication and (topic.given or found.replication < topic.replication):
        note = (
            f"{found.replication} copies instead of {topic.replication}: "
            "change them with kafka-reassign-partitions.sh, then `tocsin topics apply`"
        )
    changes = [
        Change(setting, value, asked)
        for setting, asked in {**topic.configs, "min.insync.replicas": least}.items()
        if not _fits(setting, value := found.configs.get(setting, ""), asked)
    ]
    return Step(topic, "change" if changes else "none", tuple(changes), note=note)


def _other_count(topic: Wanted, found: int) -> str:
    """A number of partitions is for the life of a topic: which incident an alert belongs to depends on it."""
    if topic.partitions == 1 and found != 1:
        return f"has {found} partitions and must have 1; choose another kafka.prefix, under which it is made anew"
    return (
        f"has {found} partitions, the settings say {topic.partitions}, and the number never changes, since it decides "
        f"where an incident is kept; set partitions: {found}, or choose another kafka.prefix for a new start"
    )


def _fits(setting: str, found: str, asked: str) -> bool:
    if setting == "min.insync.replicas":
        return _number(found) == _number(asked)
    if setting not in AT_LEAST:
        return found == asked
    value, least = _number(found), _number(asked)
    if value is None or least is None:
        return found == asked
    return value == -1 or (least != -1 and value >= least)


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def blocking(plan: Plan) -> list[str]:
    """Why tocsin must not start on these topics; each sentence ends with its remedy. Empty: it may."""
    return [problem for step in plan.steps if (problem := _blocking(step))]


def _blocking(step: Step) -> str:
    name = step.topic.topic
    if step.action == "refused":
        return f"topic {name} {step.reason}"
    if step.action == "create":
        return f"topic {name} does not exist; run `tocsin topics apply`"
    harmful = [change for change in step.changes if _harmful(change)]
    if not harmful:
        return ""
    said = ", ".join(f"{change.setting}={change.found or '?'} instead of {change.wanted}" for change in harmful)
    return f"topic {name} has {said}; run `tocsin topics apply`"


def _harmful(change: Change) -> bool:
    if change.setting.startswith("retention."):  # a shorter one on topics that forget anyway is the operator's choice
        return change.wanted == FOR_EVER
    if change.setting == "max.message.bytes":
        return (_number(change.found) or 0) < JOURNAL_BYTES_MAX
    return change.setting in KEEPS_RECORDS
