"""A start on Kafka that finds nobody: it tries for a while, then it ends with the reason and the remedy."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from kafka.cluster import free_ports
from tocsin.cli.kafka import join_cluster
from tocsin.runtime.broker import Unavailable
from tocsin.runtime.clock import SystemClock
from tocsin.settings import Settings
from tocsin.settings.load import load


def settings(directory: Path, servers: str) -> Settings:
    file = directory / "tocsin.yaml"
    file.write_text(f"data_dir: {directory / 'data'}\nbroker: kafka://{servers}\npartitions: 1\n")
    return load(file, {})


async def test_servers_that_nobody_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    servers = ",".join(f"127.0.0.1:{port}" for port in free_ports(2))
    async with asyncio.timeout(30), AsyncExitStack() as stack:
        with pytest.raises(Unavailable) as caught:
            await join_cluster(settings(tmp_path, servers), SystemClock(), stack, patience=1.5)
    for server in servers.split(","):
        assert f"server {server}: nothing listens there; correct broker, or start Kafka" in str(caught.value)
    assert caplog.text.count("waiting for Kafka") == 1, "it tried again, and said so once"
    assert not (tmp_path / "data").exists(), "nothing is begun"


async def test_a_server_that_speaks_something_else(tmp_path: Path) -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, asyncio.timeout(50), AsyncExitStack() as stack:
        with pytest.raises(Unavailable, match=rf"127\.0\.0\.1:{port}: .*; .*broker"):
            await join_cluster(settings(tmp_path, f"127.0.0.1:{port}"), SystemClock(), stack, patience=0)
