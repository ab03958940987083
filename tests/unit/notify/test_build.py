"""Building channels from settings: every mistake at once, in words, without secrets."""

import base64
from typing import Any

import pytest

from tocsin.notify.channels.build import TYPES, build
from tocsin.notify.channels.options import OPTIONS, BadChannels
from tocsin.settings import Secret, tree
from tocsin.settings.part import Part

HOOK = {"type": "webhook", "url": "https://a.example/hook"}
MAIL = {"type": "email", "host": "smtp.a.example", "from": "tocsin <tocsin@a.example>"}


async def test_each_type_is_built_with_its_defaults() -> None:
    channels = build({"console": {"type": "console"}, "hook": HOOK, "mail": MAIL})
    assert [(name, channel.kind, channel.in_flight_max) for name, channel in channels.items()] == [
        ("console", "console", 1),
        ("hook", "webhook", 8),
        ("mail", "email", 4),
    ]
    assert set(TYPES) == {channel.kind for channel in channels.values()}
    for channel in channels.values():
        await channel.close()


async def test_secrets_may_come_wrapped() -> None:
    secret = Secret("whsec_" + base64.b64encode(b"key").decode())
    channels = build({"hook": {**HOOK, "url": Secret(HOOK["url"]), "secret": secret}})
    await channels["hook"].close()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"type": "slak"}, "notify.channels.ops.type: 'slak' is no type of channel; known: console, webhook, email"),
        ({}, "notify.channels.ops.type: None is no type of channel; known: console, webhook, email"),
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


@pytest.mark.parametrize("part", [tree.ConsoleChannel, tree.WebhookChannel, tree.EmailChannel])
def test_the_settings_offer_exactly_the_options_that_are_built(part: type[Part]) -> None:
    kind = str(part.model_fields["type"].annotation).split("'")[1]
    words = {f"{word}_seconds" if word == "timeout" else word for word in part.words()}
    assert words - {"type"} == set(OPTIONS[kind])
