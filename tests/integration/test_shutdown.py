"""How `tocsin run` ends, and what it refuses: under load nothing accepted is lost, and every refusal says why."""

import asyncio
import json
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from integration.load import Load
from integration.running import TOCSIN, Tocsin

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

RATE = 300.0
ENDS_WITHIN = 10.0
"""Seconds, as `tocsin run --help` promises."""


@pytest.fixture
async def tocsin(tmp_path: Path) -> AsyncIterator[Tocsin]:
    running = Tocsin(tmp_path / "tocsin")
    try:
        yield running
    finally:
        if running.process is not None and running.process.poll() is None:
            running.kill()


async def ended(process: "subprocess.Popen[bytes]") -> float:
    """The seconds until the process ended; the loop goes on meanwhile."""
    began = time.monotonic()
    await asyncio.to_thread(process.wait, 60)
    return time.monotonic() - began


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something outside of this process."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        await asyncio.sleep(0.01)


def published(lines: list[dict[str, Any]]) -> Counter[int]:
    """How often the alert `n` is in the raw topic."""
    bodies = (json.loads(line["value"]) for line in lines)
    return Counter(
        int(item["annotations"]["n"]) for body in bodies for item in (body if isinstance(body, list) else [body])
    )


async def test_sigterm_under_load_ends_in_time_and_loses_nothing(tocsin: Tocsin) -> None:
    await tocsin.start()
    assert tocsin.process is not None
    over = False
    load = Load(tocsin.url, RATE)
    sending = asyncio.create_task(load.run(lambda: over))
    for accepted in (500, 1000):
        await until(lambda enough=accepted: len(load.accepted) >= enough)  # type: ignore[misc]
        tocsin.process.send_signal(signal.SIGTERM)
        assert await ended(tocsin.process) < ENDS_WITHIN
        assert tocsin.process.returncode == 0, tocsin.printed()
        await tocsin.start()
    over = True
    await sending
    await tocsin.quiet()
    found = published(tocsin.exported("alerts.raw.v1"))
    assert set(load.accepted.values()) <= found.keys(), "accepted with 2xx and not in the log"
    assert set(found.values()) == {1}
    incidents = json.loads(tocsin.command("incidents", "list", "--limit", "500", "-o", "json").stdout)
    assert sum(incident["occurrences"] for incident in incidents) == len(found)
    assert tocsin.stop() == 0
    assert "Traceback" not in tocsin.printed()
    verified = tocsin.command("eventlog", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def test_a_second_sigterm_ends_at_once(tocsin: Tocsin) -> None:
    await tocsin.start()
    assert tocsin.process is not None
    with socket.create_connection(("127.0.0.1", tocsin.port)) as slow:  # its request keeps the first SIGTERM waiting
        slow.sendall(b"POST /api/v1/alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n{")
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{tocsin.url}/-/healthy")).status_code == 200
        tocsin.process.send_signal(signal.SIGTERM)
        await until(lambda: "stopping" in tocsin.printed())
        tocsin.process.send_signal(signal.SIGTERM)
        assert await ended(tocsin.process) < 1.0
    assert tocsin.process.returncode == 130
    await tocsin.start()
    assert tocsin.stop() == 0


async def test_the_lock_names_its_holder(tocsin: Tocsin) -> None:
    await tocsin.start()
    assert tocsin.process is not None
    second = tocsin.command("run", "-c", str(tocsin.config))
    assert second.returncode == 1
    assert str(tocsin.process.pid) in second.stderr
    assert socket.gethostname() in second.stderr
    assert "Traceback" not in second.stderr


def test_beyond_loopback_it_needs_a_token(tmp_path: Path) -> None:
    config = tmp_path / "tocsin.yaml"
    config.write_text("http:\n  listen: 0.0.0.0:9393\n")
    refused = subprocess.run(
        [str(TOCSIN), "run", "-c", str(config)], capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        f"{config}:2:11: '0.0.0.0:9393' can be reached from other machines, which needs http.tokens; "
        "`tocsin token create` makes one",
        "Error: 1 problem in the settings",
    ]


async def test_with_a_token_only_health_is_open(tmp_path: Path) -> None:
    tocsin = Tocsin(tmp_path / "tocsin")
    token, line = tocsin.command("token", "create", "ci").stdout.splitlines()
    listen = {"listen": f"127.0.0.1:{tocsin.port}", "tokens": yaml.safe_load(line)}
    tocsin = Tocsin(tmp_path / "tocsin", http=listen)
    tocsin.url = f"http://{listen['listen']}"
    await tocsin.start()
    try:
        without = tocsin.command("incidents", "list")
        assert (without.returncode, "give it by --token or TOCSIN_TOKEN" in without.stderr) == (1, True)
        wrong = tocsin.command("incidents", "list", "--token", f"{token}x")
        assert wrong.returncode == 1
        declared = tocsin.command("incidents", "declare", "By token", "--token", token, "--as", "ada", "-o", "json")
        assert declared.returncode == 0, declared.stderr
        assert json.loads(declared.stdout)[0]["actor"] == "ci"
        async with httpx.AsyncClient(base_url=tocsin.url) as client:
            for path in ("/-/healthy", "/-/ready", "/healthz", "/readyz"):
                assert (await client.get(path)).status_code == 200, path
            for path in ("/", "/metrics", "/api/incident_response", "/docs", "/api/openapi.json"):
                answer = await client.get(path)
                assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), path
        assert token not in tocsin.printed()
    finally:
        assert tocsin.stop() == 0
