"""A Slack of one's own on loopback: the Web API, Socket Mode and the clicks of people. It refuses what Slack would
refuse, as far as its documentation says so, and keeps a journal."""

import asyncio
import hashlib
import hmac
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import urlencode

from aiohttp import WSMsgType, web

from contract.slack_refusals import problem_of

TOKEN = "xoxb-canary-of-the-bots-token"
APP_TOKEN = "xapp-canary-of-the-app-level-token"
SIGNING_SECRET = "canary-of-the-signing-secret"
CHANNEL = "C0OPS"
PEOPLE = {"U0ANA": "Ana Lima", "U0BEN": "Ben Okri"}
TEST_NOW = 1795262705.0
"""2026-11-21T12:05:05Z: five seconds after the message of the contract suite."""

SCOPES = frozenset(
    {"chat:write", "channels:history", "groups:history", "im:history", "im:write"},
)


@dataclass
class Call:
    """One call of a method as it came in."""

    method: str
    given: dict[str, Any]
    headers: dict[str, str]


@dataclass
class SlackServer:
    """By `mode`, it works (`ok`), or each method fails (`failing`), refuses (`refusing`), never answers (`hang`) or
    resets (`reset`)."""

    mode: str = "ok"
    scopes: frozenset[str] = SCOPES
    clock: Callable[[], float] = time.time
    port: int = 0
    calls: list[Call] = field(default_factory=list)
    messages: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {CHANNEL: {}})
    """By channel and time, as they stand now."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """Every version of every message, in the order in which they came."""
    ephemerals: list[dict[str, Any]] = field(default_factory=list)
    scripted: dict[str, deque[web.Response | str]] = field(default_factory=dict)
    """Answers of a method, used up one after the other before it works: a response, an error word, `lost` or `held` (it
    works, and the answer is lost, or never comes)."""
    lines: list[web.WebSocketResponse] = field(default_factory=list)
    """Socket Mode connections that stand."""
    acknowledged: list[str] = field(default_factory=list)
    tickets: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    runner: web.AppRunner | None = None
    last: float = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/"

    def standing(self, channel: str = CHANNEL) -> list[dict[str, Any]]:
        """The messages of a channel that are not in a thread."""
        return [one for one in self.messages[channel].values() if "thread_ts" not in one]

    def thread(self, channel: str, stamp: str) -> list[dict[str, Any]]:
        return [one for one in self.messages[channel].values() if one.get("thread_ts") == stamp]

    def called(self, method: str) -> list[dict[str, Any]]:
        return [call.given for call in self.calls if call.method == method]

    async def stop(self) -> None:
        """Nobody listens any more."""
        self.stopping.set()
        for line in list(self.lines):
            await line.close()
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None

    # ---- the Web API -------------------------------------------------------------------------------------------------

    async def method(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        given = await _given(request)
        self.calls.append(Call(name, given, {key.lower(): value for key, value in request.headers.items()}))
        if self.mode == "hang":
            await self.stopping.wait()
        if self.mode == "reset":
            assert request.transport is not None
            request.transport.abort()
        if self.mode == "failing":
            return web.Response(status=500, text="<html>Internal Server Error</html>", content_type="text/html")
        if self.mode == "refusing":
            return _error("channel_not_found")
        script = self.scripted.get(name)
        planned = script.popleft() if script else None
        if isinstance(planned, web.Response):
            return planned
        if planned not in (None, "lost", "held"):
            return _error(planned)
        answer = self._answered(name, given, request.headers.get("Authorization", ""))
        if planned == "lost":
            assert request.transport is not None
            request.transport.abort()
        if planned == "held":
            await self.stopping.wait()
        return answer

    def _answered(self, name: str, given: dict[str, Any], authorization: str) -> web.Response:
        expected = APP_TOKEN if name == "apps.connections.open" else TOKEN
        if authorization != f"Bearer {expected}":
            return _error("invalid_auth" if authorization else "not_authed")
        if "token" in given:
            return _error("token_in_the_body")
        known: dict[str, Callable[[dict[str, Any]], web.Response]] = {
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.postEphemeral": self._post_ephemeral,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "conversations.open": self._open,
            "apps.connections.open": self._connect,
        }
        return known[name](given) if name in known else _error("unknown_method")

    def _post(self, given: dict[str, Any]) -> web.Response:
        if problem := self._missing("chat:write") or problem_of(given):
            return _error(*problem.split(" ", 1))
        channel = self._direct(given["channel"])
        if channel not in self.messages:
            return _error("channel_not_found")
        thread = given.get("thread_ts")
        if thread and thread not in self.messages[channel]:
            return _error("thread_not_found")
        stamp = self._stamp()
        message = {"ts": stamp, "channel": channel, **given, "channel_id": channel}
        self.messages[channel][stamp] = message
        self.history.append(dict(message))
        return _ok(channel=channel, ts=stamp, message=_shown(message, metadata=True))

    def _update(self, given: dict[str, Any]) -> web.Response:
        if problem := self._missing("chat:write") or problem_of(given):
            return _error(*problem.split(" ", 1))
        message = self.messages.get(given["channel"], {}).get(given.get("ts", ""))
        if given["channel"] not in self.messages:
            return _error("channel_not_found")
        if message is None:
            return _error("message_not_found")
        message.update({**given, "edited": True})
        self.history.append(dict(message))
        return _ok(channel=given["channel"], ts=given["ts"], text=given["text"])

    def _post_ephemeral(self, given: dict[str, Any]) -> web.Response:
        if given.get("user") not in PEOPLE:
            return _error("user_not_in_channel")
        if problem := problem_of(given):
            return _error(*problem.split(" ", 1))
        self.ephemerals.append(given)
        return _ok(message_ts=self._stamp())

    def _history(self, given: dict[str, Any]) -> web.Response:
        channel = given["channel"]
        scope = "im:history" if channel.startswith("D") else "channels:history"
        if problem := self._missing(scope):
            return _error(*problem.split(" ", 1))
        if channel not in self.messages:
            return _error("channel_not_found")
        shown = [one for one in self.messages[channel].values() if "thread_ts" not in one or one["reply_broadcast"]]
        return self._page(shown[::-1], given)

    def _replies(self, given: dict[str, Any]) -> web.Response:
        channel = given["channel"]
        if problem := self._missing("im:history" if channel.startswith("D") else "channels:history"):
            return _error(*problem.split(" ", 1))
        root = self.messages.get(channel, {}).get(given.get("ts", ""))
        if root is None:
            return _error("thread_not_found")
        return self._page([root, *self.thread(channel, root["ts"])], given)

    def _page(self, found: list[dict[str, Any]], given: dict[str, Any]) -> web.Response:
        oldest, limit = float(given.get("oldest", 0)), int(given.get("limit", 100))
        young = [one for one in found if float(one["ts"]) > oldest]
        metadata = str(given.get("include_all_metadata")) in ("1", "true", "True")
        return _ok(messages=[_shown(one, metadata=metadata) for one in young[:limit]], has_more=len(young) > limit)

    def _open(self, given: dict[str, Any]) -> web.Response:
        if problem := self._missing("im:write"):
            return _error(*problem.split(" ", 1))
        channel = self._direct(given.get("users", ""))
        return _ok(channel={"id": channel}) if channel in self.messages else _error("user_not_found")

    def _connect(self, given: dict[str, Any]) -> web.Response:
        ticket = f"ticket-{next(self.numbers)}"
        self.tickets.add(ticket)
        return _ok(url=f"ws://127.0.0.1:{self.port}/link/?ticket={ticket}&app_id=A0TEST")

    def _missing(self, scope: str) -> str:
        return "" if scope in self.scopes else f"missing_scope {scope}"

    def _direct(self, channel: str) -> str:
        """The conversation with a person."""
        if channel not in PEOPLE:
            return channel
        self.messages.setdefault(f"D{channel[1:]}", {})
        return f"D{channel[1:]}"

    def _stamp(self) -> str:
        self.last = max(self.clock(), self.last + 0.000002)
        return f"{self.last:.6f}"

    # ---- Socket Mode -------------------------------------------------------------------------------------------------

    async def link(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self.tickets:
            return web.Response(status=403, text="used or unknown ticket")
        self.tickets.discard(ticket)
        line = web.WebSocketResponse()
        await line.prepare(request)
        await line.send_json({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A0TEST"}})
        self.lines.append(line)
        try:
            async for message in line:
                if message.type is WSMsgType.TEXT:
                    self.acknowledged.append(json.loads(message.data)["envelope_id"])
        finally:
            self.lines.remove(line)
        return line

    async def over_socket(self, payload: dict[str, Any], envelope: str = "") -> str:
        """Tell of an interaction over the line that was opened last; the envelope's id."""
        envelope = envelope or f"envelope-{next(self.numbers)}"
        told = {"type": "interactive", "envelope_id": envelope, "payload": payload, "accepts_response_payload": True}
        await self.lines[-1].send_json(told)
        return envelope

    # ---- people ------------------------------------------------------------------------------------------------------

    def press(self, message: dict[str, Any], action_id: str, user: str = "U0ANA") -> dict[str, Any]:
        """What Slack tells when a person presses a button of a message.

        Raises:
            LookupError: there is no such button.
        """
        elements = [one for block in message["blocks"] if block["type"] == "actions" for one in block["elements"]]
        button = next((one for one in elements if one["action_id"] == action_id), None)
        if button is None:
            raise LookupError(f"no button {action_id}: there are {[one['action_id'] for one in elements]}")
        channel = message["channel_id"]
        return {
            "type": "block_actions",
            "user": {"id": user, "username": PEOPLE[user].lower(), "name": PEOPLE[user], "team_id": "T0TEST"},
            "team": {"id": "T0TEST", "domain": "test"},
            "api_app_id": "A0TEST",
            "channel": {"id": channel, "name": "ops"},
            "container": {"type": "message", "message_ts": message["ts"], "channel_id": channel},
            "message": _shown(message, metadata=False),
            "trigger_id": f"trigger.{next(self.numbers)}",
            "response_url": f"http://127.0.0.1:{self.port}/actions/response",
            "actions": [
                {
                    "type": "button",
                    "block_id": "b1",
                    "action_id": action_id,
                    "text": button["text"],
                    **({"value": button["value"]} if "value" in button else {}),
                    "action_ts": self._stamp(),
                }
            ],
        }


