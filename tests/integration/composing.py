"""docker-compose.yml where no container engine runs: the same programs, started with the very files it mounts.

In: the Compose file, profiles, variables. Out: running processes. What a container gives by its walls is rewritten in
the mounted files and the commands, and nothing else: addresses (`tocsin:9393`, `0.0.0.0:9393`) become ports on
loopback, paths in a container become paths below a directory. Dependencies are waited for as Compose does.
"""

import asyncio
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml

from integration.monitors import needs
from integration.running import TOCSIN, free_port, spawn
from integration.waiting import until
from kafka.cluster import HEAP
from kafka.fixtures import runnable
from kafka.jars import libs

CHECKOUT = Path(__file__).parents[2]
FILE = CHECKOUT / "docker-compose.yml"
ENDS_WITHIN = 60.0
HEALTHY_WITHIN = 60.0
STOPS_WITHIN = 20.0
CLUSTER_ID = "dG9jc2luLWNvbXBvc2UtMQ"


def interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    """`value` with `${NAME:-default}` filled in, at every depth."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: variables.get(found[1]) or found[2], value)
    if isinstance(value, list):
        return [interpolated(one, variables) for one in value]
    if isinstance(value, dict):
        return {key: interpolated(one, variables) for key, one in value.items()}
    return value


class Stand:
    """The services of the Compose file in some profiles, as processes."""

    def __init__(self, directory: Path, *profiles: str, **variables: str) -> None:
        found = interpolated(yaml.safe_load(FILE.read_text(encoding="utf-8")), variables)["services"]
        self.services: dict[str, dict[str, Any]] = {
            name: service for name, service in found.items() if set(service.get("profiles", profiles)) <= set(profiles)
        }
        self.directory = directory
        self.secrets = directory / "volumes/secrets"
        self._addresses: dict[tuple[str, int], str] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def address(self, service: str, port: int) -> str:
        """Where a port of a container is, here: `host:port`."""
        return self._addresses.setdefault((service, port), f"127.0.0.1:{free_port()}")

    def printed(self, name: str) -> str:
        """The end of what a service wrote."""
        return (self.directory / f"{name}.log").read_text(errors="replace")[-4000:]

    # ---- what containers are for ---------------------------------------------------------------------------------

    def _mounts(self, name: str) -> dict[str, Path]:
        """Path in the container -> path here. Files and folders of the checkout are copied and rewritten."""
        places: dict[str, Path] = {}
        for text in self.services[name].get("volumes", ()):
            source, target, *_ = text.split(":")
            local = not source.startswith(".")
            places[target] = (
                self.directory / ("volumes" if local else f"mounted/{name}") / (source if local else target[1:])
            )
        return places

    def rewritten(self, name: str, text: str) -> str:
        """`text` of the service `name` as it has to read outside of a container."""
        places = self._mounts(name)
        targets = "|".join(map(re.escape, sorted(places, key=len, reverse=True)))
        if targets:
            text = re.sub(rf"(?<![\w/.-])({targets})(?![\w.-])", lambda found: str(places[found[1]]), text)

        def here(found: re.Match[str]) -> str:
            host = name if found[1] in ("0.0.0.0", "localhost") else found[1]
            return self.address(host, int(found[2]))

        hosts = "|".join(map(re.escape, ("0.0.0.0", "localhost", *self.services)))
        return re.sub(rf"(?<![\w.-])({hosts}):(\d{{2,5}})\b", here, text)

    def _lay_out(self, name: str) -> None:
        for text in self.services[name].get("volumes", ()):
            source, target, *_ = text.split(":")
            place = self._mounts(name)[target]
            if not source.startswith("."):
                place.mkdir(parents=True, exist_ok=True)
                continue
            origin = CHECKOUT / source
            for file in [origin] if origin.is_file() else [one for one in origin.rglob("*") if one.is_file()]:
                copy = place if file == origin else place / file.relative_to(origin)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_text(self.rewritten(name, file.read_text(encoding="utf-8")))

    def _words(self, name: str) -> list[str]:
        """The program of an image with the command of the service."""
        image = self.services[name]["image"].rpartition(":")[0]
        command = [self.rewritten(name, word) for word in self.services[name].get("command", ())]
        if image == "tocsin":
            return [str(TOCSIN), *command]
        if image == "prom/prometheus":
            listens = f"--web.listen-address={self.address(name, 9090)}"
            return [needs("prometheus", "prometheus"), *command, listens]
        if image == "prom/alertmanager":
            listens = f"--web.listen-address={self.address(name, 9093)}"
            return [needs("prometheus-alertmanager", "prometheus-alertmanager"), *command, listens]
        assert image == "apache/kafka"
        return self._kafka(name)

    def _kafka(self, name: str) -> list[str]:
        """What the start script of the image does: format the directory, then run the broker."""
        runnable()
        properties = str(self._mounts(name)["/mnt/shared/config"] / "server.properties")
        java = ["java", *HEAP, "-cp", f"{libs()}/*"]
        storage = [*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", properties, "--ignore-formatted"]
        done = subprocess.run(storage, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return [*java, "kafka.Kafka", properties]

    # ---- start and stop ------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            for name in self._order():
                await self._start(name)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    def _order(self) -> list[str]:
        """Each service after those that it depends on."""
        order: list[str] = []

        def visit(name: str) -> None:
            if name in order or name not in self.services:
                return
            for other in self.services[name].get("depends_on", ()):
                visit(other)
            order.append(name)

        for name in self.services:
            visit(name)
        return order

    async def _start(self, name: str) -> None:
        await asyncio.to_thread(self._lay_out, name)
        words = await asyncio.to_thread(self._words, name)
        environment = {
            "PATH": f"{TOCSIN.parent}:{os.environ['PATH']}",
            "HOME": str(self.directory),
            "TOCSIN_DATA_DIR": str(self.directory / "volumes/tocsin"),
        }
        for key, value in self.services[name].get("environment", {}).items():
            environment[key] = self.rewritten(name, value)
        process = self._processes[name] = spawn(self.directory / f"{name}.log", *words, environment=environment)
        if "restart" not in self.services[name]:
            code = await asyncio.to_thread(process.wait, ENDS_WITHIN)
            assert code == 0, f"{name} ended with {code}:\n{self.printed(name)}"
            return

        async def healthy() -> bool:
            assert process.poll() is None, f"{name} ended:\n{self.printed(name)}"
            return await self._is_healthy(name)

        await until(healthy, f"health of {name}", HEALTHY_WITHIN)

    async def _is_healthy(self, name: str) -> bool:
        """The health check of the service, or of its image."""
        if name == "tocsin":
            return (await asyncio.to_thread(self.command, "health")).returncode == 0
        check = self.rewritten(name, self.services[name]["healthcheck"]["test"][-1])
        (host, port), *_ = re.findall(r"(127\.0\.0\.1):(\d+)", check)
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return False
        writer.close()
        return True

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`docker compose exec tocsin tocsin …`."""
        environment = {
            "PATH": os.environ["PATH"],
            "TOCSIN_URL": f"http://{self.address('tocsin', 9393)}",
            "TOCSIN_TOKEN": self.rewritten("tocsin", self.services["tocsin"]["environment"]["TOCSIN_TOKEN"]),
        }
        return subprocess.run(
            [str(TOCSIN), *words], capture_output=True, text=True, env=environment, timeout=60, check=False
        )

    async def _end(self) -> None:
        for process in reversed(self._processes.values()):
            if process.poll() is None:
                process.terminate()
        for process in self._processes.values():
            try:
                await asyncio.to_thread(process.wait, STOPS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
