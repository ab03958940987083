"""The plan of the topics: from what there is to what there has to be, without a cluster."""

from dataclasses import replace

import pytest

from tocsin.runtime.kafka.topics import DAY_MS, Found, Step, Wanted, blocking, plan, wanted
from tocsin.topics import INCIDENTS, RAW, SETTINGS, TOPICS


def one(name: str, **others: int | None) -> Wanted:
    values = {"partitions": 6, "brokers": 3, **others}
    return next(topic for topic in wanted(prefix="p.", **values) if topic.name == name)  # type: ignore[arg-type]


def as_wanted(topic: Wanted) -> Found:
    configs = {**topic.configs, "min.insync.replicas": topic.least(topic.replication)}
    return Found(topic.partitions, topic.replication, configs)


def step_of(topic: Wanted, found: Found | None) -> Step:
    (step,) = plan([topic], {} if found is None else {topic.topic: found}).steps
    return step


def test_every_topic_is_wanted_once() -> None:
    topics = wanted(prefix="p.", partitions=6, brokers=3)
    assert [topic.topic for topic in topics] == [f"p.{name}" for name in TOPICS]
    assert one(SETTINGS.name).partitions == 1
    assert one(INCIDENTS.name).partitions == 6


@pytest.mark.parametrize(("brokers", "copies", "least"), [(1, 1, "1"), (2, 2, "1"), (3, 3, "2"), (9, 3, "2")])
def test_copies_follow_the_brokers(brokers: int, copies: int, least: str) -> None:
    topic = one(RAW.name, brokers=brokers)
    assert (topic.replication, topic.least(topic.replication)) == (copies, least)


def test_what_is_written_down_counts() -> None:
    topic = one(RAW.name, brokers=1, replication=5, min_insync=3)
    assert (topic.replication, topic.least(5)) == (5, "3")


def test_no_default_of_a_cluster_decides_what_is_kept() -> None:
    journal, shared = one(INCIDENTS.name).configs, one(RAW.name).configs
    assert journal["retention.ms"] == journal["retention.bytes"] == shared["retention.bytes"] == "-1"
    assert shared["retention.ms"] == str(7 * DAY_MS)
    assert {
        topic.configs["unclean.leader.election.enable"] for topic in wanted(prefix="", partitions=1, brokers=1)
    } == {"false"}
    assert shared["message.timestamp.type"] == "LogAppendTime"
    assert journal["message.timestamp.type"] == "CreateTime"
    assert int(journal["max.message.bytes"]) == 1024 * 1024
    assert int(shared["max.message.bytes"]) > 5 * 1024 * 1024


def test_only_derived_topics_are_compacted() -> None:
    for topic in wanted(prefix="", partitions=1, brokers=1):
        compacted = TOPICS[topic.name].compacted
        assert topic.configs["cleanup.policy"] == ("compact" if compacted else "delete")
        assert ("min.compaction.lag.ms" in topic.configs) is compacted


def test_a_missing_topic_is_created_with_all_its_settings() -> None:
    topic = one(INCIDENTS.name)
    step = step_of(topic, None)
    assert step.action == "create"
    assert {change.setting: change.wanted for change in step.changes} == as_wanted(topic).configs
    assert blocking(plan([topic], {})) == ["topic p.incidents.events.v1 does not exist; run `tocsin topics apply`"]


def test_a_topic_that_is_right_is_left_alone() -> None:
    topics = wanted(prefix="p.", partitions=6, brokers=3)
    found = plan(topics, {topic.topic: as_wanted(topic) for topic in topics})
    assert (found.todo, found.refused, blocking(found)) == ((), (), [])


@pytest.mark.parametrize(
    ("name", "setting", "value", "blocks"),
    [
        (INCIDENTS.name, "cleanup.policy", "compact", True),
        (INCIDENTS.name, "cleanup.policy", "compact,delete", True),
        (INCIDENTS.name, "retention.ms", "604800000", True),
        (INCIDENTS.name, "retention.bytes", "1073741824", True),
        (INCIDENTS.name, "unclean.leader.election.enable", "true", True),
        (INCIDENTS.name, "max.message.bytes", "500000", True),
        (INCIDENTS.name, "min.insync.replicas", "1", False),
        (INCIDENTS.name, "compression.type", "gzip", False),
        (RAW.name, "message.timestamp.type", "CreateTime", True),
        (RAW.name, "retention.ms", "1000", False),
        (RAW.name, "max.message.bytes", "1048588", False),
    ],
)
def test_drift_is_found_and_stops_a_start_only_where_it_does_harm(
    name: str, setting: str, value: str, blocks: bool
) -> None:
    topic = one(name)
    right = as_wanted(topic)
    assert right.configs is not None
    found = replace(right, configs={**right.configs, setting: value})
    step = step_of(topic, found)
    assert [(change.setting, change.found) for change in step.changes] == [(setting, value)]
    said = blocking(plan([topic], {topic.topic: found}))
    assert len(said) == blocks
    assert all(f"{setting}={value}" in one and one.endswith("`tocsin topics apply`") for one in said)


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        (RAW.name, "retention.ms", "-1"),
        (RAW.name, "retention.ms", str(30 * DAY_MS)),
        (INCIDENTS.name, "max.message.bytes", "10485760"),
    ],
)
def test_who_keeps_or_takes_more_is_left_alone(name: str, setting: str, value: str) -> None:
    topic = one(name)
    right = as_wanted(topic)
    assert right.configs is not None
    assert step_of(topic, replace(right, configs={**right.configs, setting: value})).action == "none"


@pytest.mark.parametrize(
    ("name", "found", "remedy"), [(INCIDENTS.name, 4, "partitions: 4"), (SETTINGS.name, 3, "kafka.prefix")]
)
def test_another_number_of_partitions_is_refused_with_what_to_do(name: str, found: int, remedy: str) -> None:
    topic = one(name)
    step = step_of(topic, replace(as_wanted(topic), partitions=found))
    assert step.action == "refused"
    assert step.changes == ()
    assert f"has {found} partitions" in step.reason
    assert remedy in step.reason
    assert blocking(plan([topic], {topic.topic: replace(as_wanted(topic), partitions=found)}))


def test_a_broker_that_is_away_changes_nothing() -> None:
    three, two = one(INCIDENTS.name, brokers=3), one(INCIDENTS.name, brokers=2)
    step = step_of(two, as_wanted(three))
    assert (step.action, step.note) == ("none", "")


def test_fewer_copies_are_said_and_do_no_harm() -> None:
    topic = one(INCIDENTS.name, brokers=3)
    right = as_wanted(topic)
    assert right.configs is not None
    found = replace(right, replication=1, configs={**right.configs, "min.insync.replicas": "1"})
    step = step_of(topic, found)
    assert step.action == "none"
    assert step.note.startswith("1 copies instead of 3")
    assert blocking(plan([topic], {topic.topic: found})) == []


def test_settings_that_may_not_be_seen_are_not_changed() -> None:
    topic = one(INCIDENTS.name)
    step = step_of(topic, replace(as_wanted(topic), configs=None))
    assert (step.action, step.changes) == ("none", ())
    assert "DescribeConfigs" in step.note
