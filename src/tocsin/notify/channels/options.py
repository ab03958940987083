"""Which options a channel of each type takes: declared once, read by the check, by the reference and by `build`.

In: the settings of one channel, secrets revealed. Out: its values with defaults filled in, or every problem in words.
Invariant: a problem never repeats the value of a secret.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

import msgspec

from tocsin.domain.errors import TocsinError
from tocsin.notify.channels.phone_text import TEXT_MAX, TEXT_MIN

TIMEOUT_MAX: Final = 120.0
"""Seconds: a page that takes longer is better tried again; notify counts on it to recognise lost attempts."""
IN_FLIGHT_MAX: Final = 256
"""Sends of one channel at once: each may hold a socket."""
REQUIRED: Final = "(required)"


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One option of a channel type."""

    help: str
    kind: tuple[type, ...] = (str,)
    default: Any = REQUIRED
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False


def _timeout(seconds: float) -> Option:
    return Option(
        help="The longest one send may take, in seconds.",
        kind=(int, float),
        default=seconds,
        least=0.05,
        most=TIMEOUT_MAX,
    )


def _in_flight(count: int) -> Option:
    return Option(help="Sends at the same time.", kind=(int,), default=count, least=1, most=IN_FLIGHT_MAX)


def _phone(length: dict[str, Option]) -> dict[str, Option]:
    """Of short messages and calls alike; `length` is what only one of them has."""
    return {
        "url": Option(help="Where the provider takes the request: http or https.", secret=True),
        "from": Option(help="Number or name that it comes from: {from} in the body.", default=""),
        "to": Option(help="Numbers of what has no contacts of its own.", kind=(str, list, tuple), default=()),
        "headers": Option(help="Headers of the request, by name.", kind=(dict,), default={}, secret=True),
        "username": Option(help="User name of the request (basic authentication); empty = none.", default=""),
        "password": Option(help="Its password.", default="", secret=True),
        "form": Option(
            help="Fields of the body as a form, with {to}, {from}, {text}, {delivery_id}, {callback}; or json.",
            kind=(dict,),
            default={},
        ),
        "json": Option(
            help="The body as JSON, with the same placeholders in its texts; or form.", kind=(dict,), default={}
        ),
        "secrets": Option(
            help="What the provider wants in the body and nobody may see, by the name of its placeholder.",
            kind=(dict,),
            default={},
            secret=True,
        ),
        "accepted": Option(
            help="Statuses that mean that the provider has taken it.", kind=(list, tuple), default=(200, 201, 202)
        ),
        "receipt": Option(
            help="JSON pointer to the provider's id in its answer: /sid; an answer without it counts as failed.",
            default="",
        ),
        **length,
        "auth_tokens": Option(
            help="Tokens that sign replies, as Twilio does: at most two; none = nothing is heard.",
            kind=(str, list, tuple),
            default=(),
            secret=True,
        ),
        "public_url": Option(help="Address that replies are sent to, exactly as the provider has it.", default=""),
        "timeout_seconds": _timeout(15.0),
        "in_flight_max": _in_flight(4),
    }


_INBOUND: Final = Option(
    help="Key, or two, that sign what comes back; empty = nothing is taken.",
    kind=(str, list, tuple),
    default=(),
    secret=True,
)

OPTIONS: Final[dict[str, dict[str, Option]]] = {
    "console": {},
    "webhook": {
        "url": Option(help="Where the JSON is posted to: http or https.", secret=True),
        "secret": Option(
            help="Key of the Standard Webhooks signature: whsec_ and base64, or any text; empty = unsigned.",
            default="",
            secret=True,
        ),
        "secrets": Option(
            help="More keys that sign, after secret; two in all are active while one replaces the other.",
            kind=(str, list, tuple),
            default=(),
            secret=True,
        ),
        "inbound_secret": _INBOUND,
        "allow_networks": Option(
            help="Networks inside that contacts of kind webhook may lead to, such as 10.1.0.0/16.",
            kind=(str, list, tuple),
            default=(),
        ),
        "timeout_seconds": _timeout(10.0),
        "in_flight_max": _in_flight(8),
    },
    "slack": {
        "token": Option(help="Bot User OAuth Token of the app (xoxb-…).", secret=True),
        "channel": Option(
            help="Id of the channel (C…) for what has no contacts.slack of its own; empty = only those.", default=""
        ),
        "signing_secrets": Option(
            help="Signing secrets of the app, at most two: buttons that Slack reports over HTTP; none = not over HTTP.",
            kind=(str, list, tuple),
            default=(),
            secret=True,
        ),
        "app_token": Option(
            help="App-level token (xapp-…): buttons that Slack reports over Socket Mode; empty = not over that.",
            default="",
            secret=True,
        ),
        "api_url": Option(help="Where the Web API is, for gateways.", default="https://slack.com/api/"),
        "timeout_seconds": _timeout(10.0),
        "in_flight_max": _in_flight(1),
    },
    "servicenow": {
        "url": Option(help="The instance: https://name.service-now.com."),
        "username": Option(
            help="User that tocsin is there; also with a token, so that its own changes ask for nothing.", default=""
        ),
        "password": Option(help="Its password.", default="", secret=True),
        "token": Option(help="OAuth token, instead of a password.", default="", secret=True),
        "api_key": Option(help="REST API key, instead of a password.", default="", secret=True),
        "table": Option(help="Table of the tickets.", default="incident"),
        "fields": Option(
            help="Fields of a new ticket, by name: assignment_group, caller_id; names or sys_ids.",
            kind=(dict,),
            default={},
        ),
        "close_code": Option(help="Resolution code of a ticket that is resolved.", default="Solution provided"),
        "inbound_secret": _INBOUND,
        "timeout_seconds": _timeout(30.0),
        "in_flight_max": _in_flight(4),
    },
    "email": {
        "host": Option(help="SMTP server."),
        "port": Option(help="Its port.", kind=(int,), default=587, least=1, most=65535),
        "from": Option(help="Address of the sender, with or without a name."),
        "to": Option(help="Addresses of what has no contacts of its own.", kind=(str, list, tuple), default=()),
        "username": Option(help="User name; empty = no login.", default=""),
        "password": Option(help="Its password.", default="", secret=True),
        "tls": Option(
            help="Encryption: starttls (required, not offered), tls from the first byte, or none.",
            default="starttls",
            choices=("none", "starttls", "tls"),
        ),
        "ca_file": Option(
            help="Certificates that the server's must be signed by, as a PEM file; empty = those the system trusts.",
            default="",
        ),
        "timeout_seconds": _timeout(30.0),
        "in_flight_max": _in_flight(4),
    },
    "pagerduty": {
        "routing_key": Option(help="Integration key of an Events API v2 integration: 32 characters.", secret=True),
        "api_url": Option(help="Where events go; the EU has another.", default="https://events.pagerduty.com"),
        "webhook_secrets": Option(
            help="Secrets of the webhook subscription: at most two; none = nothing is heard.",
            kind=(str, list, tuple),
            default=(),
            secret=True,
        ),
        "timeout_seconds": _timeout(10.0),
        "in_flight_max": _in_flight(4),
    },
    "teams": {
        "url": Option(help="Address of the workflow's webhook: http or https.", secret=True),
        "timeout_seconds": _timeout(15.0),
        "in_flight_max": _in_flight(4),
    },
    "sms": _phone(
        {
            "text_max": Option(
                help="Characters of a message; 160 is one.", kind=(int,), default=320, least=TEXT_MIN, most=TEXT_MAX
            )
        }
    ),
    "voice": _phone({}),
}
"""Type to its options; `type` itself is common to all."""

