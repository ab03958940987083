"""The examples of the handbook, run as they are: each prints exactly what counts of a journal with stale records in it.

The journal is written by a plain producer, record by record, so nothing of tocsin's own reading or writing takes part.
"""

import asyncio
import itertools
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from confluent_kafka import Consumer

import tocsin
from kafka.jars import libs
from tocsin.client import Events, counted, counted_async
from tocsin.wire import examples
from tocsin.wire.events import encode, source_of, stamp

pytestmark = pytest.mark.integration

EXAMPLES = Path(tocsin.__file__).parent / "docs" / "examples"
TOPIC = "incidents.events.v1"


@pytest.fixture
async def journal(kafka: str, prefix: str) -> tuple[str, list[str]]:
    """A topic with two partitions, and the lines that a subscriber has to print, partition by partition."""
    topic = prefix + TOPIC
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1)])
    await admin.close()
    wanted = []
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for partition in (0, 1):
            offset = 0
            for nth, name in enumerate(sorted(examples.EVENTS)):
                # Stale writers: late ones, one that is ahead, one that knows no protocol.
                for wrong in {0: (), 1: (offset - 1,), 2: (0, 0, offset + 7)}[nth % 3]:
                    await producer.send_and_wait(topic, b"{}", partition=partition, headers=headers(name, wrong))
                    offset += 1
                if nth % 5 == 0:
                    await producer.send_and_wait(topic, b"no event", partition=partition)
                    offset += 1
                sent = headers(name, offset)
                value = encode(examples.EVENTS[name]).value
                placed = await producer.send_and_wait(topic, value, partition=partition, headers=sent)
                assert placed.offset == offset
                wanted.append(f"{partition} {offset} tocsin.{name}.v1 {dict(sent)['ce_id'].decode()}")
                offset += 1
    return topic, wanted


def headers(name: str, offset: int) -> list[tuple[str, bytes]]:
    source = source_of("tocsin", TOPIC, 0)
    encoded = encode(examples.EVENTS[name])
    return list(stamp(encoded, source=source, journal=TOPIC, partition=0, offset=offset, claim=0))


@pytest.fixture(scope="session")
def java_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the compiled Java example."""
    if not shutil.which("javac"):
        pytest.skip("needs a JDK (Debian: default-jdk-headless)")
    target = tmp_path_factory.mktemp("classes")
    words = [
        "javac",
        "-Xlint:all",
        "-Werror",
        "-cp",
        f"{libs()}/*",
        "-d",
        str(target),
        str(EXAMPLES / "Subscribe.java"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def command(example: str, request: pytest.FixtureRequest) -> list[str]:
    """How the example is run, without its arguments."""
    if example.endswith(".java"):
        classes = request.getfixturevalue("java_classes")
        return ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{classes}:{libs()}/*", example.removesuffix(".java")]
    if example.endswith(".sh"):
        for program in ("kcat", "jq"):
            if not shutil.which(program):
                pytest.skip(f"needs {program}")
        return ["sh", str(EXAMPLES / example)]
    return [sys.executable, str(EXAMPLES / example)]


@contextmanager
def started(log: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A program that is ended at the end, with what it started."""
    with log.open("w") as stderr:
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=stderr, text=True, start_new_session=True, bufsize=1
        )
        try:
            yield process
        finally:
            subprocess.run(["kill", "--", f"-{process.pid}"], check=False, capture_output=True)
            assert process.stdout is not None
            process.stdout.close()
            process.wait(timeout=30)


def printed(process: "subprocess.Popen[str]", count: int) -> list[str]:
    """Its first `count` lines; the test's time-out is the bound. The last record of each partition counts, so a line
    too many anywhere takes the place of one of them."""
    assert process.stdout is not None
    return [line.rstrip("\n") for line in itertools.islice(process.stdout, count)]


def lines_of(lines: list[str], partition: str) -> list[str]:
    return [line for line in lines if line.startswith(f"{partition} ")]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.glob("[Ss]ubscribe*")))
async def test_an_example_prints_what_counts_and_nothing_else(
    example: str,
    journal: tuple[str, list[str]],
    kafka: str,
    prefix: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    topic, wanted = journal
    words = [*command(example, request), kafka, topic, prefix + "readers"]
    with started(tmp_path / "log.txt", *words) as process:
        lines = await asyncio.to_thread(printed, process, len(wanted))
    assert (lines_of(lines, "0"), lines_of(lines, "1")) == (lines_of(wanted, "0"), lines_of(wanted, "1")), (
        tmp_path / "log.txt"
    ).read_text()


async def test_the_client_reads_with_aiokafka_and_confluent(
    journal: tuple[str, list[str]], kafka: str, prefix: str
) -> None:
    topic, wanted = journal
    options = {"bootstrap.servers": kafka, "group.id": prefix + "one", "auto.offset.reset": "earliest"}
    consumer, events = Consumer(options), Events()
    consumer.subscribe([topic])

    def read() -> list[str]:
        reader = counted(consumer, events=events)
        return [str(next(reader).partition) for _ in wanted]

    try:
        found = await asyncio.to_thread(read)
    finally:
        await asyncio.to_thread(consumer.close)
    assert sorted(found) == sorted(line[0] for line in wanted)
    assert events.dropped > len(wanted) / 2
    lines = []
    async with AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest") as other:
        async for event in counted_async(other):
            assert event.event() == examples.EVENTS[event.type]
            lines.append(f"{event.partition} {event.offset} tocsin.{event.type}.v1 {event.id}")
            if len(lines) == len(wanted):
                break
    assert sorted(lines) == sorted(wanted)
