"""An installation with a channel of every type, and a real receiver behind each: what they got is in their journals.

In: a directory. Out: a `Tocsin` whose every incident goes over every channel, and `messages(channel)`: identity and
mark of each message that the receiver took, read by nothing but what the vendors' own interfaces say.
"""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.pagerduty_server import ROUTING_KEY, PagerdutyServer
from contract.receivers import HttpReceiver, SmtpReceiver, http_receiver, smtp_receiver
from contract.servicenow_server import PASSWORD, USER, ServiceNowServer, servicenow_server
from contract.slack_server import CHANNEL, SlackServer, slack_server
from contract.slack_server import TOKEN as SLACK_TOKEN
from contract.teams_server import TeamsServer, text_of
from contract.twilio_server import OURS, SID, TwilioServer, spoken
from contract.twilio_server import TOKEN as PHONE_TOKEN
from contract.vendor_server import serving
from integration.running import Tocsin

CHANNELS = ("hook", "mail", "chat", "duty", "team", "phone", "calls", "tickets")
"""Channels with a receiver whose journal tells messages apart by their delivery id; the console is beside them."""
TEAMS_ID = re.compile(r"Delivery (ntf_[a-z2-7]+)")
NOTE_ID = re.compile(r"\[(ntf_[a-z2-7]+)\]")
MAIL_ID = re.compile(r"ntf_[a-z2-7]+")
SAYS_TWICE = "possible duplicate"
CALL = "<Response><Say>{text}</Say></Response>"


@dataclass
class Message:
    """What a receiver took: whose delivery it was, and whether it says that it may be a repeat."""

    delivery: str
    marked: bool


@dataclass
class Everything:
    """Every receiver, and the tocsin that writes to them."""

    directory: Path
    hook: HttpReceiver = field(default_factory=HttpReceiver)
    mail: SmtpReceiver = field(default_factory=SmtpReceiver)
    chat: SlackServer = field(default_factory=SlackServer)
    duty: PagerdutyServer = field(default_factory=PagerdutyServer)
    team: TeamsServer = field(default_factory=TeamsServer)
    phone: TwilioServer = field(default_factory=TwilioServer)
    calls: TwilioServer = field(default_factory=TwilioServer)
    tickets: ServiceNowServer = field(default_factory=ServiceNowServer)

    @property
    def channels(self) -> dict[str, dict[str, Any]]:
        """What the settings say of them: no pace, since the servers here take what comes."""
        dialled = {"from": OURS, "to": "+4930999", "username": SID, "password": PHONE_TOKEN, "receipt": "/sid"}
        found: dict[str, dict[str, Any]] = {
            "hook": {"type": "webhook", "url": self.hook.url},
            "mail": {
                "type": "email",
                "host": "127.0.0.1",
                "port": self.mail.port,
                "from": "tocsin@a.example",
                "to": "ops@b.example",
                "tls": "none",
            },
            "chat": {
                "type": "slack",
                "token": SLACK_TOKEN,
                "channel": CHANNEL,
                "api_url": self.chat.url,
                "in_flight_max": 4,
            },
            "duty": {"type": "pagerduty", "routing_key": ROUTING_KEY, "api_url": self.duty.root},
            "team": {"type": "teams", "url": self.team.url},
            "phone": {
                "type": "sms",
                "url": self.phone.messages_url,
                "form": {"To": "{to}", "From": "{from}", "Body": "{text}"},
                **dialled,
            },
            "calls": {
                "type": "voice",
                "url": self.calls.calls_url,
                "form": {"To": "{to}", "From": "{from}", "Twiml": CALL},
                **dialled,
            },
            "tickets": {"type": "servicenow", "url": self.tickets.url, "username": USER, "password": PASSWORD},
        }
        return {name: {**options, "timeout": "5s", "per_second": 0} for name, options in found.items()}

    def tocsin(self, **notify: Any) -> Tocsin:
        """An installation whose every incident is said over every channel, once."""
        channels = self.channels
        return Tocsin(
            self.directory,
            notify={
                "channels": channels,
                "routes": [{"channels": [*channels, "console"]}],
                "limits": {name: {"messages": 0, "pages": 0} for name in channels},
                "events": ["incident.opened"],
                "retry_first": "200ms",
                "retry_longest": "2s",
                **notify,
            },
            escalate={"rules": []},
        )

    def messages(self, channel: str) -> list[Message]:
        """What the receiver of `channel` took, in the order in which it came."""
        found: list[Message] = getattr(self, f"_{channel}")()
        return found

    def _hook(self) -> list[Message]:
        return [Message(one.headers["idempotency-key"], one.json["possible_duplicate"]) for one in self.hook.requests]

    def _mail(self) -> list[Message]:
        found = []
        for mail in self.mail.mails:
            named = MAIL_ID.search(str(mail["Message-ID"]))
            assert named is not None
            found.append(
                Message(named[0], "yes" in [str(text) for name, text in mail.items() if "duplicate" in name.lower()])
            )
        return found

    def _chat(self) -> list[Message]:
        told = [one["metadata"]["event_payload"] for one in self.chat.history]
        return [Message(one["delivery_id"], one["possible_duplicate"]) for one in told]

    def _duty(self) -> list[Message]:
        told = [one["payload"]["custom_details"] for one in self.duty.journal]
        return [Message(one["delivery_id"], one["possible_duplicate"]) for one in told]

    def _team(self) -> list[Message]:
        texts = [text_of(card) for card in self.team.journal]
        return [Message(TEAMS_ID.findall(text)[0], SAYS_TWICE in text) for text in texts]

    def _phone(self) -> list[Message]:
        pairs = zip(self.phone.idempotency, self.phone.journal, strict=True)
        return [Message(key.partition("/")[0], SAYS_TWICE in form["Body"]) for key, form in pairs]

    def _calls(self) -> list[Message]:
        pairs = zip(self.calls.idempotency, self.calls.journal, strict=True)
        return [Message(key.partition("/")[0], SAYS_TWICE in spoken(form["Twiml"])) for key, form in pairs]

    def _tickets(self) -> list[Message]:
        notes = [one.fields["work_notes"] for one in self.tickets.writes]
        return [Message(NOTE_ID.findall(note)[0], SAYS_TWICE in note) for note in notes]


@asynccontextmanager
async def everything(directory: Path) -> AsyncIterator[Everything]:
    """All receivers, listening."""
    async with AsyncExitStack() as stack:
        hook = await stack.enter_async_context(http_receiver())
        hook.released.set()
        yield Everything(
            directory,
            hook=hook,
            mail=await stack.enter_async_context(smtp_receiver()),
            chat=await stack.enter_async_context(slack_server()),
            duty=await stack.enter_async_context(serving(PagerdutyServer())),
            team=await stack.enter_async_context(serving(TeamsServer())),
            phone=await stack.enter_async_context(serving(TwilioServer())),
            calls=await stack.enter_async_context(serving(TwilioServer())),
            tickets=await stack.enter_async_context(servicenow_server()),
        )


def alert(number: int) -> dict[str, Any]:
    """One that calls somebody: critical, with a group of its own."""
    return {
        "title": f"Disk {number} is full",
        "severity": "critical",
        "service": f"db-{number}",
        "labels": {"alertname": f"disk-{number}"},
        "starts_at": "2026-01-01T00:00:00Z",
    }
