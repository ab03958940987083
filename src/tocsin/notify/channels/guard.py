"""Where a request may go that somebody without a say over the network asked for: public addresses only.

In: an address (URL) that people set over the API, and networks that the settings file allows besides. Out: the address
taken apart, a resolver and a socket maker for aiohttp that refuse, or `Forbidden`. Invariants: a name is resolved once
and the connection goes to one of those very addresses, so that a second answer of its server changes nothing; each
address is looked at again in the moment of connecting; an address has one reading only, since two parsers that differ
are a way in. No proxy may stand between: it would resolve the name anew.
It follows nothing and sends nothing: `session.py` does, without redirects.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from tocsin.domain.errors import TocsinError

URL_MAX: Final = 2000
"""Characters of an address: servers and proxies take no longer ones reliably."""
PORTS: Final = (80, 443)
"""Below 1024, where other protocols live, HTTP has these."""
HIGH_PORT: Final = 1024
NO_HTTP: Final = frozenset(
    {
        *(1433, 1521, 1719, 1720, 1723, 2049, 2181, 2375, 2376, 2377, 2379, 2380, 3306, 3389, 3659, 4045, 4190),
        *(5060, 5061, 5432, 5672, 5984, 5985, 5986, 6000, 6379, 6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697),
        *(7000, 7001, 9042, 9092, 9100, 9160, 9200, 9300, 10080, 10248, 10250, 10255, 10256, 11211, 27017, 27018),
    }
)
"""Databases, caches, brokers, remote control and what browsers refuse (WHATWG Fetch, §2.9 bad ports): who can make
tocsin write there can do harm with a POST alone, and no webhook lives there."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_V4_REFUSED: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by the customers of a carrier; metadata of one cloud
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # public by its number, yet the host of every Azure machine
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; metadata of one cloud
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # multicast tunnels
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
"""IANA IPv4 Special-Purpose Address Registry, and what clouds have made of others."""
_V6_GLOBAL: Final = ipaddress.IPv6Network("2000::/3")
"""All global unicast that is assigned (RFC 4291 §2.4). Outside of it lie loopback, mapped and compatible IPv4, NAT64,
discard, unique local, link-local, site-local and multicast."""
_V6_REFUSED: Final = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them: an IPv4 address inside
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address inside
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
"""IANA IPv6 Special-Purpose Address Registry, as far as it lies in `_V6_GLOBAL`."""
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})
"""Upper half of an interface id that has an IPv4 address inside (RFC 5214 §6.1)."""

_FORM: Final = re.compile(
    r"(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?\.?)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<rest>[/?][\x21\x23-\x5b\x5d\x5f\x61-\x7a\x7e]*)?"
)
"""One reading only: no user name, backslash, blank, control sign, fragment, escape in the host, or letter beyond ASCII
(an international name stands in its xn-- form)."""
_NUMBER: Final = re.compile(r"(?:0[Xx][0-9A-Fa-f]*|[0-9]+)")
"""A last label that makes WHATWG's parser, and libc, read a host as IPv4: 127.1, 0x7f000001, 2130706433."""


class Forbidden(TocsinError, ValueError):
    """An address that nothing is sent to. The message names the reason, and of the address no more than its host."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """An address taken apart."""

    url: str
    scheme: str
    host: str
    """A name without its last dot, or an address without brackets."""
    port: int
    address: Address | None = None
    """Of a host that is written as one."""


class Guard:
    """What is allowed.

    Raises:
        ValueError: one of `allow_networks` is none; the message names it.
    """

    def __init__(self, allow_networks: Iterable[str] = (), *, resolver: AbstractResolver | None = None) -> None:
        """`resolver`: another one than the system's."""
        self._allowed = tuple(_network(text) for text in allow_networks)
        self._resolver = resolver

    def checked(self, url: str) -> Target:
        """`url`, if something may be sent there as far as its text tells.

        Raises:
            Forbidden: it may not.
        """
        target = target_of(url)
        if target.address is not None and (reason := self.refusal(target.address)):
            raise Forbidden(f"{target.host} is refused: {reason}")
        return target

    def refusal(self, address: Address) -> str:
        """Why nothing is sent to `address`; empty = something may be."""
        if getattr(address, "scope_id", None):
            return "it belongs to one link"
        if any(address.version == network.version and address in network for network in self._allowed):
            return ""
        return refusal_of(address)

    def connector(self, connections: int, **options: Any) -> aiohttp.TCPConnector:
        """Opens connections to allowed addresses only. To be made in the event loop that uses it."""
        return aiohttp.TCPConnector(
            limit=connections,
            resolver=_Resolver(self, self._resolver or aiohttp.ThreadedResolver()),
            socket_factory=self._socket,
            happy_eyeballs_delay=None,  # one after the other: what the socket maker says must not get lost in a race
            **options,
        )

    def _socket(self, place: Any) -> socket.socket:
        """The socket for one place to connect to: the last look at its address."""
        family, kind, protocol, _, where = place
        self.permit(str(where[0]))
        return socket.socket(family=family, type=kind, proto=protocol)

    def permit(self, text: str) -> None:
        """Nothing, if the address that `text` says may be connected to.

        Raises:
            Forbidden: it may not, or it is no address.
        """
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise Forbidden("that is no address to connect to") from None
        if reason := self.refusal(address):
            raise Forbidden(f"{address} is refused: {reason}")


