"""The branches of `notify.channels`: one class a type, each option as `notify.channels.options` has it.

In: what the settings file says of a channel. Out: its values, checked as far as they can be without building it.
"""

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from tocsin.settings.part import Part
from tocsin.settings.values import OneOrMore, Secret, SecretUrl, SendDuration

INBOUND_SECRET_MIN: Final = 16
"""Characters: what is shorter can be guessed, and with it anybody closes incidents."""


def _inbound(value: Secret) -> Secret:
    if len(value.reveal()) < INBOUND_SECRET_MIN:
        raise ValueError(f"must have at least {INBOUND_SECRET_MIN} characters; `openssl rand -hex 32` makes a good one")
    return value


InboundSecret = Annotated[Secret, AfterValidator(_inbound)]


class ChannelPart(Part):
    """What every channel has, whatever its type."""

    per_second: float | None = Field(
        default=None,
        ge=0,
        le=10_000,
        description="Sends a second at most, pages first; 0 = as many as the receiver takes, "
        "empty = what the type's receivers allow.",
    )


class ConsoleChannel(ChannelPart):
    type: Literal["console"] = Field(default="console", description="Prints one line a message to standard error.")


class WebhookChannel(ChannelPart):
    type: Literal["webhook"] = Field(description="Sends each message as a JSON POST.")
    url: SecretUrl = Field(description="Where to; env:NAME and file:/path are looked up. Never shown whole.")
    secret: Secret | None = Field(
        default=None, description="Key of the signature (Standard Webhooks); none = unsigned."
    )
    secrets: OneOrMore[Secret] = Field(
        default=(),
        max_length=2,
        description="More keys that sign, after `secret`; two in all are active while one replaces the other.",
    )
    inbound_secret: OneOrMore[InboundSecret] = Field(
        default=(),
        max_length=2,
        description="Key, or two, that sign what the receiver asks for; none = it may ask for nothing.",
    )
    allow_networks: OneOrMore[str] = Field(
        default=(),
        max_length=50,
        description="Networks inside that contacts of kind webhook may lead to: 10.1.0.0/16.",
    )
    timeout: SendDuration = Field(default=timedelta(seconds=10), description="The longest one send may take.")
    in_flight_max: int = Field(default=8, ge=1, le=256, description="Sends at the same time.")


class EmailChannel(ChannelPart):
    type: Literal["email"] = Field(description="Sends each message as HTML e-mail over SMTP.")
    host: str = Field(min_length=1, description="SMTP server.")
    port: int = Field(default=587, ge=1, le=65535, description="Port of the SMTP server.")
    sender: str = Field(alias="from", min_length=3, description="Address of the sender.")
    to: OneOrMore[str] = Field(default=(), description="Who gets what has no contacts of its own.")
    username: str = Field(default="", description="User name; empty = no login.")
    password: Secret | None = Field(default=None, description="Password of the user name.")
    tls: Literal["none", "starttls", "tls"] = Field(default="starttls", description="Encryption of the connection.")
    ca_file: str = Field(
        default="",
        description="PEM file of what the server's certificate is signed by; empty = what the system trusts.",
    )
    timeout: SendDuration = Field(default=timedelta(seconds=30), description="The longest one send may take.")
    in_flight_max: int = Field(default=4, ge=1, le=64, description="Sends at the same time.")


class PagerdutyChannel(ChannelPart):
    type: Literal["pagerduty"] = Field(description="Keeps one alert an incident at PagerDuty, and hears its webhooks.")
    routing_key: Secret = Field(description="Integration key of an Events API v2 integration.")
    api_url: str = Field(default="https://events.pagerduty.com", description="Where events go; the EU has another.")
    webhook_secrets: OneOrMore[Secret] = Field(
        default=(), max_length=2, description="Secrets of the webhook subscription; none = nothing is heard."
    )
    timeout: SendDuration = Field(default=timedelta(seconds=10), description="The longest one send may take.")
    in_flight_max: int = Field(default=4, ge=1, le=256, description="Sends at the same time.")


class SlackChannel(ChannelPart):
    type: Literal["slack"] = Field(
        description="Keeps one message an incident in Slack, with buttons, and hears what people press."
    )
    token: Secret = Field(description="Bot User OAuth Token of the app (xoxb-…).")
    channel: str = Field(
        default="", description="Id of the channel (C…) for what has no contacts.slack of its own; empty = only those."
    )
    signing_secrets: OneOrMore[Secret] = Field(
        default=(), max_length=2, description="Signing secrets of the app; none = no buttons over HTTP."
    )
    app_token: Secret | None = Field(
        default=None, description="App-level token (xapp-…); none = no buttons over Socket Mode."
    )
    api_url: str = Field(default="https://slack.com/api/", description="Where the Web API is, for gateways.")
    timeout: SendDuration = Field(default=timedelta(seconds=10), description="The longest one send may take.")
    in_flight_max: int = Field(default=1, ge=1, le=256, description="Sends at the same time.")


