"""A PagerDuty of one's own on loopback: Events v2 with its checks, its limits and its alerts, and webhooks v3 as it
signs them. Alerts are open, acknowledged or resolved by routing key and `dedup_key`, as the vendor's pages say."""

import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web

from contract.vendor_server import VendorServer

ROUTING_KEY = "canary0routing0key0of0pagerduty0"
WEBHOOK_SECRET = "canary-of-the-webhook-subscription"
ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "error", "warning", "info")
KNOWN = {"routing_key", "event_action", "dedup_key", "payload", "client", "client_url", "links", "images"}
PAYLOAD = {"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"}


@dataclass
class PagerdutyServer(VendorServer):
    alerts: dict[tuple[str, str], str] = field(default_factory=dict)
    """(routing key, dedup key) to `triggered`, `acknowledged` or `resolved`."""
    opened: list[str] = field(default_factory=list)
    """The dedup key of each alert that was opened: whoever is on call is paged once for each."""

    async def take(self, request: web.Request) -> web.StreamResponse:
        if request.path != "/v2/enqueue" or request.method != "POST":
            return web.Response(status=404)
        raw = await request.read()
        errors = problems(raw)
        if errors:
            self.refusals += errors
            answer = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
            return web.json_response(answer, status=400)
        event = json.loads(raw)
        self.journal.append(event)
        self._happens(event)
        answer = {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}
        return web.json_response(answer, status=202)

    def _happens(self, event: dict[str, Any]) -> None:
        place = event["routing_key"], event["dedup_key"]
        action, now = event["event_action"], self.alerts.get(place, "resolved")
        if action == "trigger":
            if now == "resolved":
                self.opened.append(event["dedup_key"])
                self.alerts[place] = "triggered"
        elif now != "resolved":  # of what is unknown or over they are dropped without a word
            self.alerts[place] = "acknowledged" if action == "acknowledge" else "resolved"

    def status(self, dedup_key: str) -> str:
        return self.alerts.get((ROUTING_KEY, dedup_key), "unknown")

    def unwell(self) -> web.Response:
        return web.json_response({"status": "error", "message": "Internal Server Error", "errors": []}, status=500)

    def refusing(self) -> web.Response:
        answer = {
            "status": "invalid event",
            "message": "Event object is invalid",
            "errors": ["'routing_key' is unknown"],
        }
        return web.json_response(answer, status=400)


def problems(raw: bytes) -> list[str]:
    """What PagerDuty would have to say against an event."""
    if len(raw) > 512_000:
        return ["the event is larger than 512 KB"]
    try:
        event = json.loads(raw)
    except ValueError:
        return ["JSON parse error"]
    if not isinstance(event, dict):
        return ["event is not an object"]
    found = [f"{name!r} is not known" for name in event.keys() - KNOWN]
    if not re.fullmatch(r"\w{32}", str(event.get("routing_key", ""))):
        found.append("'routing_key' is missing or invalid")
    if event.get("event_action") not in ACTIONS:
        found.append("'event_action' is invalid")
    key = event.get("dedup_key")
    if not isinstance(key, str) or not 0 < len(key) <= 255:
        found.append("'dedup_key' is missing or too long")
    if event.get("event_action") == "trigger":
        found += _problems_of_payload(event.get("payload"))
        found += [f"link without href: {link!r}" for link in event.get("links", []) if not _is_url(link.get("href"))]
        if "client_url" in event and not _is_url(event["client_url"]):
            found.append("'client_url' is no URL")
    return found


def _problems_of_payload(payload: Any) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing"]
    found = [f"'payload.{name}' is not known" for name in payload.keys() - PAYLOAD]
    for name, longest in (("summary", 1024), ("source", 1024)):
        if not isinstance(payload.get(name), str) or not 0 < len(payload[name]) <= longest:
            found.append(f"'payload.{name}' is missing or too long")
    if payload.get("severity") not in SEVERITIES:
        found.append("'payload.severity' is invalid")
    for name in ("component", "group", "class"):
        if not isinstance(payload.get(name, ""), str):
            found.append(f"'payload.{name}' is no text")
    if not isinstance(payload.get("custom_details", {}), dict):
        found.append("'payload.custom_details' is no object")
    try:
        datetime.fromisoformat(payload.get("timestamp", "2026-11-21T12:00:00Z"))
    except (TypeError, ValueError):
        found.append("'payload.timestamp' is no instant")
    return found


def _is_url(text: Any) -> bool:
    return isinstance(text, str) and bool(re.fullmatch(r"https?://\S+", text))


def webhook(kind: str, incident: str, **more: Any) -> dict[str, Any]:
    """A webhook v3 of what Ana has done there to the incident with that key."""
    event = {
        "id": "01FAKEEVENT",
        "event_type": kind,
        "resource_type": "incident",
        "occurred_at": "2026-11-21T12:04:50.169Z",
        "agent": {"id": "PLH1HKV", "summary": "Ana Lima", "type": "user_reference"},
        "client": {"name": "PagerDuty"},
        "data": {
            "id": "PGR0VU2",
            "type": "incident",
            "number": 2,
            "status": "acknowledged",
            "incident_key": incident,
            "title": "[CRITICAL] INC-2026-11-21-001 Disk of shop is full",
            "urgency": "high",
            "resolve_reason": None,
        },
    }
    return {"event": {**event, **more}}


def signed(document: dict[str, Any], *secrets: str) -> tuple[dict[str, str], bytes]:
    """Headers and body as PagerDuty sends them, with one signature for each secret."""
    body = json.dumps(document, ensure_ascii=False).encode()
    marks = [hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in secrets or (WEBHOOK_SECRET,)]
    return {"x-pagerduty-signature": ",".join(f"v1={mark}" for mark in marks), "x-webhook-id": "w1"}, body
