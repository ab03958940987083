"""Socket Mode against a local Slack: a click is acknowledged, taken once, answered; a line that breaks is made anew."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from contract.channel_kits import CONTEXT, effect, slack_to
from contract.slack_server import APP_TOKEN, SlackServer, slack_server
from tocsin.notify.channel import Asked, Hears, Listens
from tocsin.notify.channels.slack import Slack
from tocsin.notify.channels.slack_socket import Deaf

PATIENCE = 60.0
"""Seconds until a test gives up waiting: it is loaded machines that need them."""


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110 - a server's journal sets no event
            await asyncio.sleep(0.01)


class Taker:
    """Whoever writes the commands."""

    def __init__(self, answer: str = "") -> None:
        self.answer = answer
        self.asked: list[Asked] = []

    async def take(self, asked: Asked) -> str:
        self.asked.append(asked)
        if self.answer == "break":
            raise RuntimeError("no log")
        return self.answer


@asynccontextmanager
async def listening(server: SlackServer, taker: Taker) -> AsyncIterator[Slack]:
    slack = slack_to(server, app_token=APP_TOKEN)
    task = asyncio.create_task(slack.listen(taker.take))
    try:
        yield slack
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await slack.close()


async def message_with_buttons(server: SlackServer, slack: Slack) -> dict[str, Any]:
    await slack.send(effect(context={**CONTEXT, "type": "incident.opened"}), possible_duplicate=False)
    return server.standing()[0]


async def test_a_click_is_acknowledged_and_taken() -> None:
    taker = Taker()
    async with slack_server() as server, listening(server, taker) as slack:
        assert isinstance(slack, Hears)
        assert isinstance(slack, Listens)
        message = await message_with_buttons(server, slack)
        await until(lambda: server.lines)
        payload = server.press(message, "acknowledge")
        envelope = await server.over_socket(payload)
        await until(lambda: taker.asked)
        (asked,) = taker.asked
        assert (asked.verb, asked.incident) == ("acknowledge", "inc_aaonlyfortests")
        assert (asked.sender, asked.sender_name) == ("U0ANA", "Ana Lima")
        assert server.acknowledged == [envelope]
        await server.over_socket(payload)
        await until(lambda: len(taker.asked) == 2)
        assert taker.asked[1].key == asked.key
        assert server.ephemerals == []


@pytest.mark.parametrize(
    ("answer", "said"), [("not possible <!here>", "not possible &lt;!here&gt;"), ("break", "again")]
)
async def test_what_did_not_work_is_told_to_the_person(answer: str, said: str) -> None:
    taker = Taker(answer)
    async with slack_server() as server, listening(server, taker) as slack:
        message = await message_with_buttons(server, slack)
        await until(lambda: server.lines)
        await server.over_socket(server.press(message, "resolve", "U0BEN"))
        await until(lambda: server.ephemerals)
        (told,) = server.ephemerals
        assert (told["user"], told["channel"]) == ("U0BEN", message["channel_id"])
        assert said in told["text"]


async def test_what_is_no_button_of_ours_asks_for_nothing() -> None:
    taker = Taker()
    async with slack_server() as server, listening(server, taker) as slack:
        message = await message_with_buttons(server, slack)
        await until(lambda: server.lines)
        real = server.press(message, "acknowledge")
        strange: list[dict[str, Any]] = [
            {},
            {**real, "type": "view_submission"},
            {**real, "user": None},
            {**real, "actions": [{**real["actions"][0], "value": ""}]},
            {**real, "actions": [{**real["actions"][0], "action_id": "open_page"}]},
            {**real, "actions": [{**real["actions"][0], "action_id": "void"}]},
        ]
        for payload in strange:
            await server.over_socket(payload)
        await server.over_socket(real)
        await until(lambda: len(server.acknowledged) == len(strange) + 1 and taker.asked)
        assert [asked.verb for asked in taker.asked] == ["acknowledge"]


async def test_a_line_that_breaks_is_made_anew() -> None:
    taker = Taker()
    async with slack_server() as server, listening(server, taker) as slack:
        message = await message_with_buttons(server, slack)
        await until(lambda: server.lines)
        await server.lines[0].close()
        await until(lambda: not server.lines)
        await until(lambda: server.lines)
        await server.over_socket(server.press(message, "acknowledge"))
        await until(lambda: taker.asked)
        assert len(server.called("apps.connections.open")) >= 2


async def test_slack_may_ask_for_another_line() -> None:
    taker = Taker()
    async with slack_server() as server, listening(server, taker) as slack:
        message = await message_with_buttons(server, slack)
        await until(lambda: server.lines)
        old = server.lines[0]
        await old.send_json({"type": "disconnect", "reason": "refresh_requested", "debug_info": {"host": "h"}})
        await until(lambda: server.lines and server.lines[-1] is not old)
        await server.over_socket(server.press(message, "acknowledge"))
        await until(lambda: taker.asked)


async def test_a_slack_that_gives_no_line_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with slack_server() as server:
        wait = web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "1"})
        server.scripted["apps.connections.open"] = deque([wait])
        async with listening(server, Taker()):
            await until(lambda: server.lines)
    assert "ratelimited" in caplog.text
    assert "in 1 s" in caplog.text
    assert APP_TOKEN not in caplog.text
    assert "ticket-" not in caplog.text


async def test_a_token_that_opens_no_line_is_told() -> None:
    async with slack_server() as server:
        server.scripted["apps.connections.open"] = deque(["invalid_auth"])
        slack = slack_to(server, app_token=APP_TOKEN)
        with pytest.raises(Deaf, match="invalid_auth: app_token must be an app-level token"):
            await slack.listen(Taker().take)
        await slack.close()


async def test_a_slack_that_is_not_there_is_told() -> None:
    async with slack_server() as server:
        slack = slack_to(server, app_token=APP_TOKEN)
        await server.stop()
        with pytest.raises(Deaf, match="no line"):
            await slack.listen(Taker().take)
        await slack.close()


async def test_without_an_app_level_token_there_is_nothing_to_hear() -> None:
    async with slack_server() as server:
        slack = slack_to(server)
        task = asyncio.create_task(slack.listen(Taker().take))
        await slack.send(effect(), possible_duplicate=False)
        assert not task.done()
        assert server.called("apps.connections.open") == []
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await slack.close()