class TeamsChannel(ChannelPart):
    type: Literal["teams"] = Field(description="Posts each message as an adaptive card to Microsoft Teams.")
    url: SecretUrl = Field(description="Address of the workflow's webhook. Never shown whole.")
    timeout: SendDuration = Field(default=timedelta(seconds=15), description="The longest one send may take.")
    in_flight_max: int = Field(default=4, ge=1, le=256, description="Sends at the same time.")


class PhoneChannel(ChannelPart):
    """What short messages and calls have in common."""

    url: SecretUrl = Field(description="Where the provider takes the request. Never shown whole.")
    sender: str = Field(default="", alias="from", description="Number or name that it comes from: {from} in the body.")
    to: OneOrMore[str] = Field(default=(), description="Numbers of what has no contacts of its own.")
    headers: dict[str, Secret] = Field(default={}, max_length=20, description="Headers of the request, by name.")
    username: str = Field(default="", description="User name of the request (basic authentication); empty = none.")
    password: Secret | None = Field(default=None, description="Password of the user name.")
    form: dict[str, str] = Field(
        default={},
        max_length=100,
        description="Fields of the body as a form: {To: '{to}', From: '{from}', Body: '{text}'}; or json.",
    )
    json_body: dict[str, Any] = Field(
        default={}, alias="json", description="The body as JSON, with the same placeholders in its texts; or form."
    )
    secrets: dict[str, Secret] = Field(
        default={},
        max_length=20,
        description="What the body needs and nobody may see, by placeholder: {key: env:NAME} for {key}.",
    )
    accepted: tuple[int, ...] = Field(default=(200, 201, 202), min_length=1, description="Statuses that mean taken.")
    receipt: str = Field(
        default="", description="JSON pointer to the id in the answer (/sid); an answer without it counts as failed."
    )
    auth_tokens: OneOrMore[Secret] = Field(
        default=(), max_length=2, description="Tokens that sign replies, as Twilio does; none = nothing is heard."
    )
    public_url: str = Field(default="", description="Address that replies are sent to, exactly as the provider has it.")
    timeout: SendDuration = Field(default=timedelta(seconds=15), description="The longest one send may take.")
    in_flight_max: int = Field(default=4, ge=1, le=256, description="Sends at the same time.")


class SmsChannel(PhoneChannel):
    type: Literal["sms"] = Field(description="Sends short messages through a provider with an HTTP interface.")
    text_max: int = Field(default=320, ge=160, le=480, description="Characters of a message; 160 is one.")


class VoiceChannel(PhoneChannel):
    type: Literal["voice"] = Field(description="Calls through a provider with an HTTP interface, which says the text.")


class ServicenowChannel(ChannelPart):
    type: Literal["servicenow"] = Field(description="Keeps one ServiceNow ticket for each incident.")
    url: str = Field(min_length=1, description="The instance: https://name.service-now.com.")
    username: str = Field(
        default="", description="User that tocsin is there; also with a token, so that its own changes ask for nothing."
    )
    password: Secret | None = Field(default=None, description="Password of the user name.")
    token: Secret | None = Field(default=None, description="OAuth token, instead of a password.")
    api_key: Secret | None = Field(default=None, description="REST API key, instead of a password.")
    table: str = Field(default="incident", description="Table of the tickets.")
    fields: dict[str, str] = Field(
        default={},
        max_length=50,
        description="Fields of a new ticket: {assignment_group: Database, caller_id: tocsin}; names or sys_ids.",
    )
    close_code: str = Field(
        default="Solution provided",
        max_length=100,
        description="Resolution code of a ticket that is resolved; older instances have `Solved (Permanently)`.",
    )
    inbound_secret: OneOrMore[InboundSecret] = Field(
        default=(),
        max_length=2,
        description="Key, or two, with which the instance signs what its people did; none = nothing is taken.",
    )
    timeout: SendDuration = Field(default=timedelta(seconds=30), description="The longest one send may take.")
    in_flight_max: int = Field(default=4, ge=1, le=64, description="Sends at the same time.")


Channel = Annotated[
    ConsoleChannel
    | WebhookChannel
    | ServicenowChannel
    | SlackChannel
    | EmailChannel
    | PagerdutyChannel
    | TeamsChannel
    | SmsChannel
    | VoiceChannel,
    Field(discriminator="type"),
]
