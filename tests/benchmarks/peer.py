"""Runs the peers and limits of `peers/`, each where it lives: Python programs, and Alertmanager over HTTP.

In: a broker and a filled topic. Out: what a peer took, or the reason why it is left out. Quix Streams and Bytewax get
an environment of their own below the user's cache directory (XDG_CACHE_HOME); Faust and the limits run in tocsin's,
which has them at the same versions. CPU is that of the whole process from the first alert to the last.
"""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from log import create
from measuring import Connection, exposition, process_cpu_seconds

sys.path.insert(0, str(Path(__file__).parents[1]))
from integration.running import free_port

HERE: Final = Path(__file__).with_name("peers")
INSTALL_SECONDS_MAX: Final = 180.0
RUN_SECONDS_MAX: Final = 120.0
OWN: Final[Mapping[str, Sequence[str]]] = {
    "quix": ("quixstreams==3.28.1", "orjson>=3.10"),
    "bytewax_flow": ("bytewax[kafka]==0.21.1", "orjson>=3.10"),
}
"""What is installed for a peer that tocsin does not depend on itself."""
ALERTMANAGER: Final = ("prometheus-alertmanager", "alertmanager")
"""Debian's name, the project's own."""
REQUEST_OF: Final = 64
"""Alerts of one request: what Prometheus sends at most."""
CONNECTIONS: Final = 4


class LeftOut(Exception):
    """A peer cannot run here, and why."""


@dataclass(frozen=True)
class Filled:
    """A topic to be read, and what is in it."""

    servers: str
    topic: str
    out: str
    partitions: int
    records: int
    alerts: int


def interpreter(peer: str) -> Path:
    """The Python that has `peer`.

    Raises:
        LeftOut: it cannot be installed.
    """
    wanted = OWN.get(peer)
    if wanted is None:
        return Path(sys.executable)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tocsin"
    key = hashlib.sha256("\n".join((sys.version, *wanted)).encode()).hexdigest()[:12]
    home = cache / f"peer-{peer}-{key}"
    python = home / "bin" / "python"
    if (home / "complete").exists():
        return python
    shutil.rmtree(home, ignore_errors=True)
    venv.create(home, with_pip=True)
    words = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        raise LeftOut(f"pip took longer than {INSTALL_SECONDS_MAX:g} s") from None
    if done.returncode:
        raise LeftOut(f"pip: {(done.stderr.strip().splitlines() or ['failed'])[-1][:200]}")
    (home / "complete").touch()
    return python


async def run(peer: str, filled: Filled, fresh: int | None) -> dict[str, Any]:
    """Run one program of `peers/` over a filled topic.

    Args:
        fresh: how many alerts are no repeats; None = it does not look.

    Raises:
        LeftOut: it cannot be installed or does not end well.
    """
    python = await asyncio.to_thread(interpreter, peer)
    await create(filled.servers, {filled.out: filled.partitions})
    words = [python, HERE / f"{peer}.py", f"--servers={filled.servers}", f"--topic={filled.topic}"]
    words += [f"--out={filled.out}", f"--partitions={filled.partitions}"]
    words += [f"--records={filled.records}", f"--alerts={filled.alerts}"]
    with tempfile.TemporaryDirectory(prefix="tocsin-peer-") as folder:  # some write where they are started
        process = await asyncio.create_subprocess_exec(
            *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=folder
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), RUN_SECONDS_MAX)
        except TimeoutError:
            raise LeftOut(f"not done after {RUN_SECONDS_MAX:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    lines = [line for line in out.decode().splitlines() if line.startswith("{")]
    if not lines:
        raise LeftOut(f"ended with {process.returncode}: {err.decode(errors='replace').strip()[-300:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    right = found["alerts"] == filled.alerts and fresh in (None, found["fingerprints"])
    return {**found, "ok": right}


async def run_alertmanager(values: Sequence[bytes]) -> dict[str, Any]:
    """Alertmanager, fed as Prometheus does it, until its dispatcher has taken every alert. Nothing is sent: its
    receiver has no address.

    Raises:
        LeftOut: it is not installed.
    """
    bodies = list(_requests(values))
    alerts = sum(count for count, _ in bodies)
    async with alertmanager(
        "receivers: [{name: nobody}]\nroute: {receiver: nobody, group_by: [alertname, service]}\n"
    ) as (
        pid,
        address,
    ):
        cpu, began = process_cpu_seconds(pid), time.perf_counter()
        waiting = iter(bodies)

        async def post() -> None:
            connection = Connection(address)
            for _, body in waiting:
                status, answer = await connection.request("POST", "/api/v2/alerts", body)
                if status != 200:
                    raise RuntimeError(f"Alertmanager answers {status}: {answer[:200]!r}")
            connection.close()

        await asyncio.gather(*(post() for _ in range(CONNECTIONS)))
        while True:
            metrics = await exposition(address)
            if metrics["alertmanager_dispatcher_alert_processing_duration_seconds_count"] >= alerts:
                break
            await asyncio.sleep(0.02)
        seconds, cpu = time.perf_counter() - began, process_cpu_seconds(pid) - cpu
    received = sum(n for name, n in metrics.items() if name.startswith("alertmanager_alerts_received_total"))
    groups = metrics["alertmanager_dispatcher_aggregation_groups"]
    found = {"alerts": alerts, "groups": int(groups), "seconds": seconds, "cpu_seconds": cpu}
    return {**found, "version": alertmanager_version(), "ok": received == alerts}


def _requests(values: Sequence[bytes]) -> list[tuple[int, bytes]]:
    found, waiting = [], []
    for value in values:
        for alert in json.loads(value)["alerts"]:
            # What Prometheus sends; Alertmanager finds the status and the fingerprint out itself.
            waiting.append({name: alert[name] for name in ("labels", "annotations", "startsAt", "generatorURL")})
            if len(waiting) == REQUEST_OF:
                found.append((len(waiting), json.dumps(waiting, separators=(",", ":")).encode()))
                waiting = []
    if waiting:
        found.append((len(waiting), json.dumps(waiting, separators=(",", ":")).encode()))
    return found


class alertmanager:
    """A running Alertmanager with this configuration: (pid, address)."""

    def __init__(self, config: str) -> None:
        self._config = config

    async def __aenter__(self) -> tuple[int, tuple[str, int]]:
        program = next((found for name in ALERTMANAGER if (found := shutil.which(name))), None)
        if program is None:
            raise LeftOut("no Alertmanager here (Debian: prometheus-alertmanager)")
        self._folder = tempfile.TemporaryDirectory(prefix="tocsin-peer-")
        folder, address = Path(self._folder.name), ("127.0.0.1", free_port())
        (folder / "alertmanager.yml").write_text(self._config, encoding="utf-8")
        self._process = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'storage'}",
            f"--web.listen-address=127.0.0.1:{address[1]}",
            "--cluster.listen-address=",
            "--log.level=error",
        )
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                if (await Connection(address).request("GET", "/-/ready"))[0] == 200:
                    return self._process.pid, address
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.05)
        await self.__aexit__()
        raise LeftOut("Alertmanager does not become ready")

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()
        self._folder.cleanup()


def alertmanager_version() -> str:
    program = next((found for name in ALERTMANAGER if (found := shutil.which(name))), "")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    words = (said.stdout or said.stderr).split()
    return words[2] if len(words) > 2 else ""
