"""Slack: one message an incident, changed in place, with buttons; what is new stands in its thread.

In: an effect; what people press. Out: what Slack made of it; `Asked`. Invariants: a send ends within its time-out;
tokens and the signing secret are in no detail; whatever a source wrote mentions nobody. `slack_sending` has the send.
It keeps no memory: where the message of an incident is, the effect's handle says.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import aiohttp
import orjson
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from yarl import URL

from tocsin.domain.instant import Instant
from tocsin.notify.channel import Around, Asked, Heard, Sent, Words
from tocsin.notify.channels import slack_blocks as look
from tocsin.notify.channels import slack_socket
from tocsin.notify.channels.session import KEEP_SECONDS, certificates, proxy_of
from tocsin.notify.channels.slack_answers import sent_of
from tocsin.notify.channels.slack_blocks import Draft
from tocsin.notify.channels.slack_clicks import SECRETS_MAX, heard
from tocsin.notify.channels.slack_sending import HANDLE, Sending, status_of
from tocsin.notify.channels.webhook import checked_url
from tocsin.notify.message import Message, message_of, one_line
from tocsin.stage import Effect

API_URL: Final = "https://slack.com/api/"
DETAIL_MAX: Final = 300
CONNECTIONS_MAX: Final = 4
"""Beyond the sends: answers to clicks, and the look for a new address of Socket Mode."""

_ADDRESS: Final = re.compile(r"[CGDUW][A-Z0-9]{1,30}")
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
        there = HANDLE.fullmatch(effect.handle)
        target = own or (there.group(1) if there else self._channel)
        if not target:
            return Sent("refused", "no address: the recipient has no slack contact (an id), and the channel no channel")
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await Sending(self, effect, target, possible_duplicate).send()
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
            status=status_of(effect),
            words=self._words(effect),
            doors=self._doors(effect, said),
            pages=self._around.links.page,
            repeated=repeated,
        )

    def line(self, effect: Effect, said: Message, *, loud: bool, repeated: bool) -> Draft:
        """What is new, for the thread."""
        return look.line(
            said,
            status=status_of(effect),
            words=self._words(effect),
            doors=self._doors(effect, said),
            loud=loud,
            repeated=repeated,
        )

    def _doors(self, effect: Effect, said: Message) -> look.Doors:
        if not said.incident_id:
            return look.NO_DOORS
        links = self._around.links
        return look.Doors(
            buttons=bool(self._secrets or self._app_token),
            page=links.page(said.incident_id),
            acknowledge=links.acknowledge(said.incident_id, effect.recipient, effect.delivery_id),
        )

    def _words(self, effect: Effect) -> Words | None:
        return self._around.wording.words(self.name, self.kind, effect.context)

    def _detail(self, text: str) -> str:
        for secret in (self._token, self._app_token, *self._secrets):
            text = text.replace(secret, "(hidden)") if secret else text
        return one_line(text, DETAIL_MAX)


class _Redirected(Exception):
    """Slack's API never redirects."""


def _no_redirects() -> aiohttp.TraceConfig:
    async def refuse(*_: object) -> None:
        raise _Redirected

    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(refuse)
    return tracing


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
