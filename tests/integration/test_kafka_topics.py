"""`tocsin topics plan` and `apply` on a real cluster."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from integration.kafka_user import administer, change, delete, settings_file, tocsin
from tocsin.runtime.kafka.admin import Admin, check
from tocsin.runtime.kafka.connection import Connection
from tocsin.topics import INCIDENTS, RAW, SETTINGS, TOPICS

pytestmark = pytest.mark.integration


def planned(file: Path, code: int) -> dict[str, dict[str, Any]]:
    done = tocsin(file, "topics", "plan", "-o", "json")
    assert done.exit_code == code, done.output
    return {item["topic"]: item for item in json.loads(done.stdout)}


def test_plan_apply_and_plan_again(tmp_path: Path, kafka: str, prefix: str) -> None:
    file = settings_file(tmp_path, kafka, prefix)
    before = planned(file, 5)
    assert {item["action"] for item in before.values()} == {"create"}
    assert set(before) == {prefix + name for name in TOPICS}
    assert len(asyncio.run(check(Connection((kafka,), prefix=prefix), partitions=1))) == len(TOPICS)

    applied = tocsin(file, "topics", "apply", "-o", "json")
    assert applied.exit_code == 0, applied.output
    assert f"{len(TOPICS)}/{len(TOPICS)} created" in applied.stderr

    after = planned(file, 0)
    assert {item["action"] for item in after.values()} == {"none"}
    assert not any(item["changes"] for item in after.values())
    assert asyncio.run(check(Connection((kafka,), prefix=prefix), partitions=1)) == []
    again = tocsin(file, "topics", "apply")
    assert again.exit_code == 0
    assert "created" not in again.stderr


def test_what_plan_said_is_what_the_cluster_has(tmp_path: Path, kafka: str, prefix: str) -> None:
    file = settings_file(tmp_path, kafka, prefix)
    said = planned(file, 5)
    tocsin(file, "topics", "apply")

    async def look(admin: Admin) -> Any:
        return await admin.found(said)

    found = administer(kafka, look)
    for name, item in said.items():
        assert found[name].partitions == item["partitions"]
        assert found[name].configs.items() >= {one["setting"]: one["wanted"] for one in item["changes"]}.items()


def test_drift_is_found_and_corrected_and_nothing_else_touched(tmp_path: Path, kafka: str, prefix: str) -> None:
    file = settings_file(tmp_path, kafka, prefix)
    tocsin(file, "topics", "apply")
    journal = prefix + INCIDENTS.name
    change(kafka, journal, {"cleanup.policy": "compact", "segment.ms": "12345678"})

    drifted = planned(file, 5)
    assert drifted[journal]["changes"] == [{"setting": "cleanup.policy", "found": "compact", "wanted": "delete"}]
    assert sum(item["action"] != "none" for item in drifted.values()) == 1
    (said,) = asyncio.run(check(Connection((kafka,), prefix=prefix), partitions=1))
    assert said == f"topic {journal} has cleanup.policy=compact instead of delete; run `tocsin topics apply`"

    assert tocsin(file, "topics", "apply").exit_code == 0
    planned(file, 0)

    async def look(admin: Admin) -> Any:
        return await admin.found([journal])

    assert administer(kafka, look)[journal].configs["segment.ms"] == "12345678"


def test_another_number_of_partitions_is_refused_and_nothing_is_done(tmp_path: Path, kafka: str, prefix: str) -> None:
    file = settings_file(tmp_path, kafka, prefix)
    tocsin(file, "topics", "apply")
    delete(kafka, prefix + RAW.name)

    done = tocsin(file, "topics", "apply", TOCSIN_PARTITIONS="2")
    assert done.exit_code == 1
    assert "nothing was changed" in done.stderr
    assert "has 1 partitions, the settings say 2" in done.stdout
    assert "set partitions: 1" in done.stdout
    assert tocsin(file, "topics", "plan", TOCSIN_PARTITIONS="2").exit_code == 1

    left = planned(file, 5)
    assert left[prefix + RAW.name]["action"] == "create", "it was not made beside refused ones"
    assert left[prefix + SETTINGS.name]["action"] == "none"


def test_copies_that_the_cluster_cannot_make_are_refused(tmp_path: Path, kafka: str, prefix: str) -> None:
    file = settings_file(tmp_path, kafka, prefix, replication=32)
    done = tocsin(file, "topics", "apply")
    assert done.exit_code == 1
    assert "too few brokers for this many copies" in done.stderr
    assert "set kafka.replication" in done.stderr


def test_three_brokers_keep_three_copies_of_which_two_must_have_a_record(tmp_path: Path, three_kafkas: Any) -> None:
    file = settings_file(tmp_path, three_kafkas.servers, "copies.")
    assert tocsin(file, "topics", "apply").exit_code == 0
    items = planned(file, 0)
    assert {item["replication"] for item in items.values()} == {3}

    async def look(admin: Admin) -> Any:
        return await admin.found(items)

    found = administer(three_kafkas.servers, look)
    assert {(one.replication, one.configs["min.insync.replicas"]) for one in found.values()} == {(3, "2")}


def test_a_cluster_that_is_away_is_exit_4_with_reason_and_remedy(tmp_path: Path) -> None:
    done = tocsin(settings_file(tmp_path, "127.0.0.1:1", "x."), "topics", "plan")
    assert done.exit_code == 4
    assert done.stderr.strip() == "Error: server 127.0.0.1:1: nothing listens there; correct broker, or start Kafka"
