"""Slack: one message an incident, changed in place, with buttons; what is new stands in its thread.

In: an effect; what people press. Out: what Slack made of it; `Asked`. Invariants: a send ends within its time-out;
tokens and the signing secret are in no detail; whatever a source wrote mentions nobody; of one delivery there is one
message: Slack has no idempotency key, so every message carries its delivery's id as metadata, and an attempt that may
be a second one looks for it first.
It keeps no memory: where the message of an incident is, the effect's handle says.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import aiohttp
import orjson
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from yarl import URL

from tocsin.domain.instant import Instant
from tocsin.notify.channel import Around, Asked, Heard, Sent, Words
from tocsin.notify.channels import slack_blocks as look
from tocsin.notify.channels import slack_socket
from tocsin.notify.channels.session import KEEP_SECONDS, certificates, proxy_of
from tocsin.notify.channels.slack_answers import FIXED, GONE, sent_of, word_of
from tocsin.notify.channels.slack_blocks import Draft
from tocsin.notify.channels.slack_clicks import SECRETS_MAX, heard
from tocsin.notify.channels.webhook import checked_url
from tocsin.notify.message import Message, message_of, one_line
from tocsin.notify.plan import CALLS
from tocsin.stage import Effect

API_URL: Final = "https://slack.com/api/"
DETAIL_MAX: Final = 300
LOOKED_AT_MAX: Final = 100
"""Messages among which an earlier attempt is looked for."""
CLOCKS_APART: Final = 300.0
"""Seconds that our clock and Slack's may differ."""
EVENT_TYPE: Final = "tocsin_delivery"
"""Of the metadata."""
CONNECTIONS_MAX: Final = 4
"""Beyond the sends: answers to clicks, and the look for a new address of Socket Mode."""

_ADDRESS: Final = re.compile(r"[CGDUW][A-Z0-9]{1,30}")
_HANDLE: Final = re.compile(r"([CGD][A-Z0-9]{1,30}):([0-9]{1,20}\.[0-9]{1,20})")
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,500}")


class Slack:
    """One app in one workspace.

    Raises:
        ValueError: a token, the channel or the address cannot be used; the message repeats no secret.
    """

    kind = "slack"

    def __init__(
        self,
        name: str,
        token: str,
        *,
        channel: str = "",
        signing_secrets: str | Sequence[str] = (),
        app_token: str = "",
        api_url: str = API_URL,
        timeout_seconds: float = 10.0,
        in_flight_max: int = 1,
        around: Around | None = None,
    ) -> None:
        self.name = name
        self.timeout_seconds = timeout_seconds
        self.in_flight_max = in_flight_max
        self._token = _checked_token("token", token, "xapp-", "that is the app-level token: it belongs to app_token")
        self._app_token = app_token and _checked_token(
            "app_token", app_token, "xox", "that is a bot's token; the app-level token begins with xapp-"
        )
        self._channel = channel and _checked_channel(channel)
        self._secrets = _checked_secrets(signing_secrets)
        self._api_url = _checked_api(api_url)
        self._proxy = proxy_of(URL(self._api_url))
        self._around = around or Around()
        self._web: AsyncWebClient | None = None
        self._closed = False

    async def send(self, effect: Effect, *, possible_duplicate: bool) -> Sent:
        """Post the message of an incident, or change it and say in its thread what is new."""
        if self._closed:
            return Sent("failed", "the channel is closed")
        own = next((one for one in effect.contacts.get("slack", ()) if _ADDRESS.fullmatch(one)), "")
        there = _HANDLE.fullmatch(effect.handle)
        target = own or (there.group(1) if there else self._channel)
        if not target:
            return Sent("refused", "no address: the recipient has no slack contact (an id), and the channel no channel")
        try:
            async with asyncio.timeout(self.timeout_seconds):
                sending = _Sending(self, effect, target, possible_duplicate)
                return await sending.change() if sending.place else await sending.post()
        except TimeoutError:
            return Sent("failed", f"no answer within {self.timeout_seconds:g} s")
        except SlackApiError as error:
            return sent_of(error)
        except _Redirected:
            return Sent("refused", "slack: the address redirects: set api_url to where it leads")
        except (aiohttp.ClientError, SlackClientError, OSError, ValueError, AttributeError) as error:
            # The SDK stumbles over answers that are not Slack's with the last two.
            return Sent("failed", self._detail(f"{type(error).__name__}: {error}"))

    def shown(self, effect: Effect) -> str:
        """See `Shows`: text and blocks of the message, whether it is new or changed."""
        draft = self.draft(effect, message_of(effect.context))
        return orjson.dumps({"text": draft.text, "blocks": draft.blocks}, option=orjson.OPT_INDENT_2).decode()

    def hear(self, headers: Mapping[str, str], body: bytes, now: Instant) -> Heard:
        """Interactivity over HTTP, signed."""
        return heard(headers, body, now, self._secrets)

    async def listen(self, take: Callable[[Asked], Awaitable[str]]) -> None:
        """Socket Mode, where there is an app-level token; else there is nothing to hear."""
        if not self._app_token:
            await asyncio.Event().wait()
        await slack_socket.listen(self.name, self.web(), self._app_token, take)

    async def close(self) -> None:
        self._closed = True
        if self._web is not None and self._web.session is not None:
            await self._web.session.close()

    def web(self) -> AsyncWebClient:
        """The client, made in the loop that uses it. It retries nothing: that is decided in notify."""
        if self._web is None:
            tls = certificates() if self._api_url.startswith("https:") else None
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self.in_flight_max + CONNECTIONS_MAX,
                    keepalive_timeout=KEEP_SECONDS,
                    resolver=aiohttp.ThreadedResolver(),
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                trace_configs=[_no_redirects()],
                trust_env=False,
            )
            self._web = AsyncWebClient(
                self._token,
                base_url=self._api_url,
                ssl=tls,
                session=session,
                user_agent_prefix="tocsin",
                logger=slack_socket.silent,
                retry_handlers=[],
            )
            self._web.proxy = str(self._proxy) if self._proxy else None
        return self._web

    def draft(self, effect: Effect, said: Message, *, repeated: bool = False) -> Draft:
        """The message of an incident as it stands now."""
        return look.message(
            said,
            status=_status_of(effect),
            words=self._words(effect),
            doors=look.Doors(
                buttons=bool(self._secrets or self._app_token),
                page=said.incident_id and self._around.links.page(said.incident_id),
                acknowledge=said.incident_id
                and self._around.links.acknowledge(said.incident_id, effect.recipient, effect.delivery_id),
            ),
            repeated=repeated,
        )

    def line(self, effect: Effect, said: Message, *, loud: bool, repeated: bool) -> Draft:
        """What is new, for the thread."""
        return look.line(said, words=self._words(effect), loud=loud, repeated=repeated)

    def _words(self, effect: Effect) -> Words | None:
        return self._around.wording.words(self.name, self.kind, effect.context)

    def _detail(self, text: str) -> str:
        for secret in (self._token, self._app_token, *self._secrets):
            text = text.replace(secret, "(hidden)") if secret else text
        return one_line(text, DETAIL_MAX)