PER_SECOND: Final[dict[str, float]] = {
    "slack": 1.0,  # https://docs.slack.dev/apis/web-api/rate-limits: one message a second and channel
    "pagerduty": 2.0,  # WIRE: 120 events a minute and routing key
    "teams": 4.0,  # Microsoft's limit of incoming webhooks: four requests a second
    "sms": 1.0,  # what a long number is usually allowed
    "voice": 1.0,
}
"""Sends a second that the receivers of a type take; those of other types say so by themselves, if at all."""
PER_SECOND_MAX: Final = 10_000.0

for _kind, _options in OPTIONS.items():
    _options["per_second"] = Option(
        help="Sends a second at most, over the whole channel; pages first. 0 = as many as the receiver takes.",
        kind=(int, float),
        default=PER_SECOND.get(_kind, 0.0),
        least=0,
        most=PER_SECOND_MAX,
    )
OF_THE_RUNTIME: Final = frozenset({"per_second"})
"""Options that the channel itself does not see."""


class BadChannels(TocsinError, ValueError):
    """Channels that cannot be built; `problems` has one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def values_of(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The options of channel `name` with the defaults filled in.

    Raises:
        BadChannels: naming everything that is wrong.
    """
    where = f"notify.channels.{name}"
    kind = settings.get("type")
    if not isinstance(kind, str) or kind not in OPTIONS:
        raise BadChannels([f"{where}.type: {kind!r} is no type of channel; known: {', '.join(OPTIONS)}"])
    if problems := list(_problems(where, OPTIONS[kind], settings)):
        raise BadChannels(problems)
    given = {option: _plain(settings.get(option)) for option in OPTIONS[kind]}
    return {
        option: declared.default if given[option] is None else given[option]
        for option, declared in OPTIONS[kind].items()
        if option not in OF_THE_RUNTIME
    }


def per_second(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Sends a second by channel name, 0 = no limit; of settings that `values_of` has found right."""
    return {
        name: float(OPTIONS[options["type"]]["per_second"].default if given is None else given)
        for name, options in settings.items()
        for given in (_plain(options.get("per_second")),)
    }


def _problems(where: str, options: Mapping[str, Option], settings: Mapping[str, Any]) -> Iterator[str]:
    for option in settings:
        if option not in options and option != "type":
            near = get_close_matches(str(option), options, n=1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            yield f"{where}: unknown option {option!r}{hint}"
    for option, declared in options.items():
        value = _plain(settings.get(option))
        if value is None or (value == "" and declared.default is REQUIRED):
            if declared.default is REQUIRED:
                yield f"{where}: option {option!r} is missing"
        elif problem := _problem(declared, value):
            yield f"{where}.{option}: {problem}"


def _problem(declared: Option, value: Any) -> str:
    shown = "the value" if declared.secret else repr(value)
    if isinstance(value, bool) or not isinstance(value, declared.kind):
        return f"{shown} is not {' or '.join(kind.__name__ for kind in declared.kind)}"
    if declared.choices and value not in declared.choices:
        return f"{shown} is none of {', '.join(declared.choices)}"
    if not isinstance(value, int | float):
        return ""
    if declared.least is not None and not value >= declared.least:
        return f"{shown} is less than {declared.least:g}"
    if declared.most is not None and not value <= declared.most:
        return f"{shown} is more than {declared.most:g}"
    return ""


def _plain(value: Any) -> Any:
    """A secret may come wrapped, with `reveal`."""
    reveal = getattr(value, "reveal", None)
    if callable(reveal):
        return reveal()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return type(value)(map(_plain, value)) if isinstance(value, list | tuple) else value
