"""The channels, each with a real receiver, and a message to send over them."""

import base64
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from email.message import EmailMessage
from typing import Any

from contract.receivers import SMTP_FAULTS, HttpReceiver, SmtpReceiver, http_receiver, smtp_receiver
from contract.slack_server import CHANNEL, TEST_NOW, TOKEN, SlackServer, slack_server
from tocsin.notify.channel import Channel, Sent
from tocsin.notify.channels.console import Console
from tocsin.notify.channels.email import DUPLICATE_HEADER, Email
from tocsin.notify.channels.slack import Slack
from tocsin.notify.channels.webhook import Webhook
from tocsin.stage import Effect

SECRET = "whsec_" + base64.b64encode(b"canary-of-the-webhook-key").decode()
SHORT = 0.3
"""Seconds: the time-out of channels whose receiver hangs."""

CONTEXT: dict[str, Any] = {
    "type": "escalation.fired",
    "reason": "not_acknowledged",
    "actor": "tocsin",
    "event_id": "esc_aa1",
    "recorded_at": "2026-11-21T12:05:00Z",
    "incident": {
        "id": "inc_aaonlyfortests",
        "number": "INC-2026-11-21-001",
        "title": "Disk of shop is full",
        "severity": "critical",
        "status": "open",
        "opened_at": "2026-11-21T12:00:00Z",
        "service": "shop",
        "alerts": 3,
        "firing": 2,
        "summary": "97 % used",
        "links": {"runbook": "https://runbooks.example/disk", "bad": "javascript:alert(1)"},
    },
    "escalation": {"level": 1, "target": "on_call", "team": "on_call", "repeat": 0, "lateness_seconds": 0.0},
    "next": {"level": 2, "target": "lead", "due_at": "2026-11-21T12:15:00Z"},
}


def effect(attempt: int = 1, delivery: str = "ntf_aaone", **more: Any) -> Effect:
    given = {"channel": "c", "recipient": "team:on_call", "contacts": {}, "context": CONTEXT, "page": True, **more}
    return Effect(delivery_id=delivery, attempt=attempt, **given)


class Arrived:
    """What a receiver can tell of a message."""

    def __init__(self, identity: str, duplicate: bool, text: str) -> None:
        self.identity = identity
        self.duplicate = duplicate
        self.text = text


class Kit:
    """A channel with its receiver: `arrived` is the receiver's journal."""

    def __init__(self, channel: Channel, arrived: Callable[[], list[Arrived]]) -> None:
        self.channel = channel
        self.arrived = arrived

    async def send(self, one: Effect | None = None, *, possible_duplicate: bool = False) -> Sent:
        return await self.channel.send(one or effect(), possible_duplicate=possible_duplicate)


KitMaker = Callable[[str], AbstractAsyncContextManager[Kit]]


def webhook_to(receiver: HttpReceiver, **options: Any) -> Webhook:
    return Webhook("hook", receiver.url, **{"secret": SECRET, "timeout_seconds": 10.0, **options})


@asynccontextmanager
async def webhook(mode: str) -> AsyncIterator[Kit]:
    status = {"failing": 500, "refusing": 410}.get(mode, 200)
    async with http_receiver(status=status, mode=mode if mode in ("hang", "reset") else "ok") as receiver:
        channel = webhook_to(receiver, timeout_seconds=SHORT if mode == "hang" else 10.0)
        if mode == "gone":
            await receiver.stop()
        yield Kit(
            channel,
            lambda: [
                Arrived(one.headers["idempotency-key"], one.json["possible_duplicate"], one.body.decode())
                for one in receiver.requests
            ],
        )
        await channel.close()


def email_to(receiver: SmtpReceiver, **options: Any) -> Email:
    return Email(
        "mail",
        "127.0.0.1",
        "tocsin <tocsin@a.example>",
        **{"port": receiver.port, "to": ("ops@b.example",), "tls": "none", "timeout_seconds": 10.0, **options},
    )


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    content = part.get_content()
    assert isinstance(content, str)
    return content


MAIL_MODES = ("hang", "reset", "slow", "cut", *SMTP_FAULTS)
"""What a mail server may do besides answering."""


@asynccontextmanager
async def email(mode: str) -> AsyncIterator[Kit]:
    data = {"failing": "451 try later", "refusing": "554 no"}.get(mode, "250 queued")
    async with smtp_receiver(data=data, mode=mode if mode in MAIL_MODES else "ok") as receiver:
        never_ends = mode in ("hang", "silent", "drip")
        tls = "starttls" if mode == "bad_tls" else "none"
        channel = email_to(receiver, timeout_seconds=SHORT if never_ends else 10.0, tls=tls)
        if mode == "gone":
            await receiver.stop()
        yield Kit(
            channel,
            lambda: [
                Arrived(mail["Message-ID"], mail[DUPLICATE_HEADER] == "yes", str(mail["Subject"]) + text_of(mail))
                for mail in receiver.mails
            ],
        )
        await channel.close()


@asynccontextmanager
async def console(mode: str) -> AsyncIterator[Kit]:
    stream = io.StringIO()
    channel = Console("console", stream)
    yield Kit(
        channel,
        lambda: [Arrived("", "possible duplicate" in line, line) for line in stream.getvalue().splitlines()],
    )
    await channel.close()


def slack_to(server: SlackServer, **options: Any) -> Slack:
    return Slack("chat", TOKEN, **{"channel": CHANNEL, "api_url": server.url, "timeout_seconds": 10.0, **options})


@asynccontextmanager
async def slack(mode: str) -> AsyncIterator[Kit]:
    """With a bot that may only write: one that may read finds what an earlier attempt made, and posts it once."""
    async with slack_server(mode=mode, scopes=frozenset({"chat:write"}), clock=lambda: TEST_NOW) as server:
        channel = slack_to(server, timeout_seconds=SHORT if mode == "hang" else 10.0)
        if mode == "gone":
            await server.stop()
        yield Kit(
            channel,
            lambda: [
                Arrived(
                    one["metadata"]["event_payload"]["delivery_id"],
                    one["metadata"]["event_payload"]["possible_duplicate"],
                    json.dumps([one["text"], one["blocks"]], ensure_ascii=False),
                )
                for one in server.history
            ],
        )
        await channel.close()
