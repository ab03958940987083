"""Open-loop load over HTTP: bodies leave at their intended instants, whatever became of the ones before."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Load:
    """Alerts at a steady rate. `accepted` maps alert ids of 2xx answers to the label `n` of the alert; `unknown` has
    the `n` of those whose answer never came: they may be in the log or not."""

    url: str
    rate: float
    """Alerts a second."""
    per_body: int = 5
    accepted: dict[str, int] = field(default_factory=dict)
    unknown: set[int] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    sent: int = 0

    def alert(self, n: int) -> dict[str, Any]:
        """Every fifth alert is a repeat of an earlier one; the others are their own, in one of four hundred groups."""
        same = n - n % 5 if n % 5 == 4 else n
        return {
            "title": f"alert {same}",
            "severity": "critical" if same % 97 == 0 else "warning",
            "labels": {"alertname": f"check-{same % 400}", "instance": f"i-{same}", "zone": "eu-1", "team": "shop"},
            "annotations": {"description": "x" * 300, "n": str(n)},
            "starts_at": "2026-01-01T00:00:00Z",
        }

    async def run(self, until: Callable[[], bool]) -> None:
        """Send until `until()`; every request has at most five seconds."""
        pending: set[asyncio.Task[None]] = set()
        began = time.monotonic()
        limits = httpx.Limits(max_connections=50, max_keepalive_connections=50)
        async with httpx.AsyncClient(timeout=5.0, limits=limits) as client:
            while not until():
                due = began + self.sent / self.rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                numbers = range(self.sent, self.sent + self.per_body)
                self.sent += self.per_body
                task = asyncio.create_task(self._send(client, numbers))
                pending.add(task)
                task.add_done_callback(pending.discard)
            await asyncio.gather(*pending)

    async def _send(self, client: httpx.AsyncClient, numbers: range) -> None:
        try:
            reply = await client.post(f"{self.url}/api/v1/alerts", json=[self.alert(n) for n in numbers])
        except httpx.ConnectError:
            return  # nobody was there: surely not accepted
        except httpx.HTTPError:
            self.unknown.update(numbers)
            return
        if reply.status_code == 202:
            for item in reply.json()["items"]:
                self.accepted[item["alert_id"]] = numbers[item["index"]]
        elif reply.status_code == 503:
            self.refused.append(reply.text)
        else:
            raise AssertionError(f"{reply.status_code}: {reply.text}")
