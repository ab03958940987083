"""The processes of deploy/kubernetes, started by hand: workers share the work, one process keeps the event log.

The settings are those of the ConfigMap, the variables those of the StatefulSets; only the address of Kafka, its login
and the directories are ours.
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from integration.running import TOCSIN, Sink, free_port, spawn
from integration.waiting import until
from kafka.topics import create

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]

MANIFESTS = Path(__file__).parents[2] / "deploy/kubernetes"
PARTITIONS = 4
GROUPS = 8
TAKEN_OVER_WITHIN = 40.0
"""Seconds: the session time-out below, the load, the next look of the gauges, and a busy machine."""


def manifest(file: str, kind: str) -> dict[str, Any]:
    documents = yaml.safe_load_all((MANIFESTS / file).read_text(encoding="utf-8"))
    found: dict[str, Any] = next(one for one in documents if one["kind"] == kind)
    return found


class Pod:
    """One process of a StatefulSet."""

    def __init__(self, directory: Path, file: str, number: int, settings: dict[str, Any]) -> None:
        stateful_set = manifest(file, "StatefulSet")
        (container,) = stateful_set["spec"]["template"]["spec"]["containers"]
        self.name = f"{stateful_set['metadata']['name']}-{number}"
        self.directory = directory / self.name
        self.directory.mkdir()
        self.url = f"http://127.0.0.1:{free_port()}"
        path = self.directory / "tocsin.yaml"
        path.write_text(yaml.safe_dump({**settings, "http": {"listen": self.url.removeprefix("http://")}}))
        variables = {one["name"]: one.get("value", self.name) for one in container["env"]}
        self.process = spawn(
            self.directory / "log.txt",
            str(TOCSIN),
            *[word.replace("/etc/tocsin/tocsin.yaml", str(path)) for word in container["args"]],
            environment={**variables, "TOCSIN_DATA_DIR": str(self.directory / "data")},
        )
        self.probes = [container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "readiness")]

    async def well(self) -> bool:
        """Whether its startup and readiness probes succeed."""
        printed = (self.directory / "log.txt").read_text(errors="replace")[-4000:]
        assert self.process.poll() is None, f"{self.name} ended:\n{printed}"
        with contextlib.suppress(httpx.HTTPError):
            async with httpx.AsyncClient(base_url=self.url, timeout=2) as client:
                return all([(await client.get(path)).is_success for path in self.probes])
        return False

    async def open_incidents(self) -> float:
        """What it shows of `tocsin_incidents_open`."""
        async with httpx.AsyncClient(timeout=10) as client:
            lines = (await client.get(f"{self.url}/metrics")).text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("tocsin_incidents_open{"))

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


@contextlib.asynccontextmanager
async def pods(directory: Path, kafka: str, prefix: str, sink: Sink) -> AsyncIterator[tuple[Pod, Pod, Pod]]:
    """Two workers and the keeper of the event log, ready."""
    settings = yaml.safe_load(manifest("settings.yaml", "ConfigMap")["data"]["tocsin.yaml"])
    settings |= {
        "broker": f"kafka://{kafka}",
        "kafka": {"prefix": prefix, "session_timeout": "6s"},
        "partitions": PARTITIONS,
        "notify": {"channels": {"sink": {"type": "webhook", "url": sink.url}}, "routes": [{"channels": ["sink"]}]},
    }
    await create(kafka, prefix, partitions=PARTITIONS)
    started = [
        Pod(directory, file, number, settings)
        for file, number in (("workers.yaml", 0), ("workers.yaml", 1), ("persist.yaml", 0))
    ]
    try:
        for pod in started:
            await until(pod.well, f"{pod.name} ready", 60)
        first, second, keeper = started
        yield first, second, keeper
    finally:
        for pod in started:
            pod.end()


async def test_workers_share_the_work_and_take_over_what_one_leaves(kafka: str, prefix: str, tmp_path: Path) -> None:
    async with (
        Sink() as sink,
        pods(tmp_path, kafka, prefix, sink) as (first, second, keeper),
        httpx.AsyncClient(timeout=20) as client,
    ):
        for number in range(GROUPS):
            alert = {"title": f"Disk of db{number} is full", "service": f"db{number}", "severity": "critical"}
            reply = await client.post(f"{(first, second)[number % 2].url}/api/v1/alerts", json=alert)
            assert reply.status_code == 202, reply.text

        async def listed() -> list[dict[str, Any]]:
            items = (await client.get(f"{keeper.url}/api/incident_response", params={"limit": 100})).json()["items"]
            return items if len(items) >= GROUPS else []

        found = await until(listed, "all incidents in the event log")
        assert sorted(one["service"] for one in found) == [f"db{number}" for number in range(GROUPS)]

        async def shown() -> bool:
            counts = [await pod.open_incidents() for pod in (first, second)]
            return sum(counts) == GROUPS and min(counts) > 0

        await until(shown, "each incident counted by one worker")
        command = {"verb": "acknowledge", "incident": found[0]["number"], "reason": "looking"}
        reply = await client.post(f"{keeper.url}/api/v1/commands", json=command, params={"wait": 20})
        assert reply.status_code == 200, reply.text

        second.end()

        async def taken_over() -> bool:
            return await first.open_incidents() == GROUPS and await first.well()

        await until(taken_over, "the first worker to have all incidents", TAKEN_OVER_WITHIN)
        late = {"title": "Disk of db1 is fuller", "service": "db1", "severity": "critical", "key": "fuller"}
        assert (await client.post(f"{first.url}/api/v1/alerts", json=late)).status_code == 202

        async def told() -> list[str]:
            bodies = [one["body"] for one in sink.journal]
            numbers = [one["incident"]["number"] for one in bodies if one["type"] == "incident.opened"]
            return numbers if len(numbers) > GROUPS else []

        numbers = await until(told, "the page about the last one")
        assert len(set(numbers)) == len(numbers) == GROUPS + 1
