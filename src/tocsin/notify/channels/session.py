"""The HTTP client of a channel: one receiver, connections that are kept, proxy and certificates of the environment.

In: an address. Out: an aiohttp session and what each request to that address needs. Invariants: redirects are not
followed and answers are not unpacked; the proxy is looked up once, since a look at the environment costs more than a
request; user and password of an address become a header and are in no URL that an error could quote. With a guard it
goes where the guard allows, to the address that was looked at, and through no proxy. It limits no time: the channel
does, for the whole of a send.
"""

import base64
import os
import re
import ssl
import urllib.request
from typing import Any, Final
from urllib.parse import unquote

import aiohttp
import certifi
from yarl import URL

from tocsin.notify.channels.guard import Guard

KEEP_SECONDS: Final = 5.0
"""An idle connection: shorter than what receivers and balancers allow, so that a page does not meet one that is
just being closed."""
HEADER_BYTES_MAX: Final = 64 * 1024
"""One header line of an answer. aiohttp's 8 KB would turn a page that was accepted with a long cookie into a failed
one, and it would be sent again."""
PLAIN: Final = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
"""What RFC 3986 allows in a URI. Such an address goes out as it was written: signatures in it may depend on that."""


class Session:
    """Sends to one address. Made anywhere, used in one event loop.

    Raises:
        ValueError: the address cannot be used, or its proxy cannot; the message does not repeat it.
        Forbidden: the guard does not allow it.
    """

    def __init__(self, url: str, *, connections: int, user_agent: str, guard: Guard | None = None) -> None:
        """`guard`: for an address that was set over the API; one of the settings file may be any."""
        if guard is not None:
            guard.checked(url)
        address = URL(url, encoded=PLAIN.fullmatch(url) is not None)
        self._authorization = _authorization(address)
        self._address = address.with_user(None)
        self._proxy = None if guard is not None else proxy_of(address)
        self._tls = certificates() if "https" in (address.scheme, self._proxy and self._proxy.scheme) else True
        self._open = _Opening(connections, user_agent, self._authorization, guard)
        self._session: aiohttp.ClientSession | None = None
        self.closed = False

    def post(self, body: bytes, headers: dict[str, str]) -> Any:
        """A context manager that gives the `aiohttp.ClientResponse`; its end gives the connection back."""
        return self.request("POST", body, headers)

    def request(
        self, method: str, body: bytes | None, headers: dict[str, str], *, path: str = "", query: str = ""
    ) -> Any:
        """As `post`, with any method, below the address: `path` begins with a slash, `query` is already escaped."""
        assert not self.closed
        if self._session is None:
            self._session = self._open()
        address = self._address
        if path:
            address = URL(f"{str(address.with_query(None).with_fragment(None)).rstrip('/')}{path}", encoded=True)
        if query:
            address = URL(f"{address}?{query}", encoded=True)
        return self._session.request(
            method, address, data=body, headers=headers, allow_redirects=False, proxy=self._proxy, ssl=self._tls
        )

    async def close(self) -> None:
        self.closed = True
        if self._session is not None:
            await self._session.close()


class Anywhere:
    """Posts to addresses that are known only when a message is there, and that the guard allows."""

    def __init__(self, *, connections: int, user_agent: str, guard: Guard) -> None:
        self._guard = guard
        self._open = _Opening(connections, user_agent, {}, guard)
        self._session: aiohttp.ClientSession | None = None
        self._tls: ssl.SSLContext | None = None

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> Any:
        """As `Session.post`.

        Raises:
            Forbidden: `url` is none that something may be sent to. Its name may still turn out to lead to such an
                address: then entering the context raises it.
        """
        target = self._guard.checked(url)
        if self._session is None:
            self._session = self._open()
        if target.scheme == "https" and self._tls is None:
            self._tls = certificates()
        address = URL(url, encoded=True)
        return self._session.post(address, data=body, headers=headers, allow_redirects=False, ssl=self._tls or True)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class _Opening:
    """How a client session is opened, once its event loop runs."""

    def __init__(self, connections: int, user_agent: str, headers: dict[str, str], guard: Guard | None) -> None:
        self._connections = connections
        self._headers = {"user-agent": user_agent, "accept-encoding": "identity", **headers}
        self._guard = guard

    def __call__(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=self._connector(),
            cookie_jar=aiohttp.DummyCookieJar() if self._guard is not None else None,
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            auto_decompress=False,
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            trust_env=False,
        )

    def _connector(self) -> aiohttp.TCPConnector:
        if self._guard is not None:
            return self._guard.connector(self._connections, keepalive_timeout=KEEP_SECONDS)
        return aiohttp.TCPConnector(
            limit=self._connections,
            keepalive_timeout=KEEP_SECONDS,
            resolver=aiohttp.ThreadedResolver(),  # the system's, whatever else happens to be installed
        )


def certificates() -> ssl.SSLContext:
    """The roots that are trusted: SSL_CERT_FILE or SSL_CERT_DIR, else those of Mozilla."""
    file, directory = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not file and directory:
        return ssl.create_default_context(capath=directory)
    return ssl.create_default_context(cafile=file or certifi.where())


def proxy_of(address: URL) -> URL | None:
    """The proxy that the environment names for `address`.

    Raises:
        ValueError: it is not one that speaks HTTP.
    """
    host = address.host or ""
    named = urllib.request.getproxies()
    proxy = named.get(address.scheme) or named.get("all")
    if not proxy or urllib.request.proxy_bypass(f"{host}:{address.port}"):
        return None
    found = URL(proxy if "://" in proxy else f"http://{proxy}")
    if found.scheme not in ("http", "https"):
        raise ValueError(f"url: the environment names a proxy of the kind {found.scheme}; http and https work")
    return found


def _authorization(address: URL) -> dict[str, str]:
    """The header for user and password in `address`."""
    if address.raw_user is None and address.raw_password is None:
        return {}
    pair = f"{unquote(address.raw_user or '')}:{unquote(address.raw_password or '')}"
    return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode("ascii")}
