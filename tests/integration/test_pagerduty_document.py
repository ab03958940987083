"""Our events against the vendor's own OpenAPI document of Events v2, run by Prism.

Neither is in a registry that this project installs from, so both are given: `prism` on the path (npm
@stoplight/prism-cli) and TOCSIN_TEST_PAGERDUTY_OPENAPI, a copy of `reference/events-v2/openapiv3.json` of PagerDuty's
api-schema. Without them the contract server of tests/contract stands for PagerDuty.
"""

import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.channel_kits import CONTEXT, effect
from contract.pagerduty_server import ROUTING_KEY
from integration.running import free_port, spawn
from integration.waiting import until
from tocsin.notify.channels.pagerduty import PATH, Pagerduty
from tocsin.stage import Effect

pytestmark = pytest.mark.integration

DOCUMENT = os.environ.get("TOCSIN_TEST_PAGERDUTY_OPENAPI", "")
PRISM = shutil.which("prism")


def document_in(directory: Path) -> Path:
    """The document with the whole path: Prism leaves out the one of `servers`."""
    document = json.loads(Path(DOCUMENT).read_text(encoding="utf-8"))
    document["paths"] = {PATH: document["paths"]["/enqueue"]}
    path = directory / "events.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@asynccontextmanager
async def prism(directory: Path) -> AsyncIterator[str]:
    """The document as a server that refuses what it does not describe."""
    path, port = document_in(directory), free_port()
    assert PRISM is not None
    process = spawn(directory / "prism.txt", PRISM, "mock", "--errors", "-p", str(port), str(path))
    try:

        async def listens() -> bool:
            async with httpx.AsyncClient() as client:
                try:
                    return (await client.get(f"http://127.0.0.1:{port}/")).status_code > 0
                except httpx.HTTPError:
                    return False

        await until(listens, "Prism listens", 60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


async def events_are_as_the_vendors_document_describes_them(tmp_path: Path) -> None:
    kinds = [("opened", "open"), ("acknowledged", "acknowledged"), ("resolved", "resolved"), ("reopened", "open")]
    contexts: list[dict[str, Any]] = [{}, CONTEXT]
    for kind, status in kinds:
        incident = {**CONTEXT["incident"], "status": status}
        contexts.append({**CONTEXT, "type": f"incident.{kind}", "incident": incident})
    async with prism(tmp_path) as root:
        for context in contexts:
            channel = Pagerduty("duty", ROUTING_KEY, api_url=root)
            sent = await channel.send(effect(context=context), possible_duplicate=False)
            await channel.close()
            assert sent.outcome == "delivered", (tmp_path / "prism.txt").read_text()
        wrong = _Wrong("duty", ROUTING_KEY, api_url=root)
        assert (await wrong.send(effect(), possible_duplicate=False)).outcome == "refused", "the document is in force"
        await wrong.close()


class _Wrong(Pagerduty):
    def event(self, effect: Effect, *, possible_duplicate: bool) -> dict[str, Any]:
        event = super().event(effect, possible_duplicate=possible_duplicate)
        return {**event, "payload": {**event["payload"], "severity": "dire"}}


if DOCUMENT and PRISM:  # who has neither is not told of a test that was skipped: nobody can install them by a package
    test_events_are_as_the_vendors_document_describes_them = pytest.mark.timeout(120)(
        events_are_as_the_vendors_document_describes_them
    )
