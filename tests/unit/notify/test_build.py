"""Building channels from settings: every mistake at once, in words, without secrets."""

import base64
from typing import Any, get_args

import pytest

from tocsin.notify.channels.build import TYPES, build
from tocsin.notify.channels.options import OPTIONS, BadChannels
from tocsin.settings import Secret
from tocsin.settings import channel as parts
from tocsin.settings.part import Part

HOOK = {"type": "webhook", "url": "https://a.example/hook"}
SMS = {"type": "sms", "url": "https://a.example/sms", "form": {"To": "{to}", "Body": "{text}"}}
MAIL = {"type": "email", "host": "smtp.a.example", "from": "tocsin <tocsin@a.example>"}


EACH: dict[str, tuple[dict[str, Any], int]] = {
    "console": ({}, 1),
    "webhook": (HOOK, 8),
    "email": (MAIL, 4),
    "slack": ({"token": "xoxb-1"}, 1),
    "pagerduty": ({"routing_key": "a" * 32}, 4),
    "teams": ({"url": "https://a.example/hook"}, 4),
    "servicenow": ({"url": "https://a.example", "username": "u", "password": "p"}, 4),
    "sms": (SMS, 4),
    "voice": (SMS, 4),
}
"""Type to the least that has to be given, and to how many sends it then makes at once."""


async def test_each_type_is_built_with_its_defaults() -> None:
    channels = build({kind: {**options, "type": kind} for kind, (options, _) in EACH.items()})
    assert set(EACH) == set(TYPES)
    for name, channel in channels.items():
        assert (channel.name, channel.kind, channel.in_flight_max) == (name, name, EACH[name][1])
        await channel.close()