class _Resolver(AbstractResolver):
    """Another resolver's answers without those that are refused."""

    def __init__(self, guard: Guard, real: AbstractResolver) -> None:
        self._guard = guard
        self._real = real

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._real.resolve(host, port, family)
        good, refused = [], ""
        for one in found:
            try:
                self._guard.permit(one["host"])
                good.append(one)
            except Forbidden as error:
                refused = str(error)
        if not good:
            raise Forbidden(f"{host} leads nowhere that is allowed: {refused or 'it has no address'}")
        return good

    async def close(self) -> None:
        await self._real.close()


def target_of(url: str) -> Target:
    """`url` taken apart, if it is of the one form that every parser reads alike.

    Raises:
        Forbidden: it is not, or of another scheme, or its port is not one of HTTP.
    """
    if len(url) > URL_MAX:
        raise Forbidden(f"an address has at most {URL_MAX} characters")
    found = _FORM.fullmatch(url)
    if found is None:
        raise Forbidden("not an address that is allowed: write https://name/path, without user name or fragment")
    scheme, written = found["scheme"].lower(), found["host"]
    port = int(found["port"]) if found["port"] else PORTS[scheme == "https"]
    host, address = _host_of(written)
    if port not in PORTS and (port < HIGH_PORT or port > 65535 or port in NO_HTTP):
        raise Forbidden(f"port {port} is refused: 80, 443, or one from {HIGH_PORT} on where no other protocol lives")
    _agreed(url, scheme, host, port)
    return Target(url=url, scheme=scheme, host=host, port=port, address=address)


def _host_of(written: str) -> tuple[str, Address | None]:
    """The name, or the text and the value of an address, each in its canonical notation."""
    if written.startswith("["):
        try:
            six = ipaddress.IPv6Address(written[1:-1])
        except ValueError:
            raise Forbidden("not an IPv6 address") from None
        return str(six), six
    host = written.removesuffix(".").lower()
    try:
        four = ipaddress.IPv4Address(written)
    except ValueError:
        four = None
    if four is not None:
        return host, four
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        raise Forbidden("an IPv4 address is written as four plain numbers, such as 8.8.8.8")
    if any(not label or len(label) > 63 or label.startswith("-") or label.endswith("-") for label in labels):
        raise Forbidden("not a host name")
    if labels[-1] == "localhost":
        raise Forbidden("localhost is refused: it is this machine")
    return host, None


def _agreed(url: str, scheme: str, host: str, port: int) -> None:
    """Nothing, if the standard library and the HTTP client read the address as it is read here."""
    try:
        parts, read = urlsplit(url), URL(url, encoded=True)
        theirs = {(parts.scheme, _bare(parts.hostname), parts.port), (read.scheme, _bare(read.raw_host), read.port)}
        ours = {(scheme, host, port), (scheme, host, None)}
    except ValueError:
        raise Forbidden("not an address") from None
    if not theirs <= ours:
        raise Forbidden("not an address that every program reads alike")


def _bare(host: str | None) -> str:
    text = (host or "").lower().removesuffix(".")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def refusal_of(address: Address) -> str:
    """Why `address` is not one of the public internet; empty = it is."""
    if isinstance(address, ipaddress.IPv4Address):
        return "it is not a public address" if any(address in network for network in _V4_REFUSED) else ""
    if address not in _V6_GLOBAL or any(address in network for network in _V6_REFUSED):
        return "it is not a public address"
    return "it is an IPv4 address in another form" if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP else ""


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(f"allow_networks: {text!r} is not a network; write 10.1.0.0/16 or fd00:1::/64") from None
