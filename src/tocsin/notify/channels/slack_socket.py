"""Socket Mode: the connection over which Slack tells what people press, for who has no public address.

In: the app-level token. Out: `Asked` to whoever takes them; a line to the person in Slack about what became of it.
Invariants: an envelope is acknowledged before anything else, since Slack waits three seconds
(https://docs.slack.dev/apis/events-api/using-socket-mode); a line that breaks is made anew, and each try asks for a new
address, for one of Slack's opens once; who cannot get one says so. Neither tokens nor addresses are logged.
It checks no signature: who has the app-level token is believed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from tocsin.domain.errors import TocsinError
from tocsin.notify.channel import Asked, Malformed
from tocsin.notify.channels.slack_answers import sent_of, word_of
from tocsin.notify.channels.slack_blocks import TEXT_MAX, escaped
from tocsin.notify.channels.slack_clicks import asked_in, place_of

log: Final = logging.getLogger("tocsin.channels.slack")

CONNECT_SECONDS: Final = 15.0
"""To get an address and to open it."""
LOOK_SECONDS: Final = 0.5
"""How often we look whether the line stands: the SDK tells nobody when it breaks."""
AGAIN_SECONDS: Final = (0.5, 1.0, 2.0)
"""Pauses before the next try; then it is no passing fault. Slack allows about one address a second."""
CLOSE_SECONDS: Final = 2.0
"""For a polite goodbye."""
ANSWER_SECONDS: Final = 10.0
"""To tell a person what became of a click."""

Take = Callable[[Asked], Awaitable[str]]

silent: Final = logging.getLogger("tocsin.channels.slack.sdk")
"""For the SDK: what it writes may quote addresses that open a line, and messages. Above every level."""
silent.setLevel(logging.CRITICAL + 1)


class Deaf(TocsinError):
    """Slack opens no line: another try at once would not help."""


async def listen(name: str, web: AsyncWebClient, app_token: str, take: Take) -> None:
    """Keep the line of channel `name` until cancelled. `web` posts as the bot.

    Raises:
        Deaf: Slack refuses the token, or there is no line after some tries.
    """
    failures = 0
    while True:
        client: SocketModeClient | None = None
        pause = 0.0
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                client = await _connected(web, app_token, take)
            log.info("channel %s: listening to Slack", name)
            failures = 0
            await _broken(client)
            why = "the line broke"
        except SlackApiError as error:
            sent = sent_of(error)
            if sent.outcome in ("refused", "denied"):
                raise Deaf(_why(error)) from None
            why, pause = sent.detail, sent.retry_after_seconds or 0.0
        except (SlackClientError, aiohttp.ClientError, OSError, ValueError, AttributeError) as error:
            why = type(error).__name__  # the text may quote the address
        finally:
            if client is not None:
                await _close(client)
        if failures == len(AGAIN_SECONDS):
            raise Deaf(f"slack: no line: {why}")
        pause = max(pause, AGAIN_SECONDS[failures])
        failures += 1
        log.warning("channel %s: no line to Slack (%s); the next try is in %g s", name, why, pause)
        await asyncio.sleep(pause)


def _why(error: SlackApiError) -> str:
    word = word_of(error)
    token = "app_token must be an app-level token with the scope connections:write"  # noqa: S105 - words
    return f"slack: {word}: {token}" if word else sent_of(error).detail


async def _broken(client: SocketModeClient) -> None:
    """Until the line is down. Slack asks for a new one from time to time: the SDK moves by itself, and gets the time
    of a connect for it."""
    down = 0.0
    while down < (CONNECT_SECONDS if client.connect_operation_lock.locked() else LOOK_SECONDS):
        await asyncio.sleep(LOOK_SECONDS)
        down = 0.0 if await client.is_connected() else down + LOOK_SECONDS


async def _connected(web: AsyncWebClient, app_token: str, take: Take) -> SocketModeClient:
    """A client whose line stands.

    Raises:
        SlackApiError: Slack gives no address.
        TimeoutError: nor does it open within `CONNECT_SECONDS`.
    """
    answer = await web.apps_connections_open(app_token=app_token)
    client = SocketModeClient(app_token, logger=silent, web_client=web, auto_reconnect_enabled=False)
    client.proxy = web.proxy  # the SDK would take one from the environment that does not know of exceptions
    client.wss_uri = str(answer["url"])

    async def take_up(_: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        if request.type == "interactive":
            await _take(web, request, take)

    client.socket_mode_request_listeners.append(take_up)
    try:
        await client.connect()  # type: ignore[no-untyped-call]
    except BaseException:
        await _close(client)
        raise
    return client


async def _take(web: AsyncWebClient, request: SocketModeRequest, take: Take) -> None:
    try:
        requests = asked_in(request.payload)
    except Malformed as error:
        log.warning("a click in Slack cannot be understood: %s", error)
        return
    for asked in requests:
        try:
            line = await take(asked)
        except Exception as error:  # whoever takes it may fail; the person must know, and the line must stand
            log.error("a click in Slack was lost with %s", type(error).__name__)
            line = "That did not work: tocsin could not take it. Please try again."
        await _tell(web, request, asked, line)


async def _tell(web: AsyncWebClient, request: SocketModeRequest, asked: Asked, line: str) -> None:
    """A line that only the person sees. That it cannot be told changes nothing."""
    channel, thread = place_of(request.payload)
    if not line or not channel:
        return
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await web.chat_postEphemeral(
                channel=channel, user=asked.sender, text=escaped(line, TEXT_MAX), thread_ts=thread or None, parse="none"
            )
    except (SlackClientError, aiohttp.ClientError, OSError) as error:
        log.info("no answer to a click in Slack: %s", type(error).__name__)


async def _close(client: SocketModeClient) -> None:
    """End the line and everything that the SDK keeps running for it."""
    client.closed = True
    client.auto_reconnect_enabled = False
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.disconnect()  # type: ignore[no-untyped-call]
    for task in (client.message_processor, client.current_session_monitor, client.message_receiver):
        if task is not None:
            task.cancel()
    await client.aiohttp_client_session.close()
