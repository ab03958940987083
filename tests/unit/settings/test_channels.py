"""Channels and addresses in the settings: each mistake at its place, no secret in a message."""

from pathlib import Path
from typing import Any

import pytest

from tocsin.notify.channels.build import build
from tocsin.notify.channels.options import BadChannels
from tocsin.settings import SettingsError, load

LONG = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnk="
DESK = "type: servicenow, url: 'https://x.service-now.com', username: u, password: env:PASSWORD"


def loaded(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "tocsin.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, {"PASSWORD": "hidden-password", "NEW": LONG, "OLD": "hidden-hidden-hidden"})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "notify:\n  channels:\n    ops: {type: webhook, url: 'http://x/', inbound_secret: canary}\n",
            "must have at least 16 characters",
        ),
        (
            "notify:\n  channels:\n    ops: {type: webhook, url: 'http://x/', secrets: [canary1, canary2, canary3]}\n",
            "at most 2",
        ),
        (f"notify:\n  channels:\n    desk: {{{DESK}, tabel: incident}}\n", "did you mean 'table'?"),
        (f"notify:\n  channels:\n    desk: {{{DESK}, fields: {{urgency: 1}}}}\n", "must be text; put it in quotes"),
        (
            "people:\n  users:\n    ana: {contacts: {webhook: canary.example}}\n",
            "contacts.webhook: address 1 is not an address",
        ),
        ("people:\n  users:\n    ana: {contacts: {webhook: 'http://u:canary@x/'}}\n", "must not hold a user name"),
        (
            "people:\n  teams:\n    dba: {contacts: {webhook: ['ftp://canary/']}}\n",
            "contacts.webhook: address 1 is not an address",
        ),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, text)
    assert problem in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("allow_networks: inside", "notify.channels.ops.allow_networks: 'inside' is not a network"),
        ("secret: env:NEW, inbound_secret: env:NEW", "notify.channels.ops.inbound_secret: another key than those"),
        ("secret: env:NEW, secrets: [env:OLD, env:PASSWORD]", "notify.channels.ops.secret: 3 keys; at most 2"),
    ],
)
def test_what_only_the_channel_knows_to_be_wrong_is_named_too(tmp_path: Path, options: str, problem: str) -> None:
    settings = loaded(tmp_path, f"notify:\n  channels:\n    ops: {{type: webhook, url: 'http://x/', {options}}}\n")
    with pytest.raises(BadChannels) as caught:
        build(settings.channels())
    assert problem in str(caught.value)
    assert "canary" not in str(caught.value)


async def test_secrets_are_looked_up_and_never_shown(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        f"notify:\n  channels:\n    desk: {{{DESK}, inbound_secret: [env:NEW, env:OLD]}}\n"
        "    ops: {type: webhook, url: 'http://x/', secret: env:NEW, secrets: env:OLD, allow_networks: 10.0.0.0/8}\n",
    )
    channels = settings.channels()
    assert channels["desk"]["inbound_secret"] == (LONG, "hidden-hidden-hidden")
    assert channels["desk"]["password"] == "hidden-password"
    assert channels["ops"]["secrets"] == ("hidden-hidden-hidden",)
    for text in (str(settings.published()), repr(settings)):
        assert "hidden-" not in text
        assert LONG not in text
    for channel in build(channels).values():
        await channel.close()