class _Sending:
    """One send."""

    def __init__(self, slack: Slack, effect: Effect, target: str, possible_duplicate: bool) -> None:
        self.slack = slack
        self.web = slack.web()
        self.effect = effect
        self.target = target
        self.said = message_of(effect.context)
        self.possible_duplicate = possible_duplicate
        self.place = self._place()

    def _place(self) -> tuple[str, str] | None:
        """Channel and time of the message that is to be changed. None when there is none, or it is in another
        channel than the recipient's of today."""
        found = _HANDLE.fullmatch(self.effect.handle)
        if not found or not self.said.incident_id:
            return None
        channel, stamp = found.groups()
        return None if self.target[0] not in "UW" and channel != self.target else (channel, stamp)

    async def post(self) -> Sent:
        """A new message."""
        unsure = False
        if self.possible_duplicate or self.effect.attempt > 1:
            found, unsure = await self._look(await self._channel())
            if found:
                return Sent("delivered", "posted by an earlier attempt", handle=found)
        draft = self.slack.draft(self.effect, self.said, repeated=unsure)
        answer = await self.web.chat_postMessage(
            channel=self.target, **_parts(draft), metadata=self._metadata(), unfurl_links=False, unfurl_media=False
        )
        return Sent("delivered", "posted", handle=_handle_of(answer))

    async def change(self) -> Sent:
        """The message of the incident as it stands now, and a line in its thread. What asks for an answer is told in
        the channel, too, and goes out even when the message cannot be changed at the moment."""
        assert self.place is not None
        channel, stamp = self.place
        loud = self.is_loud
        try:
            await self.web.chat_update(
                channel=channel,
                ts=stamp,
                **_parts(self.slack.draft(self.effect, self.said)),
                metadata=self._metadata(),
                link_names=False,
            )
            note = "changed in place"
        except SlackApiError as error:
            word = word_of(error)
            if word in GONE:
                return await self.post()
            if not loud and word not in FIXED:
                raise
            note = f"the message could not be changed: {word or 'no answer of Slack'}"
        return await self._tell(channel, stamp, note, loud=loud)

    @property
    def is_loud(self) -> bool:
        """Whether somebody has to be told, not only to find it."""
        kind = str(self.effect.context.get("type", ""))
        calls = kind in CALLS - {"incident.severity_raised"} or kind.startswith(("escalation.", "sla."))
        return self.effect.page or calls

    async def _tell(self, channel: str, stamp: str, note: str, *, loud: bool) -> Sent:
        unsure = False
        if self.possible_duplicate or self.effect.attempt > 1:
            found, unsure = await self._look(channel, thread=stamp)
            if found:
                return Sent("delivered", f"{note}; told by an earlier attempt", handle=self.effect.handle)
        await self.web.chat_postMessage(
            channel=channel,
            thread_ts=stamp,
            reply_broadcast=loud,
            **_parts(self.slack.line(self.effect, self.said, loud=loud, repeated=unsure)),
            metadata=self._metadata(),
            unfurl_links=False,
            unfurl_media=False,
        )
        return Sent("delivered", note, handle=self.effect.handle)

    async def _channel(self) -> str:
        """Where messages to the target are read: for a person, the conversation with the bot; empty when the bot may
        not ask for it."""
        if self.target[0] not in "UW":
            return self.target
        try:
            answer = await self.web.conversations_open(users=self.target)
        except SlackApiError as error:
            if sent_of(error).outcome == "failed":
                raise
            return ""
        return str(answer["channel"]["id"])

    async def _look(self, channel: str, thread: str = "") -> tuple[str, bool]:
        """The handle of what an earlier attempt of this delivery made, and whether it may be there unseen."""
        since = _seconds(self.effect.context.get("recorded_at"))
        if not channel:
            return "", True
        asked: dict[str, Any] = {"limit": LOOKED_AT_MAX, "include_all_metadata": True}
        if since is not None:
            asked["oldest"] = f"{max(0.0, since - CLOCKS_APART):.6f}"
        try:
            if thread:
                answer = await self.web.conversations_replies(channel=channel, ts=thread, **asked)
            else:
                answer = await self.web.conversations_history(channel=channel, **asked)
        except SlackApiError as error:
            if sent_of(error).outcome == "failed":
                raise
            return "", True  # not permitted: better told twice than never
        unsure = since is None or bool(answer.get("has_more"))
        for message in answer.get("messages") or ():
            delivery = _delivery_of(message) if message.get("ts") != thread else None
            if delivery == self.effect.delivery_id:
                return f"{channel}:{message.get('ts')}", False
            unsure = unsure or delivery == ""  # one of ours, without what it carries
        return "", unsure

    def _metadata(self) -> dict[str, Any]:
        return {
            "event_type": EVENT_TYPE,
            "event_payload": {
                "delivery_id": self.effect.delivery_id,
                "incident_id": self.said.incident_id,
                "possible_duplicate": self.possible_duplicate,
            },
        }