def signed(payload: dict[str, Any] | bytes, at: float, secret: str = SIGNING_SECRET) -> tuple[dict[str, str], bytes]:
    """Headers and body of the call that tells of an interaction."""
    body = payload if isinstance(payload, bytes) else urlencode({"payload": json.dumps(payload)}).encode()
    stamp = str(int(at))
    digest = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": stamp,
        "x-slack-signature": f"v0={digest}",
    }, body


async def _given(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/json":
        return dict(await request.json())
    return {**request.query, **{key: str(value) for key, value in (await request.post()).items()}}


def _shown(message: dict[str, Any], *, metadata: bool) -> dict[str, Any]:
    names = ("ts", "text", "blocks", "thread_ts", *(["metadata"] if metadata else []))
    return {"type": "message", "bot_id": "B0TEST", **{name: message[name] for name in names if name in message}}


def _ok(**more: Any) -> web.Response:
    return web.json_response({"ok": True, **more})


def _error(word: str, why: str = "") -> web.Response:
    more = {"needed": why} if word == "missing_scope" else {"response_metadata": {"messages": [why]}} if why else {}
    return web.json_response({"ok": False, "error": word, **more})


@asynccontextmanager
async def slack_server(**options: Any) -> AsyncIterator[SlackServer]:
    server = SlackServer(**options)
    application = web.Application(client_max_size=4 * 1024 * 1024)
    application.router.add_route("*", "/api/{method}", server.method)
    application.router.add_get("/link/", server.link)
    server.runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await server.runner.setup()
    site = web.TCPSite(server.runner, "127.0.0.1", 0)
    await site.start()
    server.port = server.runner.addresses[0][1]
    try:
        yield server
    finally:
        await server.stop()
