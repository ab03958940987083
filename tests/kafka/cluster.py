"""A real Apache Kafka of one or three nodes for tests, on 127.0.0.1, without containers.

    with Cluster(directory, nodes=3) as cluster:
        cluster.servers                 # "127.0.0.1:40001,127.0.0.1:40002,127.0.0.1:40003"
        cluster.nodes[1].kill()         # SIGKILL; also stop(), pause(), resume(), start()

`start` returns when all nodes answer. All calls block: in a coroutine use `asyncio.to_thread`. A node keeps ports and
data over `stop`, `kill` and `start`; the data go with the directory. `security=True` adds listeners that ask for a
login or a certificate, and ACLs (see `security.py`).
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from kafka.archive import options
from kafka.jars import libs
from kafka.security import PASSWORD, USER, Certificates, listener_properties

CLUSTER_ID = "dG9jc2luLXRlc3RzLWthZg"
START_SECONDS_MAX = 60
"""A node takes about 3 s; on a machine that does ten other things many times that."""
STOP_SECONDS_MAX = 20
HEAP = ("-Xms96m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Small and quick to start; throughput is not what these brokers are for."""

OFFSETS_PARTITIONS = 4
COORDINATOR_ERRORS = (14, 15, 16)
"""Of the protocol: offsets are being loaded, there is no coordinator, it is another one."""
LISTENERS = ("PLAINTEXT", "SASL", "SSL", "MTLS")
LOG4J = """
status=warn
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c{1}: %m%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
logger.state.name=org.apache.kafka
logger.state.level=warn
"""


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now; all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Node:
    """One broker process, controller too."""

    def __init__(self, number: int, directory: Path, ports: Mapping[str, int], java: Sequence[str] = HEAP) -> None:
        self.number = number
        self.java = java
        self.directory = directory
        self.ports = ports
        self._running: subprocess.Popen[bytes] | None = None
        self._paused = False

    @property
    def server(self) -> str:
        """`host:port` of the plain listener."""
        return self.listener("PLAINTEXT")

    def listener(self, name: str) -> str:
        """`host:port` of one of LISTENERS."""
        return f"127.0.0.1:{self.ports[name]}"

    @property
    def pid(self) -> int:
        assert self._running is not None, f"node {self.number} does not run"
        return self._running.pid

    @property
    def running(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def start(self, *, wait: bool = True) -> None:
        """Start it on its old data; `wait` until it listens."""
        assert not self.running, f"node {self.number} runs already"
        words = ["java", *options(), *self.java, f"-Dlog4j2.configurationFile={self.directory / 'log4j2.properties'}"]
        words += ["-cp", f"{libs()}/*", "kafka.Kafka", str(self.directory / "server.properties")]
        with self.output.open("ab") as out:
            self._running = subprocess.Popen(words, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        if wait:
            self.listening()

    def listening(self) -> None:
        """Return when it takes connections.

        Raises:
            AssertionError: it ended, or took too long; with the end of its output.
        """
        until = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < until and self.running:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.ports["PLAINTEXT"]), 1):
                return
            time.sleep(0.05)
        raise AssertionError(f"Kafka node {self.number} did not start:\n{self.tail()}")

    def stop(self) -> None:
        """SIGTERM, as an operator stops it; SIGKILL when that does not end it."""
        if self._running is None:
            return
        self.resume()
        self._running.terminate()
        try:
            self._running.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
        self._running = None

    def kill(self) -> None:
        """SIGKILL: the machine is gone."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()
        self._running, self._paused = None, False

    def pause(self) -> None:
        """SIGSTOP: it holds its connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        if self._paused and self.running:
            os.kill(self.pid, signal.SIGCONT)
        self._paused = False

    @property
    def output(self) -> Path:
        return self.directory / "output.log"

    def tail(self) -> str:
        """The end of what it wrote."""
        return self.output.read_text(errors="replace")[-4000:] if self.output.exists() else ""


