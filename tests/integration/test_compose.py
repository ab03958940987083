"""What docker-compose.yml starts works together, with the files that it mounts: an alert goes through all of it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from integration.composing import Stand
from integration.monitors import Prometheus
from integration.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


async def listed(stand: Stand) -> list[dict[str, Any]]:
    """The incidents, as `docker compose exec tocsin tocsin incidents list` shows them."""
    done = stand.command("incidents", "list", "-o", "json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


async def test_tocsin_alone_takes_alerts_from_who_has_the_token(tmp_path: Path) -> None:
    async with Stand(tmp_path) as stand, httpx.AsyncClient() as client:
        assert set(stand.services) == {"token", "tocsin"}
        url = f"http://{stand.address('tocsin', 9393)}/api/v1/alerts"
        alert = {"title": "Disk of db1 is full", "severity": "critical"}
        assert (await client.post(url, json=alert)).status_code == 401
        token = (stand.secrets / "token").read_text().strip()
        reply = await client.post(url, json=alert, headers={"Authorization": f"Bearer {token}"})
        assert reply.status_code == 202, reply.text
        (incident,) = await until(lambda: listed(stand), "the incident")
        assert incident["title"] == "Disk of db1 is full"


async def test_all_of_it_an_alert_goes_from_alertmanager_over_kafka_to_an_incident(tmp_path: Path) -> None:
    async with Stand(tmp_path, "kafka", "monitoring", TOCSIN_LOG="kafka") as stand, httpx.AsyncClient() as client:
        assert set(stand.services) == {"token", "kafka", "topics", "tocsin", "prometheus", "alertmanager"}
        alert = {
            "labels": {"alertname": "HighLatency", "service": "shop", "severity": "page"},
            "annotations": {"summary": "The shop is slow"},
            "endsAt": (datetime.now(UTC) + timedelta(minutes=5)).isoformat(),
        }
        alertmanager = f"http://{stand.address('alertmanager', 9093)}"
        assert (await client.post(f"{alertmanager}/api/v2/alerts", json=[alert])).status_code == 200
        (incident,) = await until(lambda: listed(stand), "the incident")
        assert (incident["title"], incident["severity"]) == ("The shop is slow", "critical")

        watcher = Prometheus(f"http://{stand.address('prometheus', 9090)}")
        await watcher.until('up{job="tocsin"} == 1', 40)
        known = (await client.get(f"{watcher.url}/api/v1/alertmanagers")).json()["data"]["activeAlertmanagers"]
        assert [one["url"] for one in known] == [f"{alertmanager}/api/v2/alerts"]
        rules = (await client.get(f"{watcher.url}/api/v1/rules")).json()["data"]["groups"]
        assert {group["name"] for group in rules} >= {"tocsin.alerts", "tocsin.promises"}

        assert stand.command("incidents", "ack", incident["number"], "--reason", "looking").returncode == 0
