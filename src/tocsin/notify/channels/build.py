"""From the settings of `notify.channels` to channels.

In: options by channel name, secrets revealed (`settings.Settings.channels()`). Out: channels by name, not connected.
Invariant: either all are built, or every problem of all of them is told at once.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tocsin.notify.channel import Around, Channel
from tocsin.notify.channels.console import Console
from tocsin.notify.channels.email import Email
from tocsin.notify.channels.options import OPTIONS, BadChannels, values_of
from tocsin.notify.channels.pagerduty import Pagerduty
from tocsin.notify.channels.phone import SMS, VOICE, Phone
from tocsin.notify.channels.servicenow import ServiceNow
from tocsin.notify.channels.slack import Slack
from tocsin.notify.channels.teams import Teams
from tocsin.notify.channels.webhook import Webhook

TYPES: Final = tuple(OPTIONS)
"""The types of channels there are."""


def build(settings: Mapping[str, Mapping[str, Any]], around: Around | None = None) -> dict[str, Channel]:
    """The channels of `settings` by name; the instance of `around` stands in the ids of mails.

    Raises:
        BadChannels: some cannot be built; its `problems` name each option, and no secret.
    """
    built: dict[str, Channel] = {}
    problems: list[str] = []
    for name, options in settings.items():
        try:
            values = values_of(name, options)
            built[name] = _MAKERS[options["type"]](name, values, around or Around())
        except BadChannels as error:
            problems += error.problems
        except ValueError as error:
            problems.append(f"notify.channels.{name}.{error}")
    if problems:
        raise BadChannels(problems)
    return built


def _console(name: str, values: dict[str, Any], around: Around) -> Channel:
    return Console(name, wording=around.wording)


def _webhook(name: str, values: dict[str, Any], around: Around) -> Channel:
    for option in ("secrets", "inbound_secret", "allow_networks"):
        values[option] = _several(option, values)
    return Webhook(name, values.pop("url"), wording=around.wording, **values)


def _servicenow(name: str, values: dict[str, Any], around: Around) -> Channel:
    inbound = _several("inbound_secret", values)
    return ServiceNow(name, values.pop("url"), inbound_secret=inbound, around=around, **values)


def _email(name: str, values: dict[str, Any], around: Around) -> Channel:
    to = values.pop("to")
    return Email(
        name,
        values.pop("host"),
        values.pop("from"),
        to=(to,) if isinstance(to, str) else tuple(to),
        around=around,
        **values,
    )


def _slack(name: str, values: dict[str, Any], around: Around) -> Channel:
    return Slack(name, values.pop("token"), around=around, **values)


def _pagerduty(name: str, values: dict[str, Any], around: Around) -> Channel:
    secrets = _several("webhook_secrets", values)
    return Pagerduty(name, values.pop("routing_key"), webhook_secrets=secrets, around=around, **values)


def _teams(name: str, values: dict[str, Any], around: Around) -> Channel:
    return Teams(name, values.pop("url"), around=around, **values)


def _sms(name: str, values: dict[str, Any], around: Around) -> Channel:
    return _phone(SMS, name, values, around)


def _voice(name: str, values: dict[str, Any], around: Around) -> Channel:
    return _phone(VOICE, name, values, around)


def _phone(kind: str, name: str, values: dict[str, Any], around: Around) -> Channel:
    to, tokens = _several("to", values), _several("auth_tokens", values)
    sender, url = values.pop("from"), values.pop("url")
    return Phone(name, kind, url, sender=sender, to=to, auth_tokens=tokens, around=around, **values)


def _several(option: str, values: dict[str, Any]) -> tuple[str, ...]:
    """One text, or several.

    Raises:
        ValueError: something else is among them; the message does not repeat it.
    """
    value = values.pop(option)
    found = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(one, str) for one in found):
        raise ValueError(f"{option}: not a list of texts; put numbers in quotes")
    return found


_MAKERS: Final[dict[str, Callable[[str, dict[str, Any], Around], Channel]]] = {
    "console": _console,
    "webhook": _webhook,
    "servicenow": _servicenow,
    "email": _email,
    "pagerduty": _pagerduty,
    "teams": _teams,
    "sms": _sms,
    "voice": _voice,
    "slack": _slack,
}
