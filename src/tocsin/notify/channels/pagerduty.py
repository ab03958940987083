"""PagerDuty: events out (Events API v2), webhooks in (v3).

In: an effect; a call of PagerDuty. Out: what PagerDuty made of the event; what its people want done.
Invariants: one incident is one alert there, since its id is the `dedup_key`: a repetition adds a line to the alert and
opens nothing; events of one incident leave one after the other, so that a trigger that is slow does not open again what
a resolve has just ended; the routing key appears in no detail. What an integration did there, ours among them, asks for
nothing here: else two systems would answer each other for ever.
Source: the vendor's pages on Events API v2, on webhook signatures and on webhook behaviour.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from tocsin import __version__
from tocsin.domain.instant import Instant
from tocsin.notify.channel import Around, Heard, Sent
from tocsin.notify.channels.exchange import Answer, exchange, hidden_of, shown
from tocsin.notify.channels.pagerduty_webhook import checked_secrets, heard
from tocsin.notify.channels.session import Session
from tocsin.notify.channels.turns import Turns
from tocsin.notify.channels.webhook import checked_url
from tocsin.notify.current import FOLLOWS
from tocsin.notify.message import Message, message_of, one_line
from tocsin.stage import Effect

API_URL: Final = "https://events.pagerduty.com"
PATH: Final = "/v2/enqueue"
BODY_BYTES_MAX: Final = 512_000
"""The vendor's limit is 512 KB; it does not say which thousand."""
SUMMARY_MAX: Final = 1024
KEY_MAX: Final = 255
"""Characters of a `dedup_key`."""
LINKS_MAX: Final = 10

_ROUTING_KEY: Final = re.compile(r"[A-Za-z0-9]{32}")

CALLS: Final = frozenset(
    {
        "incident.opened",
        "incident.reopened",
        "incident.severity_raised",
        "incident.reannounced",
        "incident.acknowledgement_expired",
        "incident.unsuppressed",
        "escalation.fired",
    }
)
"""What asks somebody to answer, whatever the status is by now."""
ACTIONS: Final[Mapping[str, str]] = {
    "open": "trigger",
    "investigating": "acknowledge",
    "acknowledged": "acknowledge",
    "mitigated": "acknowledge",
    "resolved": "resolve",
    "closed": "resolve",
}
"""Status of the incident to action, for all other messages: a trigger would open an alert anew that is over, whereas a
repeated acknowledge or resolve changes nothing."""
SEVERITIES: Final[Mapping[str, str]] = {
    "emergency": "critical",
    "critical": "critical",
    "high": "error",
    "medium": "warning",
    "low": "info",
    "info": "info",
}


