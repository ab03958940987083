"""An address that somebody sets over the API leads nowhere inside, unless the settings file says so."""

import asyncio
from pathlib import Path

import httpx
import pytest

from contract.receivers import http_receiver
from integration.running import running

pytestmark = pytest.mark.integration


@pytest.mark.timeout(120)
async def test_a_contact_that_leads_inside_is_refused_until_its_network_is_allowed(tmp_path: Path) -> None:
    async with http_receiver() as inside:
        hook = {"type": "webhook", "url": "http://127.0.0.1:9/nobody-listens"}
        channels = {"guarded": hook, "opened": {**hook, "allow_networks": ["127.0.0.1/32"]}}
        notify = {"channels": channels, "routes": [{"channels": ["console"]}]}
        async with (
            running(tmp_path, notify=notify) as (tocsin, _),
            httpx.AsyncClient(base_url=tocsin.url, timeout=20) as client,
        ):

            async def paged(channel: str, address: str) -> tuple[int, str]:
                """Exit code and words of a page to ana."""
                document = {"contacts": {"webhook": [address]}, "channels": [channel]}
                answer = await client.put("/api/v1/settings/user/ana", json=document)
                assert answer.is_success, answer.text
                done = await asyncio.to_thread(tocsin.command, "page-me", "ana")
                return done.returncode, done.stdout + done.stderr

            for address in (inside.url, f"http://localhost:{inside.port}/", f"http://2130706433:{inside.port}/"):
                code, words = await paged("guarded", address)
                assert (code, inside.connections) == (1, 0), words
                assert "Forbidden" in words
            code, words = await paged("opened", inside.url)
            assert (code, len(inside.requests)) == (0, 1), words
            wrong = await client.put(
                "/api/v1/settings/user/ana", json={"contacts": {"webhook": ["file:///etc/passwd"]}}
            )
            assert wrong.status_code == 422, wrong.text