class Cluster:
    """One or three nodes. A context manager, or `start` and `stop`."""

    def __init__(
        self,
        directory: Path,
        *,
        nodes: int = 1,
        security: bool = False,
        properties: Mapping[str, str] | None = None,
        java: Sequence[str] = HEAP,
    ) -> None:
        """
        Args:
            directory: for configuration and data; made if missing.
            nodes: 1 or 3; with three everything has three replicas of which two must be in sync.
            security: add the listeners SASL, SSL and MTLS and the ACLs, and make user USER with PASSWORD.
            properties: further broker settings.
            java: options of the virtual machine.
        """
        self.directory = directory
        self.security = security
        self.certificates = Certificates(directory / "certificates") if security else None
        ports = free_ports(nodes * 5)
        self.nodes = [
            Node(
                number,
                directory / f"node-{number}",
                dict(zip(("CONTROLLER", *LISTENERS), ports[at : at + 5], strict=True)),
                java,
            )
            for number, at in enumerate(range(0, nodes * 5, 5), 1)
        ]
        for node in self.nodes:
            self._prepare(node, dict(properties or {}))

    @property
    def servers(self) -> str:
        """Bootstrap servers without login, comma-separated."""
        return self.listener("PLAINTEXT")

    def listener(self, name: str) -> str:
        """Bootstrap servers of one of LISTENERS, comma-separated."""
        return ",".join(node.listener(name) for node in self.nodes)

    def start(self) -> Self:
        for node in self.nodes:
            node.start(wait=False)
        self.settled()
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _groups(self.servers)).result()
        return self

    def settled(self) -> None:
        """Return when every node that runs takes connections and all of them are in the metadata."""
        running = [node for node in self.nodes if node.running]
        for node in running:
            node.listening()
        members = _members(",".join(node.server for node in running), len(running))
        with ThreadPoolExecutor(1) as thread:  # the caller may be inside a loop of its own
            thread.submit(asyncio.run, members).result()

    def stop(self) -> None:
        """End all nodes at once; their data stay."""
        for node in self.nodes:
            node.kill()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _prepare(self, node: Node, properties: dict[str, str]) -> None:
        shutil.rmtree(node.directory, ignore_errors=True)
        node.directory.mkdir(parents=True)
        settings = self._properties(node) | properties
        (node.directory / "log4j2.properties").write_text(LOG4J)
        file = node.directory / "server.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        words = ["java", *options(), "-XX:TieredStopAtLevel=1", "-cp", f"{libs()}/*"]
        words += ["kafka.tools.StorageTool", "format"]
        words += ["-t", CLUSTER_ID, "-c", str(file)]
        if self.security:
            words += ["--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=START_SECONDS_MAX, check=False)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"

    def _properties(self, node: Node) -> dict[str, str]:
        replicas = len(self.nodes)
        in_sync = 2 if replicas > 1 else 1
        names = LISTENERS if self.security else LISTENERS[:1]
        listeners = ",".join(f"{name}://127.0.0.1:{node.ports[name]}" for name in names)
        protocols = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"
        settings = {
            "process.roles": "broker,controller",
            "node.id": str(node.number),
            "controller.quorum.voters": ",".join(
                f"{other.number}@127.0.0.1:{other.ports['CONTROLLER']}" for other in self.nodes
            ),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{node.ports['CONTROLLER']}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": protocols,
            "log.dirs": str(node.directory / "data"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": str(replicas),
            "min.insync.replicas": str(in_sync),
            "offsets.topic.num.partitions": str(OFFSETS_PARTITIONS),
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "log.segment.bytes": "16777216",
            "log.cleaner.backoff.ms": "500",
            "log.index.size.max.bytes": "65536",
            # Tests fail and return brokers within seconds; the defaults are for machines that restart in minutes.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "replica.lag.time.max.ms": "4000",
            "controlled.shutdown.enable": "true",
        }
        for topic in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic"):
            settings[f"{topic}.replication.factor"] = str(replicas)
        for topic in ("transaction.state.log", "share.coordinator.state.topic"):
            settings[f"{topic}.min.isr"] = str(in_sync)
            settings[f"{topic}.num.partitions"] = "1"
        if self.certificates is not None:
            settings |= listener_properties(self.certificates)
        return settings


async def _members(servers: str, count: int) -> None:
    """Wait until the metadata name `count` brokers and there is a controller."""
    until = time.monotonic() + START_SECONDS_MAX
    found: object = None
    while time.monotonic() < until:
        admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=5000)
        try:
            await admin.start()
            found = await admin.describe_cluster()
            if len(found["brokers"]) >= count and found["controller_id"] != -1:
                return
        except (KafkaError, OSError, TimeoutError) as error:
            found = error
        finally:
            with contextlib.suppress(Exception):
                await admin.close()
        await asyncio.sleep(0.1)
    raise AssertionError(f"the cluster at {servers} did not come together: {found}")


async def _groups(servers: str) -> None:
    """Wait until every group has a coordinator: the topic of offsets is made by the first who asks, and then read."""
    until = time.monotonic() + START_SECONDS_MAX
    names = [f"ready{number}" for number in range(OFFSETS_PARTITIONS)]  # neighbours by their hash: one in each
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=5000)
    await admin.start()
    try:
        while names:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                (found,) = (await admin.describe_consumer_groups(names[-1:]))[0].groups
                if found[0] not in COORDINATOR_ERRORS:
                    names.pop()
                    continue
            assert time.monotonic() < until, f"the cluster at {servers} has no coordinator for {names[-1]}"
            await asyncio.sleep(0.05)
    finally:
        await admin.close()