class _Redirected(Exception):
    """Slack's API never redirects."""


def _no_redirects() -> aiohttp.TraceConfig:
    async def refuse(*_: object) -> None:
        raise _Redirected

    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(refuse)
    return tracing


def _parts(draft: Draft) -> dict[str, Any]:
    """`parse`: Slack is not to look for names in the text."""
    return {"text": draft.text, "blocks": draft.blocks, "parse": "none"}


def _handle_of(answer: AsyncSlackResponse) -> str:
    handle = f"{answer.get('channel')}:{answer.get('ts')}"
    return handle if _HANDLE.fullmatch(handle) else ""


def _delivery_of(message: Mapping[str, Any]) -> str | None:
    """The delivery that a message is of; None when it is none of ours."""
    metadata = message.get("metadata") or {}
    if metadata.get("event_type") != EVENT_TYPE:
        return None
    return str((metadata.get("event_payload") or {}).get("delivery_id", ""))


def _status_of(effect: Effect) -> str:
    incident: Any = effect.context.get("incident") or {}
    return str(incident.get("status", ""))


def _seconds(value: object) -> float | None:
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return None


def _checked_token(option: str, token: str, not_this: str, because: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise ValueError(f"{option}: not a token: it has blanks or other letters than tokens have")
    if token.startswith(not_this):
        raise ValueError(f"{option}: {because}")
    return token


def _checked_channel(channel: str) -> str:
    if not _ADDRESS.fullmatch(channel):
        raise ValueError(
            f"channel: {channel!r} is not an id; Slack shows it at the end of the channel's details, as C0123456789"
        )
    return channel


def _checked_secrets(given: str | Sequence[str]) -> tuple[str, ...]:
    secrets = tuple(one.strip() for one in ((given,) if isinstance(given, str) else given))
    if len(secrets) > SECRETS_MAX:
        raise ValueError(f"signing_secrets: at most {SECRETS_MAX}, the new one and the old one")
    return tuple(one for one in secrets if one)


def _checked_api(url: str) -> str:
    try:
        return checked_url(url)
    except ValueError:
        raise ValueError("api_url: not an address; write https://host/api/") from None