class Pagerduty:
    """One integration of one service at PagerDuty.

    Raises:
        ValueError: the key, the address or the secrets cannot be used; the message repeats none of them.
    """

    kind = "pagerduty"

    def __init__(
        self,
        name: str,
        routing_key: str,
        *,
        api_url: str = API_URL,
        webhook_secrets: Sequence[str] = (),
        timeout_seconds: float = 10.0,
        in_flight_max: int = 4,
        around: Around | None = None,
    ) -> None:
        if not _ROUTING_KEY.fullmatch(routing_key):
            raise ValueError("routing_key: not one; PagerDuty's have 32 letters and digits")
        self.name = name
        self.timeout_seconds = timeout_seconds
        self.in_flight_max = in_flight_max
        self._routing_key = routing_key
        self._secrets = checked_secrets(webhook_secrets)
        self._hidden = hidden_of(routing_key, *self._secrets)
        self._around = around or Around()
        self._turns = Turns()
        address = _address(api_url)
        self._session = Session(address, connections=in_flight_max, user_agent=f"tocsin/{__version__}")

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        """Send the event once, behind those of the same incident that are on their way."""
        key = key_of(effect)
        if FOLLOWS in effect.context and action_of(effect.context) == "trigger":
            return Sent("delivered", "nothing is sent: it would call somebody", handle=key)
        event = self.event(effect, possible_duplicate=possible_duplicate)
        headers = {"content-type": "application/json", "idempotency-key": effect.delivery_id}
        ends = asyncio.get_running_loop().time() + self.timeout_seconds
        try:
            async with self._turns.one(key, ends):
                answer = await exchange(
                    self._session,
                    body_of(event),
                    headers,
                    seconds=self.timeout_seconds,
                    until=ends,
                    hidden=self._hidden,
                )
        except TimeoutError:
            return Sent("failed", "another event of the same incident is still on its way")
        return self._judged(answer, key)

    async def close(self) -> None:
        await self._session.close()

    def hear(self, headers: Mapping[str, str], body: bytes, now: Instant) -> Heard:
        """A webhook v3: see `pagerduty_webhook.heard`."""
        return heard(self._secrets, headers, body, now)

    def shown(self, effect: Effect) -> str:
        """See `Shows`: the event without its key."""
        event = self.event(effect, possible_duplicate=False)
        del event["routing_key"]
        return orjson.dumps(event, default=str, option=orjson.OPT_INDENT_2).decode()

    def event(self, effect: Effect, *, possible_duplicate: bool) -> dict[str, Any]:
        """The event as PagerDuty takes it."""
        event: dict[str, Any] = {
            "routing_key": self._routing_key,
            "event_action": action_of(effect.context),
            "dedup_key": key_of(effect),
        }
        if event["event_action"] != "trigger":
            return event  # nothing else is read of those
        message = message_of(effect.context)
        words = self._around.wording.words(self.name, self.kind, effect.context)
        incident: Mapping[str, Any] = _mapping(effect.context.get("incident"))
        summary = one_line((words and (words.subject or words.body)) or message.subject, SUMMARY_MAX)
        payload = {
            "summary": summary or "A message of tocsin",
            "source": one_line(incident.get("service") or "") or self._around.instance,
            "severity": SEVERITIES.get(str(incident.get("severity", "")), "warning"),
            "timestamp": one_line(effect.context.get("recorded_at") or ""),
            "component": one_line(incident.get("service") or ""),
            "group": one_line(incident.get("team") or ""),
            "class": one_line(incident.get("category") or ""),
            "custom_details": _details(effect, message, possible_duplicate=possible_duplicate),
        }
        event["payload"] = {name: value for name, value in payload.items() if value}
        event["client"] = "tocsin"
        if page := self._around.links.page(message.incident_id):
            event["client_url"] = page
        if message.links:
            event["links"] = [{"href": address, "text": name} for name, address in message.links[:LINKS_MAX]]
        return event

    def _judged(self, answer: Answer, key: str) -> Sent:
        """202 alone is PagerDuty's yes: another 2xx comes from something in between, such as a login page."""
        sent = answer.sent
        if answer.status == 202:
            return Sent("delivered", sent.detail, handle=key)
        if sent.outcome == "delivered":
            return Sent("failed", shown(f"not an answer of PagerDuty: {sent.detail}", self._hidden))
        said = answer.json()
        if answer.status == 400 and isinstance(said, dict):
            errors = said.get("errors")
            words = [str(said.get("message", "")), *(map(str, errors) if isinstance(errors, list) else ())]
            return Sent("refused", shown(f"HTTP 400: {'; '.join(word for word in words if word)}", self._hidden))
        return sent


def key_of(effect: Effect) -> str:
    """The `dedup_key`: the incident; of a message about none, the delivery."""
    incident = _mapping(effect.context.get("incident"))
    return one_line(incident.get("id") or effect.delivery_id, KEY_MAX)


def action_of(context: Mapping[str, Any]) -> str:
    """`trigger`, `acknowledge` or `resolve`."""
    kind = str(context.get("type", ""))
    if kind in CALLS or kind.startswith("sla."):
        return "trigger"
    return ACTIONS.get(str(_mapping(context.get("incident")).get("status", "")), "trigger")


def body_of(event: dict[str, Any]) -> bytes:
    """The event within the limit: `custom_details` go first, then the links."""
    body = orjson.dumps(event, default=str)
    if len(body) > BODY_BYTES_MAX:
        payload = {name: value for name, value in event["payload"].items() if name != "custom_details"}
        body = orjson.dumps({**event, "payload": payload}, default=str)
        if len(body) > BODY_BYTES_MAX:
            body = orjson.dumps({**event, "payload": payload, "links": []}, default=str)
    return body


def _details(effect: Effect, message: Message, *, possible_duplicate: bool) -> dict[str, Any]:
    details: dict[str, Any] = {
        "number": message.number,
        "what": message.headline,
        **dict(message.facts),
        "Summary": message.summary,
        "Note": message.note,
        "Incidents": [f"{row.severity} {row.number} {row.title}" for row in message.rows],
        "Next": message.upcoming,
        "recipient": one_line(effect.recipient),
        "delivery_id": effect.delivery_id,
        "possible_duplicate": possible_duplicate,
    }
    return {name: value for name, value in details.items() if value or value is False}


def _address(api_url: str) -> str:
    """Where events are posted to.

    Raises:
        ValueError: nowhere.
    """
    try:
        return checked_url(api_url).rstrip("/") + PATH
    except ValueError as error:
        raise ValueError(f"api_{error}") from None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
