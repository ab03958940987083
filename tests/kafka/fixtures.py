"""Fixtures for tests that need a real Kafka. A test package takes them into its conftest:

    from kafka.fixtures import kafka, prefix, secure_kafka, three_kafkas  # noqa: F401

One broker serves the whole session, whoever asks first starts it; every test has a prefix of its own for topics and
groups. What breaks a broker starts its own: `Cluster(tmp_path)`.

Environment:
    TOCSIN_TEST_KAFKA=host:port  a broker that runs already, for `kafka`; nothing is started for it
"""

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path

import pytest

from kafka.cluster import Cluster
from kafka.jars import Missing, libs
from kafka.topics import delete_prefix


@cache
def shared(nodes: int = 1, security: bool = False) -> Cluster:
    """The one cluster of this kind in this process; it ends with the process."""
    directory = Path(tempfile.mkdtemp(prefix="tocsin-kafka-"))
    cluster = Cluster(directory, nodes=nodes, security=security)

    def end() -> None:
        cluster.stop()
        shutil.rmtree(directory, ignore_errors=True)

    atexit.register(end)
    return cluster.start()


def runnable() -> None:
    """Skip the test where no Kafka can be run; CI turns the skip into a failure."""
    try:
        libs()
    except Missing as missing:
        pytest.skip(f"Kafka {missing}")


@pytest.fixture(scope="session")
def kafka() -> str:
    """Bootstrap servers of one node without login."""
    if given := os.environ.get("TOCSIN_TEST_KAFKA"):
        return given
    runnable()
    return shared().servers


@pytest.fixture(scope="session")
def secure_kafka() -> Cluster:
    """One node with the secure listeners and ACLs."""
    runnable()
    return shared(security=True)


@pytest.fixture(scope="session")
def three_kafkas() -> Cluster:
    """Three nodes; who ends one starts it again and waits for `settled`."""
    runnable()
    return shared(nodes=3)


@pytest.fixture
async def prefix(kafka: str) -> AsyncIterator[str]:
    """In front of topics and groups of one test on `kafka`; its topics are deleted afterwards."""
    prefix = f"t{secrets.token_hex(4)}."
    yield prefix
    await delete_prefix(kafka, prefix)
