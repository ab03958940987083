"""What breaks under a running `tocsin` on Kafka: it says what and what to do, nothing hangs in silence, nothing is
lost, and where time or a person cures it, it goes on by itself. What it refuses to start on: `test_kafka_refusals.py`.
"""

import asyncio
import os
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from integration.kafka_log import opened
from integration.kafka_running import Worker
from integration.kafka_user import GROUP, TOPIC, allow_again, delete, deny
from integration.running import TOCSIN, Sink, call
from integration.test_kill import received, rows
from integration.waiting import post, until
from kafka import topics
from kafka.cluster import Cluster
from kafka.fixtures import runnable
from kafka.security import PASSWORD, USER
from tocsin.runtime.kafka.requests import READ, WRITE
from tocsin.testing.checker import check
from tocsin.testing.simulator import export

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

SESSION = "6s"
LOGIN = {"protocol": "SASL_PLAINTEXT", "mechanism": "PLAIN", "username": USER, "password": PASSWORD}
JOURNAL, RAW = "incidents.events.v1", "alerts.raw.v1"


def worker(directory: Path, servers: str, prefix: str, *, sink: str | None = None, **more: Any) -> Worker:
    kafka = {"prefix": prefix, "session_timeout": SESSION, **more.pop("kafka", {})}
    return Worker(directory, sink, broker=f"kafka://{servers}", partitions=1, kafka=kafka, **more)


async def apply(one: Worker) -> None:
    await call(str(TOCSIN), "topics", "apply", "-c", str(one.config))


async def problems(one: Worker) -> list[str]:
    """What `/-/ready` says; nothing when it does not answer."""
    async with httpx.AsyncClient(timeout=5) as client:
        try:
            found: list[str] = (await client.get(f"{one.url}/-/ready")).json()["problems"]
        except httpx.HTTPError:
            return []
    return found


async def says(one: Worker, *words: str, seconds: float = 40.0) -> str:
    """The line in `/-/ready` that has all `words`."""

    async def look() -> str:
        return next((line for line in await problems(one) if all(word in line for word in words)), "")

    return await until(look, f"{words} in /-/ready", seconds)


async def ends(one: Worker, seconds: float = 40.0) -> str:
    """The last line of a process that ends by itself; a person reads nothing else."""
    assert one.process is not None
    process = one.process
    assert await until(lambda: asyncio.to_thread(process.poll), "the end of the process", seconds) == 1
    printed = one.printed()
    assert "Traceback" not in printed
    return printed.strip().splitlines()[-1]


async def titles(one: Worker) -> list[str]:
    async with httpx.AsyncClient(timeout=10) as client:
        page = (await client.get(f"{one.url}/api/incident_response", params={"limit": 500})).json()
    return sorted(item["title"] for item in page["items"])


async def shows(one: Worker, *wanted: str) -> None:
    async def look() -> bool:
        return await titles(one) == sorted(wanted)

    await until(look, f"incidents {wanted}")


@pytest.fixture
async def killed_at_the_end() -> AsyncIterator[list[Worker]]:
    workers: list[Worker] = []
    yield workers
    for one in workers:
        if one.running:
            one.kill()


# Rights


@pytest.fixture
async def secured(secure_kafka: Cluster) -> AsyncIterator[str]:
    """A prefix on the secure cluster."""
    prefix = f"r{secrets.token_hex(4)}."
    yield prefix
    await topics.delete_prefix(secure_kafka.servers, prefix)


TAKEN = {
    "write a journal": (TOPIC, JOURNAL, WRITE, "no right to this topic; grant Describe, Read and Write"),
    "read alerts": (TOPIC, RAW, READ, "no right to this topic; grant Describe, Read and Write"),
    "be in a group": (GROUP, "tocsin.core", READ, "no right to this group; grant Describe and Read"),
}


async def test_rights_that_are_taken_and_given_back(
    tmp_path: Path, secure_kafka: Cluster, secured: str, killed_at_the_end: list[Worker]
) -> None:
    one = worker(tmp_path, secure_kafka.listener("SASL"), secured, kafka={"security": LOGIN})
    killed_at_the_end.append(one)
    await apply(one)
    await one.start()
    sent = ["before"]
    assert (await post(one, {"title": "before"})).status_code == 202
    for title, (kind, name, operation, words) in TAKEN.items():
        await shows(one, *sent)
        await asyncio.to_thread(deny, secure_kafka.servers, kind, secured + name, operation)
        sent.append(title)
        assert (await post(one, {"title": title})).status_code == 202
        line = await says(one, secured + name, words)
        assert "`tocsin doctor`" in line
        await asyncio.to_thread(allow_again, secure_kafka.servers, kind, secured + name, operation)
        await one.ready()
    await shows(one, *sent)
    assert await one.end() == 0
    assert PASSWORD not in one.printed()
    assert one.printed().count("attempt 3 failed") <= 2, "what lasts is logged once"


# Names


async def test_a_name_that_two_processes_have(
    tmp_path: Path, kafka: str, prefix: str, killed_at_the_end: list[Worker]
) -> None:
    """The younger one works, the elder one ends: neither throws the other out for ever."""
    elder, younger = (
        worker(tmp_path / name, kafka, prefix, kafka={"member": "same"}, run={"groups": ["ingest", "core"]})
        for name in ("elder", "younger")
    )
    killed_at_the_end += [elder, younger]
    await apply(elder)
    await elder.start()
    younger.launch()
    said = await ends(elder)
    assert "another process has joined with the same member name; give each process its own kafka.member" in said
    await younger.ready()
    assert (await post(younger, {"title": "still there"})).status_code == 202
    assert await younger.end() == 0


