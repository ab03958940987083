"""Programs that watch others, started with files of ours: Prometheus, Alertmanager, and something that can be ill.

In: a directory for their files, what they scrape and whom they tell. Out: their addresses. They listen on loopback
only and end with their block.
"""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
import yaml

from integration.running import free_port, spawn
from integration.waiting import until

START_WITHIN = 20.0
"""Seconds; a Prometheus on a busy machine takes three."""
STOP_WITHIN = 10.0


def needs(program: str, package: str) -> str:
    """The path of `program`; without it the test is skipped."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed (Debian: {package})")
    return found


async def answers(url: str) -> bool:
    """Whether `url` gives 200."""
    with contextlib.suppress(httpx.HTTPError):
        async with httpx.AsyncClient(timeout=2) as client:
            return (await client.get(url)).status_code == 200
    return False


def _last(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:]


def _written(directory: Path, name: str, config: Mapping[str, Any]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / name
    file.write_text(yaml.safe_dump(dict(config)))
    return file


@contextlib.asynccontextmanager
async def _serving(name: str, log: Path, ready: str, *words: str) -> AsyncIterator[None]:
    process = spawn(log, *words)

    async def started() -> bool:
        assert process.poll() is None, f"{name} ended:\n{_last(log)}"
        return await answers(ready)

    try:
        await until(started, f"start of {name}", START_WITHIN)
        yield
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, STOP_WITHIN)


@contextlib.asynccontextmanager
async def alertmanager(directory: Path, config: Mapping[str, Any]) -> AsyncIterator[str]:
    """A real Alertmanager with `config`; yields its address."""
    program = needs("prometheus-alertmanager", "prometheus-alertmanager")
    file = _written(directory, "alertmanager.yml", config)
    address = f"127.0.0.1:{free_port()}"
    async with _serving(
        "Alertmanager",
        directory / "alertmanager.log",
        f"http://{address}/-/ready",
        program,
        f"--config.file={file}",
        f"--storage.path={directory / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ):
        yield f"http://{address}"


def telling(webhook: str) -> dict[str, Any]:
    """A configuration that hands everything to `webhook` at once."""
    return {
        "route": {
            "receiver": "tocsin",
            "group_by": ["alertname"],
            "group_wait": "0s",
            "group_interval": "1s",
            "repeat_interval": "1s",
        },
        "receivers": [{"name": "tocsin", "webhook_configs": [{"url": webhook, "send_resolved": True}]}],
    }


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    async def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The instant vector of `expression`: labels and value of each series.

        Raises:
            AssertionError: it is no expression, or Prometheus failed; with its words.
        """
        async with httpx.AsyncClient(timeout=10) as client:
            answer = (await client.get(f"{self.url}/api/v1/query", params={"query": expression})).json()
        assert answer["status"] == "success", answer
        return [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]

    async def until(self, expression: str, seconds: float = 30.0) -> list[tuple[dict[str, str], float]]:
        """Wait until `expression` gives at least one series."""
        return await until(lambda: self.query(expression), expression, seconds)


@contextlib.asynccontextmanager
async def prometheus(directory: Path, config: Mapping[str, Any]) -> AsyncIterator[Prometheus]:
    """A real Prometheus with `config`; relative paths of rule files are below `directory`."""
    program = needs("prometheus", "prometheus")
    file = _written(directory, "prometheus.yml", config)
    address = f"127.0.0.1:{free_port()}"
    async with _serving(
        "Prometheus",
        directory / "prometheus.log",
        f"http://{address}/-/ready",
        program,
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address={address}",
        "--rules.alert.resend-delay=1s",
        "--log.level=warn",
    ):
        yield Prometheus(f"http://{address}")


def every_second(jobs: Mapping[str, str], alerts_to: str, rule_files: Sequence[Path]) -> dict[str, Any]:
    """Scrape `jobs` (name -> host:port), judge and tell `alerts_to` (host:port) as fast as Prometheus can."""
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s", "external_labels": {"cluster": "test"}},
        "rule_files": [str(file) for file in rule_files],
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": [target]}]} for name, target in jobs.items()
        ],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alerts_to]}]}]},
    }


class Patient:
    """Something with one metric, `patient_errors`, which the test sets."""

    def __init__(self) -> None:
        self.errors = 0
        self.address = ""
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            body = f"# TYPE patient_errors gauge\npatient_errors {self.errors}\n"
            head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n"
            writer.write(f"{head}Connection: close\r\n\r\n{body}".encode())
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
