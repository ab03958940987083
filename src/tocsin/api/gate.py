"""What every request passes: who may come in, how many at once, and the headers of every answer.

In: an ASGI request. Out: the same with `state["actor"]`, or a refusal. With tokens configured everything but the
health endpoints needs one, and what carries a signature of its own: the pages behind the links of messages, and what
providers send. Without, tocsin listens on the loopback only and takes care that no web page speaks through
the browser of its user: foreign `Host` names (DNS rebinding) and foreign origins are refused.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.api.answer import Failure
from tocsin.api.rate import PER_SECOND, Rates
from tocsin.settings import Settings
from tocsin.settings.values import is_loopback

REQUESTS_MAX: Final = 512
"""At once, those that wait for an outcome included; a request costs some 50 KB besides its body."""
OPEN_REQUESTS_MAX: Final = 128
"""Of those, at once, that come without a token: pages and providers. Who sends them slowly must not keep alerts out."""
ACTOR_MAX: Final = 64
OPEN_PATHS: Final = frozenset({"/-/healthy", "/-/ready", "/healthz", "/readyz"})
PAGES: Final = ("/i/", "/a/")
"""Pages behind links: whom a link or nobody's token lets in, they ask themselves (`actor` is empty where there are
tokens and none was given)."""
SIGNED: Final = "/api/v1/inbound/"
"""What providers send: the channel checks the signature."""
NOBODY: Final = ""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LOCAL_ACTOR: Final = "local"

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Gate:
    """ASGI middleware; one for the process."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._tokens = [(token.name, token.hash.removeprefix("sha256:")) for token in settings.http.tokens]
        names = {settings.http.address[0], urlsplit(settings.http.external_url).hostname or ""}
        self._hosts = frozenset(name.lower() for name in names if name)
        self._outside = urlsplit(settings.http.external_url).netloc.lower()
        self._rates = Rates()
        self._running = 0
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        answering = False

        async def send_guarded(message: Message) -> None:
            nonlocal answering
            answering = True
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        health = scope["path"] in OPEN_PATHS
        is_open = scope["path"].startswith((*PAGES, SIGNED))
        self._running += 1
        self._open += is_open
        try:
            if not health:
                self._admit(scope)
                if self._running > REQUESTS_MAX or (is_open and self._open > OPEN_REQUESTS_MAX):
                    raise Failure(503, "busy", "too many requests at once", retry_after=1)
            await self._app(scope, receive, send_guarded)
        except Failure as failure:
            await failure.answer()(scope, receive, send_guarded)
        except asyncio.CancelledError:
            # The server ends and has waited as long as it may. A 500 would keep some clients from trying again.
            if answering:
                raise
            stopping = Failure(
                503, "stopping", "tocsin stops, and does not know the outcome; send it again", retry_after=1
            )
            await stopping.answer()(scope, receive, send_guarded)
        finally:
            self._running -= 1
            self._open -= is_open

    def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        state = scope.setdefault("state", {})
        if scope["path"].startswith(SIGNED):
            state["actor"] = NOBODY
            return
        is_page = scope["path"].startswith(PAGES)
        if scope["method"] not in SAFE_METHODS:
            self._refuse_other_sites(headers, is_page=is_page)
        if self._tokens and is_page and "authorization" not in headers:
            state["actor"] = NOBODY
        elif self._tokens:
            state["actor"] = self._token_name(headers)
            if not self._rates.take(state["actor"], time.monotonic()):
                raise Failure(503, "busy", f"more than {PER_SECOND:g} requests a second with one token", retry_after=1)
        else:
            self._refuse_other_hosts(headers)
            state["actor"] = self._local_actor(headers)

    def _token_name(self, headers: Mapping[str, str]) -> str:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = hashlib.sha256(token.strip().encode()).hexdigest()
        found = ""
        for name, expected in self._tokens:  # all of them, so that the time tells nothing
            if hmac.compare_digest(given, expected):
                found = name
        if scheme.lower() != "bearer" or not found:
            failure = Failure(
                401, "unauthorized", "needs the header 'Authorization: Bearer <token>' with a known token"
            )
            failure.headers["WWW-Authenticate"] = "Bearer"
            raise failure
        return found

    def _local_actor(self, headers: Mapping[str, str]) -> str:
        try:
            actor = headers.get("x-tocsin-actor", "").encode("latin-1").decode().strip()
        except UnicodeDecodeError:
            actor = "\0"
        if len(actor) > ACTOR_MAX or not actor.isprintable():
            raise Failure(400, "bad_actor", f"X-Tocsin-Actor holds at most {ACTOR_MAX} printable characters, as UTF-8")
        return actor or LOCAL_ACTOR

    def _refuse_other_hosts(self, headers: Mapping[str, str]) -> None:
        host = hostname(headers.get("host", ""))
        if host not in self._hosts and not is_loopback(host):
            raise Failure(
                403,
                "forbidden_host",
                f"the host {host!r} is not this tocsin's; set http.external_url, or http.tokens to lift this check",
            )

    def _refuse_other_sites(self, headers: Mapping[str, str], *, is_page: bool) -> None:
        """A page tells no referrer, so its own forms come with the origin `null`; they carry a signed value instead.
        A proxy before tocsin may have put another host into the request."""
        origin = headers.get("origin")
        own = {headers.get("host", "").lower(), *([self._outside, "null"] if is_page else [])} - {""}
        if headers.get("sec-fetch-site") == "cross-site" or (
            origin is not None and (urlsplit(origin).netloc.lower() or origin) not in own
        ):
            raise Failure(403, "forbidden_origin", "requests from other web sites are refused")


def hostname(host: str) -> str:
    """The name in a `Host` header, lower case, without port and brackets; empty when it has none that is sound."""
    if set(host) & set("@/?#"):
        return ""
    try:
        name = (urlsplit(f"//{host}").hostname or "").lower()
        if ":" in name:
            return str(ipaddress.IPv6Address(name))
    except ValueError:
        return ""
    return name