async def test_secrets_may_come_wrapped() -> None:
    secret = Secret("whsec_" + base64.b64encode(b"key").decode())
    channels = build({"hook": {**HOOK, "url": Secret(HOOK["url"]), "secret": secret}})
    await channels["hook"].close()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"type": "slak"}, f"notify.channels.ops.type: 'slak' is no type of channel; known: {', '.join(TYPES)}"),
        ({}, f"notify.channels.ops.type: None is no type of channel; known: {', '.join(TYPES)}"),
        ({"type": "webhook"}, "notify.channels.ops: option 'url' is missing"),
        ({**HOOK, "url": ""}, "notify.channels.ops: option 'url' is missing"),
        ({**HOOK, "sceret": "x"}, "notify.channels.ops: unknown option 'sceret', did you mean 'secret'?"),
        ({**HOOK, "zzz": "x"}, "notify.channels.ops: unknown option 'zzz'"),
        ({**HOOK, "timeout_seconds": 121}, "notify.channels.ops.timeout_seconds: 121 is more than 120"),
        ({**HOOK, "timeout_seconds": float("nan")}, "notify.channels.ops.timeout_seconds: nan is less than 0.05"),
        ({**HOOK, "timeout_seconds": "10"}, "notify.channels.ops.timeout_seconds: '10' is not int or float"),
        ({**HOOK, "in_flight_max": 0}, "notify.channels.ops.in_flight_max: 0 is less than 1"),
        ({**HOOK, "in_flight_max": True}, "notify.channels.ops.in_flight_max: True is not int"),
        ({**HOOK, "secret": 5}, "notify.channels.ops.secret: the value is not str"),
        (
            {**HOOK, "url": "ftp://canary@a.example"},
            "notify.channels.ops.url: not an address; write http://host/path or https://host/path",
        ),
        ({**HOOK, "secret": "whsec_canary!"}, "notify.channels.ops.secret: behind whsec_ there must be base64"),
        ({**MAIL, "tls": "ssl"}, "notify.channels.ops.tls: 'ssl' is none of none, starttls, tls"),
        (
            {**MAIL, "ca_file": "/nowhere.pem"},
            "notify.channels.ops.ca_file: no certificates can be read from '/nowhere.pem': "
            "[Errno 2] No such file or directory",
        ),
        ({**MAIL, "from": "nobody"}, "notify.channels.ops.from: 'nobody' is not an e-mail address"),
        ({**MAIL, "to": ["a@b.example", "x y"]}, "notify.channels.ops.to: 'x y' is not an e-mail address"),
        (
            {"type": "pagerduty", "routing_key": "canary"},
            "notify.channels.ops.routing_key: not one; PagerDuty's have 32 letters and digits",
        ),
        (
            {"type": "pagerduty", "routing_key": "a" * 32, "api_url": "events.canary"},
            "notify.channels.ops.api_url: not an address; write http://host/path or https://host/path",
        ),
        (
            {"type": "pagerduty", "routing_key": "a" * 32, "webhook_secrets": ["canary", "b", "c"]},
            "notify.channels.ops.webhook_secrets: 3 are too many; at most 2 count at a time",
        ),
        (
            {"type": "pagerduty", "routing_key": "a" * 32, "webhook_secrets": ["canary", 5]},
            "notify.channels.ops.webhook_secrets: not a list of texts; put numbers in quotes",
        ),
        (
            {"type": "teams", "url": "canary"},
            "notify.channels.ops.url: not an address; write http://host/path or https://host/path",
        ),
        ({**SMS, "form": {}}, "notify.channels.ops.form: give either form or json, the body that the provider wants"),
        (
            {**SMS, "json": {"to": "{to}"}},
            "notify.channels.ops.form: give either form or json, the body that the provider wants",
        ),
        (
            {**SMS, "form": {"To": "{to}", "Body": "{txt}"}},
            "notify.channels.ops.form.Body: no placeholder {txt}, did you mean {text}?",
        ),
        (
            {**SMS, "form": {}, "json": {"to": ["{to}"], "m": {"body": "{xyz}"}}},
            "notify.channels.ops.json.m.body: no placeholder {xyz}; known: to, from, text, delivery_id, callback",
        ),
        (
            {**SMS, "form": {"To": "{to}"}},
            "notify.channels.ops.form: nowhere is {text}; without it nobody is told anything",
        ),
        (
            {**SMS, "form": {"To": "{to}", "Body": ["{text}"]}},
            "notify.channels.ops.form.Body: a field of a form is one text; write json for what is deeper",
        ),
        ({**SMS, "to": "12 ab"}, "notify.channels.ops.to: '12 ab' is not a phone number; write +4930123456"),
        ({**SMS, "headers": {"x y": "canary"}}, "notify.channels.ops.headers: 'x y' is no name of a header"),
        (
            {**SMS, "headers": {"x-key": "canary\r\nx: y"}},
            "notify.channels.ops.headers.x-key: its value is no text of printable ASCII",
        ),
        (
            {**SMS, "headers": {"Authorization": "canary"}, "username": "u"},
            "notify.channels.ops.username: there is an authorization header, too; give one of them",
        ),
        (
            {**SMS, "accepted": [200, 404]},
            "notify.channels.ops.accepted: 404 is no status of success; they are 200 to 299",
        ),
        (
            {**SMS, "receipt": "sid"},
            "notify.channels.ops.receipt: 'sid' is no JSON pointer; write /sid or /messages/0/id",
        ),
        (
            {**SMS, "auth_tokens": "canary"},
            "notify.channels.ops.public_url: missing; the provider signs the address that it calls",
        ),
        ({**SMS, "auth_tokens": [""]}, "notify.channels.ops.auth_tokens: an empty one signs nothing"),
        (
            {**SMS, "form": {"To": "{to}", "T": "<a>{text}{callback}</a>"}},
            "notify.channels.ops.public_url: missing; the body has {callback}",
        ),
        (
            {**SMS, "secrets": {"text": "canary"}},
            "notify.channels.ops.secrets: 'text' is no name of a placeholder; letters and _, none of to, from, text, "
            "delivery_id, callback",
        ),
        ({**SMS, "secrets": {"key": 5}}, "notify.channels.ops.secrets.key: its value is no text; put it in quotes"),
        ({**SMS, "text_max": 70}, "notify.channels.ops.text_max: 70 is less than 160"),
        ({**SMS, "headers": "canary"}, "notify.channels.ops.headers: the value is not dict"),
        (
            {**MAIL, "tls": "none", "username": "u", "password": "canary"},
            "notify.channels.ops.tls: none would send the password in the clear; use starttls or tls",
        ),
    ],
)
def test_a_mistake_is_named_where_it_is(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadChannels) as caught:
        build({"ops": options})
    assert caught.value.problems == [problem]
    assert "canary" not in str(caught.value)


def test_all_mistakes_of_all_channels_are_told_at_once() -> None:
    with pytest.raises(BadChannels) as caught:
        build({"a": {"type": "webhook", "port": 1}, "b": {"type": "x"}, "c": {"type": "console"}})
    assert len(caught.value.problems) == 3


def test_every_option_says_what_it_is() -> None:
    for options in OPTIONS.values():
        for option in options.values():
            assert option.help.endswith(".")


@pytest.mark.parametrize("part", get_args(get_args(parts.Channel)[0]))
def test_the_settings_offer_exactly_the_options_that_are_built(part: type[Part]) -> None:
    kind = str(part.model_fields["type"].annotation).split("'")[1]
    words = {f"{word}_seconds" if word == "timeout" else word for word in part.words()}
    assert words - {"type"} == set(OPTIONS[kind])