# Topics


async def test_a_topic_that_somebody_deletes_and_makes_anew(
    tmp_path: Path, kafka: str, prefix: str, killed_at_the_end: list[Worker]
) -> None:
    """A group without the topic simply has fewer partitions: who looks at those alone is content."""
    one = worker(tmp_path, kafka, prefix)
    killed_at_the_end.append(one)
    await apply(one)
    await one.start()
    await asyncio.to_thread(delete, kafka, prefix + RAW)
    await says(one, f"topic {prefix}{RAW}: the topic or partition does not exist; run `tocsin topics apply`")
    await apply(one)
    await says(one, f"topic {prefix}{RAW}: the topic was made anew meanwhile; restart tocsin")
    assert await one.end() == 0


# Codecs


async def test_a_batch_whose_codec_has_no_library_here(
    tmp_path: Path, kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch, killed_at_the_end: list[Worker]
) -> None:
    one = worker(tmp_path / "worker", kafka, prefix)
    killed_at_the_end.append(one)
    await apply(one)
    without = tmp_path / "without"
    without.mkdir()
    (without / "cramjam.py").write_text("raise ImportError('not installed')\n")
    with monkeypatch.context() as here:
        here.setenv("PYTHONPATH", f"{without}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        await one.start()
    async with AIOKafkaProducer(bootstrap_servers=kafka, compression_type="zstd") as producer:
        for title in ("one", "two"):
            await producer.send_and_wait(prefix + RAW, f'{{"title": "{title}"}}'.encode())
    said = await ends(one)
    assert f"topic {prefix}{RAW}/0, read from offset 0 on" in said
    assert "zstd" in said
    assert "install `aiokafka[lz4,snappy,zstd]` in tocsin's environment" in said
    await one.start()
    await shows(one, "one", "two")
    assert await one.end() == 0


# Servers


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that a test may break."""
    runnable()
    with Cluster(tmp_path / "kafka") as cluster:
        yield cluster


async def test_servers_that_come_later_and_a_signal_while_they_are_waited_for(
    tmp_path: Path, own: Cluster, killed_at_the_end: list[Worker]
) -> None:
    one = worker(tmp_path / "worker", own.servers, "w.")
    killed_at_the_end.append(one)
    await apply(one)
    await asyncio.to_thread(own.stop)

    async def waits() -> bool:
        return "waiting for Kafka: " in one.printed()

    one.launch()
    await until(waits, "the reason why it waits")
    assert f"server {own.servers}: " in one.printed()
    assert "nothing listens there; correct broker, or start Kafka" in one.printed()
    began = time.monotonic()
    assert await one.end() == 0
    assert time.monotonic() - began < 10, "the promise for the end of a process holds for one that has not started"
    one.launch()
    await asyncio.to_thread(own.start)
    await one.ready()
    assert (await post(one, {"title": "late"})).status_code == 202
    await shows(one, "late")
    assert one.printed().count("waiting for Kafka: ") < 6, "what lasts is logged once"
    assert await one.end() == 0


# Disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of some megabytes; its end is the end of the test."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("needs root on Linux: it mounts a tmpfs")
    where = tmp_path / "disk"
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(where)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"may not mount a tmpfs here: {mounted.stderr.strip()}")
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


def fill(path: Path) -> None:
    """Take what room there is."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        while os.write(file, b"x" * 4096):
            pass
    except OSError:
        pass
    finally:
        os.close(file)


async def test_a_disk_of_a_broker_that_is_full(
    tmp_path: Path, small_disk: Path, killed_at_the_end: list[Worker]
) -> None:
    """One disk of two: the broker goes on without it, and the partitions on it have no leader."""
    runnable()
    disks = {"log.dirs": f"{small_disk / 'log'},{tmp_path / 'large'}", "metadata.log.dir": str(tmp_path / "metadata")}
    async with Sink() as sink:
        with Cluster(tmp_path / "kafka", properties=disks) as cluster:
            one = worker(tmp_path / "worker", cluster.servers, "d.", sink=sink.url)
            killed_at_the_end.append(one)
            await apply(one)
            await one.start()
            accepted = {n for n in range(10) if (await post(one, {"title": f"a{n}"})).status_code == 202}
            assert len(accepted) == 10
            assert any((small_disk / "log").glob("d.*")), "the full disk has a part of the log"
            fill(small_disk / "filler")
            words = "is full or has failed (node 1); free space in the broker's log.dirs, then restart that broker"
            # One that is said to be refused is not in the log; the first may be there, and then it was accepted.
            reply = await post(one, {"title": "a20"})
            assert reply.status_code == 202 or words in reply.json()["message"]
            await says(one, words)
            assert one.running
            (small_disk / "filler").unlink()
            await asyncio.to_thread(cluster.nodes[0].stop)
            await asyncio.to_thread(cluster.nodes[0].start)
            await one.ready()
            assert (await post(one, {"title": "a21"})).status_code == 202
            accepted |= {21} | ({20} if reply.status_code == 202 else set())
            await shows(one, *(f"a{n}" for n in accepted))
            assert await one.end() == 0
            async with opened(cluster.servers, "d.") as broker:
                log = await export(broker)
    checked = check(log, [received(each) for each in sink.journal], rows(one.directory / "state/events.sqlite3", log))
    assert not checked.problems, "\n".join(checked.problems[:20])
    assert checked.counts["incident.opened"] == len(accepted)
