"""What Slack answers and what a channel of Slack is made with: remedies in words, no secret, links, templates."""

import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from contract.channel_kits import effect, slack_to
from contract.slack_kit import about, buttons, first
from contract.slack_server import CHANNEL, SCOPES, TEST_NOW, TOKEN, SlackServer, slack_server
from tocsin.notify.channel import Around, NoLinks, Sent, Words
from tocsin.notify.channels.slack import Slack


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    async with slack_server(clock=lambda: TEST_NOW) as one:
        yield one


@pytest.fixture
async def slack(server: SlackServer) -> AsyncIterator[Slack]:
    channel = slack_to(server, signing_secrets="s", app_token="xapp-1")
    yield channel
    await channel.close()


# ---- what Slack says -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "outcome", "said"),
    [
        ("invalid_auth", "denied", "Bot User OAuth Token"),
        ("channel_not_found", "refused", "/invite"),
        ("not_in_channel", "refused", "chat:write.public"),
        ("is_archived", "refused", "archived"),
        ("account_inactive", "denied", "install it again"),
        ("internal_error", "failed", "internal_error"),
        ("a_word_of_next_year", "failed", "a_word_of_next_year"),
    ],
)
async def test_a_refusal_names_the_remedy(
    server: SlackServer, slack: Slack, word: str, outcome: str, said: str
) -> None:
    server.scripted["chat.postMessage"] = deque([word])
    sent = await first(slack)
    assert sent.outcome == outcome
    assert word in sent.detail
    assert said in sent.detail


async def test_a_missing_scope_is_named() -> None:
    async with slack_server(scopes=SCOPES - {"chat:write"}) as server:
        slack = slack_to(server)
        sent = await first(slack)
        assert sent == Sent("refused", "slack: missing_scope (chat:write): give the app the scope and install it again")
        await slack.close()


@pytest.mark.parametrize(("headers", "seconds"), [({"Retry-After": "7"}, 7.0), ({}, 30.0)])
async def test_a_limit_says_when_to_come_back(
    server: SlackServer, slack: Slack, headers: dict[str, str], seconds: float
) -> None:
    answer = web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
    server.scripted["chat.postMessage"] = deque([answer])
    assert await first(slack) == Sent("failed", "slack: ratelimited", retry_after_seconds=seconds)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (web.Response(status=200, text="hello", content_type="text/plain"), "failed"),
        (web.Response(status=200, text="<html>", content_type="text/html"), "failed"),
        (web.Response(status=200, text="{", content_type="application/json"), "failed"),
        (web.Response(status=200, text="[]", content_type="application/json"), "failed"),
        (web.Response(status=200, body=b"\xff\xfe", content_type="application/json"), "failed"),
        (web.Response(status=503, text="later", headers={"Retry-After": "3"}), "failed"),
        (web.Response(status=404, text="no such page", content_type="text/html"), "refused"),
        (web.Response(status=302, headers={"Location": "/api/elsewhere"}), "refused"),
    ],
)
async def test_answers_that_are_not_slacks(
    server: SlackServer, slack: Slack, answer: web.Response, outcome: str
) -> None:
    server.scripted["chat.postMessage"] = deque([answer])
    sent = await first(slack)
    assert sent.outcome == outcome
    assert 0 < len(sent.detail) <= 300
    assert server.called("elsewhere") == []


async def test_nothing_tells_the_token(server: SlackServer, slack: Slack, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    details = []
    for word in ("invalid_auth", "lost", f"echo {TOKEN}"):
        server.scripted["chat.postMessage"] = deque([word])
        details.append((await first(slack)).detail)
    await server.stop()
    details.append((await first(slack)).detail)
    assert all(details)
    assert TOKEN not in json.dumps(details)
    assert TOKEN not in caplog.text


async def test_a_closed_channel_sends_nothing(server: SlackServer, slack: Slack) -> None:
    await slack.close()
    assert (await first(slack)).outcome == "failed"
    assert server.calls == []


# ---- what is around it -----------------------------------------------------------------------------------------------


class OurLinks(NoLinks):
    def page(self, incident_id: str) -> str:
        return f"https://tocsin.example/i/{incident_id}"

    def acknowledge(self, incident_id: str, recipient: str, delivery_id: str) -> str:
        return f"https://tocsin.example/a/{incident_id}?r={recipient}&d={delivery_id}"


class OurWords:
    def words(self, channel: str, kind: str, context: object) -> Words | None:
        assert (channel, kind) == ("chat", "slack")
        return Words(subject="Ours <!channel>", body="First *line*\n" + "x<y&z " * 5000)


async def test_where_clicks_do_not_come_back_there_are_addresses(server: SlackServer) -> None:
    slack = slack_to(server, around=Around(links=OurLinks()))
    assert (await first(slack)).outcome == "delivered"
    (message,) = server.standing()
    assert buttons(message) == ["Acknowledge", "Open"]
    elements = message["blocks"][-1]["elements"]
    assert elements[0]["url"].startswith("https://tocsin.example/a/inc_aaonlyfortests?r=team:on_call")
    await slack.close()


async def test_a_digest_names_incidents_with_their_pages_and_asks_for_nothing(server: SlackServer) -> None:
    slack = slack_to(server, app_token="xapp-1", around=Around(links=OurLinks()))
    one = {"id": "inc_1", "number": "INC-1", "title": "Disk <!here>", "severity": "critical"}
    digest = {"count": 40, "incidents": [one] * 25, "more": 15, "since": "2026-11-21T12:00:00Z"}
    assert (await slack.send(effect(context={"digest": digest}), possible_duplicate=False)).outcome == "delivered"
    (message,) = server.standing()
    shown = json.dumps(message["blocks"])
    assert shown.count("<https://tocsin.example/i/inc_1|INC-1> Disk &lt;!here&gt;") == 25
    assert "and 15 more" in shown
    assert buttons(message) == []
    await slack.close()


async def test_without_addresses_and_clicks_there_are_no_buttons(server: SlackServer) -> None:
    slack = slack_to(server)
    assert (await first(slack)).outcome == "delivered"
    assert buttons(server.standing()[0]) == []
    await slack.close()


async def test_the_words_of_a_template_take_the_place_of_ours(server: SlackServer) -> None:
    slack = slack_to(server, around=Around(wording=OurWords()))
    sent = await first(slack)
    assert sent.outcome == "delivered"
    (message,) = server.standing()
    assert message["blocks"][0]["text"]["text"] == "🔴 Ours &lt;!channel&gt;"
    assert "97 % used" not in json.dumps(message["blocks"])
    await slack.send(about("incident.acknowledged", "acknowledged", sent.handle), possible_duplicate=False)
    assert server.thread(CHANNEL, message["ts"])[0]["text"] == "Ours &lt;!channel&gt;"
    await slack.close()


# ---- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"token": "xapp-1-secret"}, "it belongs to app_token"),
        ({"token": "xoxb-\nsecret"}, "token"),
        ({"app_token": "xoxb-secret"}, "begins with xapp-"),
        ({"channel": "#ops"}, "'#ops' is not an id"),
        ({"api_url": "slack.com"}, "api_url"),
        ({"signing_secrets": ("secret1", "secret2", "secret3")}, "at most 2"),
    ],
)
def test_settings_that_cannot_be_used_are_told(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        Slack("chat", **{"token": TOKEN, **options})
    assert "secret" not in str(error.value).replace("signing_secrets", "")
