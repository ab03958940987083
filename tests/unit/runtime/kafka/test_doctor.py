"""What doctor makes of what a cluster tells, without a cluster."""

import pytest

from tocsin.runtime.finding import Finding
from tocsin.runtime.kafka.doctor import (
    Asked,
    broker_findings,
    codecs,
    group_findings,
    session_findings,
    time_apart,
    topic_findings,
)
from tocsin.runtime.kafka.errors import Meaning
from tocsin.runtime.kafka.reach import Reached
from tocsin.runtime.kafka.requests import DESCRIBE, NOT_TOLD, READ, finalized_features, rights_of
from tocsin.runtime.kafka.topics import Found, plan, wanted

MAY = (1 << DESCRIBE) | (1 << READ)


def outcomes(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.outcome, one.check) for one in findings]


def test_what_is_not_ok_has_a_remedy() -> None:
    with pytest.raises(AssertionError, match="no remedy"):
        Finding("a", "FAIL", "b")


def test_a_missing_codec_fails_with_its_package() -> None:
    (finding,) = codecs([("gzip", lambda: True), ("lz4", lambda: False), ("zstd", lambda: False)])
    assert finding.outcome == "FAIL"
    assert "lz4, zstd" in finding.found
    assert "aiokafka[lz4,snappy,zstd]" in finding.remedy


@pytest.mark.parametrize(
    ("seconds", "took", "outcome"),
    [
        (0.0, 0.01, "ok"),
        (-4.9, 0.01, "ok"),
        (5.5, 0.01, "warn"),
        (-30.0, 0.01, "warn"),
        (61.0, 0.01, "FAIL"),
        (-3600.0, 0.01, "FAIL"),
        (6.0, 4.0, "ok"),  # as slow an answer proves nothing
    ],
)
def test_clocks_that_differ(seconds: float, took: float, outcome: str) -> None:
    finding = time_apart(seconds, took)
    assert finding.outcome == outcome
    assert ("ahead of" if seconds > 0 else "behind") in finding.found


def test_topics_are_said_one_by_one_or_all_together() -> None:
    topics = wanted(prefix="", partitions=2, brokers=1)
    right = {
        topic.topic: Found(2 if topic.partitions == 2 else 1, 1, {**topic.configs, "min.insync.replicas": "1"})
        for topic in topics
    }
    assert outcomes(topic_findings(plan(topics, right))) == [("ok", "topics")]
    first, second, third, fourth, *_ = topics
    wrong = dict(right)
    del wrong[first.topic]
    wrong[second.topic] = Found(7, 1, right[second.topic].configs)
    wrong[third.topic] = Found(2, 1, {**(right[third.topic].configs or {}), "compression.type": "gzip"})
    wrong[fourth.topic] = Found(2, 1, None)
    found = topic_findings(plan(topics, wrong))
    assert outcomes(found) == [
        ("FAIL", f"topic {first.topic}"),
        ("FAIL", f"topic {second.topic}"),
        ("warn", f"topic {third.topic}"),
        ("warn", f"topic {fourth.topic}"),
    ]
    assert found[0].found == "does not exist"
    assert found[0].remedy == "run `tocsin topics apply`"
    assert found[1].remedy.startswith("set partitions: 7")


def test_an_address_that_the_cluster_gives_its_clients_and_they_cannot_use() -> None:
    problem = Meaning("the host name is not known", "server k:1", "correct broker")
    login = Meaning("the login was refused", "server k:3", "check the password")
    reached = [Reached("k:1", "name", problem), Reached("k:2"), Reached("k:3", "login", login)]
    first, second, third = broker_findings(reached)
    assert (first.outcome, "advertised.listeners" in first.remedy) == ("FAIL", True)
    assert second.outcome == "ok"
    assert (third.outcome, third.remedy) == ("FAIL", "check the password")


@pytest.mark.parametrize(("session_ms", "outcome"), [(5_999, "FAIL"), (6_000, "ok"), (60_000, "ok"), (60_001, "FAIL")])
def test_a_session_that_the_brokers_do_not_allow(session_ms: int, outcome: str) -> None:
    limits = {"group.min.session.timeout.ms": "6000", "group.max.session.timeout.ms": "60000"}
    (finding,) = session_findings(session_ms, limits)
    assert finding.outcome == outcome
    assert session_findings(session_ms, {}) == [], "the user may not see them"


def told(*members: tuple[str, str], operations: int = MAY, error_code: int = 0) -> dict[str, object]:
    return {
        "error_code": error_code,
        "operations": operations,
        "members": [{"host": f"/{host}", "instance_id": instance} for host, instance in members],
    }


ASKED = Asked(partitions=1, member="m-1")


def test_a_group_without_and_with_members() -> None:
    (empty,) = group_findings("g", told(), ASKED, single=True)
    assert (empty.outcome, empty.found) == ("ok", "no member yet")
    (full,) = group_findings("g", told(("10.0.0.1", "a"), ("10.0.0.2", "b")), ASKED, single=False)
    assert (full.outcome, full.found) == ("ok", "2 members (10.0.0.1, 10.0.0.2)")


def test_a_second_writer_of_sqlite_fails() -> None:
    (finding,) = group_findings("g", told(("10.0.0.1", "a"), ("10.0.0.2", "b")), ASKED, single=True)
    assert finding.outcome == "FAIL"
    assert "run.groups" in finding.remedy


def test_a_name_that_somebody_has_is_warned_of() -> None:
    (finding,) = group_findings("g", told(("10.0.0.1", "m-1")), ASKED, single=False)
    assert finding.outcome == "warn"
    assert "10.0.0.1 has the name m-1" in finding.found
    assert "kafka.member" in finding.remedy


def test_rights_that_are_missing_are_named() -> None:
    (refused,) = group_findings("g", told(error_code=30), ASKED, single=False)
    assert (refused.outcome, "Describe, Read" in refused.remedy) == ("FAIL", True)
    (half,) = group_findings("g", told(operations=1 << DESCRIBE), ASKED, single=False)
    assert half.remedy == "grant Read on group g to the user"
    (not_told,) = group_findings("g", told(operations=NOT_TOLD), ASKED, single=False)
    assert not_told.outcome == "ok"


def test_rights_are_a_field_of_bits() -> None:
    assert rights_of(MAY) == {READ, DESCRIBE}
    assert rights_of(0) == frozenset()
    assert rights_of(NOT_TOLD) is None


def test_features_without_any() -> None:
    assert finalized_features({}) == {}
