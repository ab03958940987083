"""Addresses that people set over the API: nothing reaches what listens inside, however the address is written, and
whatever its name server answers the second time."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from contract.channel_kits import SECRET, effect, webhook_to
from contract.receivers import HttpReceiver, http_receiver
from tocsin.notify.channel import Sent
from tocsin.notify.channels.guard import Forbidden, Guard
from tocsin.notify.channels.session import Anywhere, Session

INSIDE = {
    "inside.example": ["127.0.0.1"],
    "inside6.example": ["::1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "compatible.example": ["::127.0.0.1"],
    "nat64.example": ["64:ff9b::127.0.0.1"],
    "nat64-local.example": ["64:ff9b:1::127.0.0.1"],
    "sixtofour.example": ["2002:7f00:1::"],
    "teredo.example": ["2001:0:7f00:1::80ff:fffe"],
    "isatap.example": ["2a00:1450::5efe:127.0.0.1"],
    "private.example": ["10.0.0.1"],
    "private-b.example": ["172.31.255.255"],
    "private-c.example": ["192.168.1.1"],
    "carrier.example": ["100.100.100.200"],
    "metadata.example": ["169.254.169.254"],
    "metadata6.example": ["fd00:ec2::254"],
    "azure.example": ["168.63.129.16"],
    "link.example": ["fe80::1%1"],
    "site.example": ["fec0::1"],
    "any.example": ["0.0.0.0"],
    "any6.example": ["::"],
    "multicast.example": ["224.0.0.1"],
    "multicast6.example": ["ff02::1"],
    "broadcast.example": ["255.255.255.255"],
    "reserved.example": ["250.1.2.3"],
    "benchmark.example": ["198.18.0.1"],
    "documentation.example": ["203.0.113.7"],
    "documentation6.example": ["2001:db8::1"],
    "nowhere.example": [],
    "all-of-them.example": ["127.0.0.1", "10.0.0.1", "::1"],
}
"""Names and what they stand for; every other name is a public one that leads inside all the same."""

WRITTEN = [
    # loopback, plainly
    *("http://127.0.0.1:{p}/", "https://127.0.0.1:{p}/", "http://127.0.0.1:{p}", "HTTP://127.0.0.1:{p}/"),
    *("http://127.0.0.2:{p}/", "http://127.255.255.254:{p}/", "http://localhost:{p}/", "http://LOCALHOST:{p}/"),
    *("http://localhost.:{p}/", "http://a.localhost:{p}/", "http://[::1]:{p}/", "http://[0:0:0:0:0:0:0:1]:{p}/"),
    *("http://[0000::0001]:{p}/", "http://[::]:{p}/", "http://0.0.0.0:{p}/", "http://0:{p}/", "http://00:{p}/"),
    # numbers that stand for an address
    *("http://2130706433:{p}/", "http://017700000001:{p}/", "http://0x7f000001:{p}/", "http://0X7F000001:{p}/"),
    *("http://127.1:{p}/", "http://127.0.1:{p}/", "http://0177.0.0.1:{p}/", "http://0177.0.0.01:{p}/"),
    *("http://0x7f.0.0.1:{p}/", "http://0x7f.1:{p}/", "http://127.0.0.0x1:{p}/", "http://127.0.0.01:{p}/"),
    *("http://127.0.0.1.:{p}/", "http://127.0.0.1..:{p}/", "http://127.000.000.001:{p}/", "http://4294967297:{p}/"),
    *("http://0x:{p}/", "http://1.2.3.4.5:{p}/", "http://256.0.0.1:{p}/", "http://127.0.0.1.5:{p}/"),
    "http://00000000000000000000000000177.0.0.1:{p}/",
    # letters that look like figures, dots or letters
    *("http://１２７.0.0.1:{p}/", "http://127。0。0。1:{p}/", "http://①②⑦.⓪.⓪.①:{p}/", "http://127．0．0．1:{p}/"),
    *("http://lоcalhost:{p}/", "http://ⓛocalhost:{p}/", "http://localhoſt:{p}/", "http://loc\u00adalhost:{p}/"),
    # IPv4 inside of IPv6
    *("http://[::ffff:127.0.0.1]:{p}/", "http://[::ffff:7f00:1]:{p}/", "http://[0:0:0:0:0:ffff:127.0.0.1]:{p}/"),
    *("http://[::127.0.0.1]:{p}/", "http://[::7f00:1]:{p}/", "http://[::ffff:0:127.0.0.1]:{p}/"),
    *("http://[64:ff9b::127.0.0.1]:{p}/", "http://[64:ff9b:1::7f00:1]:{p}/", "http://[2002:7f00:1::]:{p}/"),
    *("http://[2002:a00:1::1]:{p}/", "http://[2001:0:7f00:1::]:{p}/", "http://[2001::8:80ff:fffe]:{p}/"),
    *("http://[2a00:1450::5efe:7f00:1]:{p}/", "http://[2a00:1450:0:0:200:5efe:7f00:1]:{p}/"),
    "http://[::ffff:169.254.169.254]:{p}/latest/meta-data/",
    # other places inside
    *("http://10.0.0.1:{p}/", "http://10.255.255.255:{p}/", "http://172.16.0.1:{p}/", "http://172.31.0.1:{p}/"),
    *("http://192.168.0.1:{p}/", "http://100.64.0.1:{p}/", "http://100.127.255.255:{p}/", "http://169.254.0.1:{p}/"),
    *("http://169.254.169.254/latest/meta-data/", "http://169.254.170.2/v2/credentials", "http://192.0.0.192/opc/v1/"),
    *("http://168.63.129.16/machine", "http://100.100.100.200/latest/meta-data/", "http://[fd00:ec2::254]/latest"),
    *("http://[fd20:ce::254]/", "http://[fc00::1]:{p}/", "http://[fdff::1]:{p}/", "http://[fe80::1]:{p}/"),
    *("http://[fe80::1%25lo]:{p}/", "http://[fe80::1%lo]:{p}/", "http://[fec0::1]:{p}/", "http://[ff02::1]:{p}/"),
    *("http://[100::1]:{p}/", "http://[5f00::1]:{p}/", "http://[3fff::1]:{p}/", "http://[2001:db8::1]:{p}/"),
    *("http://224.0.0.1:{p}/", "http://239.255.255.250:1900/", "http://255.255.255.255:{p}/", "http://240.0.0.1:{p}/"),
    *("http://198.18.0.1:{p}/", "http://192.0.2.1:{p}/", "http://198.51.100.1:{p}/", "http://203.0.113.1:{p}/"),
    *("http://192.88.99.1:{p}/", "http://[2620:4f:8000::1]:{p}/"),
    # one parser reads this host, another that one
    *("http://public.example@127.0.0.1:{p}/", "http://public.example:80@127.0.0.1:{p}/", "http://:@127.0.0.1:{p}/"),
    *("http://@127.0.0.1:{p}/", "http://127.0.0.1:{p}\\@public.example/", "http://public.example\\@127.0.0.1:{p}/"),
    *("http://public.example\\.127.0.0.1:{p}/", "http:\\\\127.0.0.1:{p}\\", "http:/127.0.0.1:{p}/", "http:127.0.0.1"),
    *("http:///127.0.0.1:{p}/", "//127.0.0.1:{p}/", "http://127.0.0.1:{p}#@public.example/", "http://[::1]@a.example/"),
    *("http://127.0.0.1:{p}?@public.example/", "http://public.example#@127.0.0.1:{p}/", "http://127%2e0%2e0%2e1:{p}/"),
    *("http://%31%32%37.0.0.1:{p}/", "http://localhost%00.public.example:{p}/", "http://127.0.0.1%2f.example:{p}/"),
    *("http://127.0.0.1 .public.example:{p}/", " http://127.0.0.1:{p}/", "http://127.0.0.1\t:{p}/", "http://\n127.1/"),
    *("ht\ttp://127.0.0.1:{p}/", "http://127.0.0.1:{p}\r\nHost: a/", "http://127.0.0.1\x00:{p}/", "http://[::1:{p}/"),
    *("http://[127.0.0.1]:{p}/", "http://[v1.127]:{p}/", "http://::1:{p}/", "http://127.0.0.1:{p}:80/"),
    *("http://inside.example:0{p}x/", "http://-a.example/", "http://a-.example/", "http://.example/", "http://a..b/"),
    *("http://", "", "127.0.0.1:{p}", "http://?127.0.0.1", "http://127.0.0.1:-{p}/", "http://public.example:99999/"),
    # not HTTP
    *("ftp://127.0.0.1:{p}/", "gopher://127.0.0.1:{p}/_POST", "file:///etc/passwd", "dict://127.0.0.1:{p}/", "data:,x"),
    *("unix:///run/docker.sock", "http+unix://%2Frun%2Fdocker.sock/", "ws://127.0.0.1:{p}/", "javascript:alert(1)"),
    *("jar:http://127.0.0.1:{p}/!/", "ldap://127.0.0.1:{p}/", "netdoc:///etc/passwd", "https:127.0.0.1:{p}"),
    # ports where something else lives
    *(f"http://public.example:{port}/" for port in (0, 22, 25, 110, 143, 445, 465, 587, 853, 1023)),
    *(f"http://public.example:{port}/" for port in (2375, 3306, 5432, 6379, 6443, 9092, 9200, 10250, 11211, 27017)),
    # names
    *(f"http://{name}:{{p}}/" for name in INSIDE),
    *("http://127.0.0.1.nip.example:{p}/", "https://rebound.example:{p}/", "http://INSIDE.example:{p}/"),
    *("http://inside.example.:{p}/", "http://metadata.google.internal/", "http://kubernetes.default.svc:{p}/"),
    *("http://router:{p}/", "http://a_b.example:{p}/", "http://xn--lcalhost-54a:{p}/", "http://0x7f.example:{p}/"),
]


class Names(AbstractResolver):
    """A name server that leads inside."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        return [found(host, address, port) for address in INSIDE.get(host, ["127.0.0.1", "::1"])]

    async def close(self) -> None: ...


def found(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[HttpReceiver, int]]:
    """One receiver on every address of this machine, IPv6 too where there is any: whatever comes, it counts."""
    receiver = HttpReceiver()
    receiver.server = await asyncio.start_server(receiver.serve, "0.0.0.0", 0)
    receiver.port = receiver.server.sockets[0].getsockname()[1]
    others = []
    with contextlib.suppress(OSError):
        others.append(await asyncio.start_server(receiver.serve, "::1", receiver.port))
    try:
        yield receiver, receiver.port
    finally:
        await receiver.stop()
        for other in others:
            other.close()


async def test_no_address_reaches_what_listens_inside() -> None:
    assert len({*WRITTEN}) == len(WRITTEN) >= 180
    names = Names()
    anywhere = Anywhere(connections=8, user_agent="tests", guard=Guard(resolver=names))
    taken = []
    async with listening() as (receiver, port):
        for written in WRITTEN:
            try:
                async with asyncio.timeout(5), anywhere.post(written.replace("{p}", str(port)), b"{}", {}):
                    taken.append(written)
            except Forbidden:
                pass
        await anywhere.close()
        # What counts does count: the receiver is there.
        ours = Session(f"http://127.0.0.1:{port}/", connections=1, user_agent="tests")
        async with ours.post(b"{}", {}) as answer:
            assert answer.status == 200
        await ours.close()
        assert (taken, receiver.connections) == ([], 1)
    assert len(names.asked) > len(INSIDE), "names were looked up, and what they led to was refused"


class Rebinding(AbstractResolver):
    """A name server that answers with an allowed address first, and with one inside from then on."""

    def __init__(self, first: str, then: str) -> None:
        self.answers = [first]
        self.then = then
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        return [found(host, self.answers.pop() if self.answers else self.then, port)]

    async def close(self) -> None: ...


async def test_a_name_that_leads_elsewhere_the_second_time_changes_nothing() -> None:
    """127.0.0.2 stands for the public address: it alone is allowed."""
    outside, inside = HttpReceiver(), HttpReceiver()
    inside.server = await asyncio.start_server(inside.serve, "127.0.0.1", 0)
    port = inside.server.sockets[0].getsockname()[1]
    outside.server = await asyncio.start_server(outside.serve, "127.0.0.2", port)
    names = Rebinding("127.0.0.2", "127.0.0.1")
    guard = Guard(["127.0.0.2/32"], resolver=names)
    anywhere = Anywhere(connections=2, user_agent="tests", guard=guard)
    url = f"http://rebound.example:{port}/"
    async with anywhere.post(url, b"{}", {}) as answer:
        assert answer.status == 200
    assert (names.asked, outside.connections, inside.connections) == (1, 1, 0)
    await anywhere.close()
    anywhere = Anywhere(connections=2, user_agent="tests", guard=guard)
    with pytest.raises(Forbidden, match=r"127\.0\.0\.1 is refused"):
        async with anywhere.post(url, b"{}", {}):
            pass
    await anywhere.close()
    assert (names.asked, outside.connections, inside.connections) == (2, 1, 0)
    await outside.stop()
    await inside.stop()


async def test_of_several_addresses_only_the_allowed_ones_are_used() -> None:
    class Both(Rebinding):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            return [found(host, address, port) for address in ("127.0.0.1", "10.0.0.1", "127.0.0.2")]

    inside, outside = HttpReceiver(), HttpReceiver()
    inside.server = await asyncio.start_server(inside.serve, "127.0.0.1", 0)
    port = inside.server.sockets[0].getsockname()[1]
    outside.server = await asyncio.start_server(outside.serve, "127.0.0.2", port)
    anywhere = Anywhere(connections=1, user_agent="tests", guard=Guard(["127.0.0.2/32"], resolver=Both("", "")))
    async with anywhere.post(f"http://both.example:{port}/", b"{}", {}) as answer:
        assert answer.status == 200
    await anywhere.close()
    assert (inside.connections, outside.connections) == (0, 1)
    await outside.stop()
    await inside.stop()


async def test_the_last_look_is_at_the_socket() -> None:
    """Whatever a resolver or a later version of the client hands over: an address inside gets no socket."""
    guard = Guard()
    for family, place in ((socket.AF_INET, ("127.0.0.1", 80)), (socket.AF_INET6, ("::1", 80, 0, 0))):
        with pytest.raises(Forbidden):
            guard._socket((family, socket.SOCK_STREAM, 0, "", place))
    connector = guard.connector(1)
    assert connector._socket_factory == guard._socket
    await connector.close()


async def test_redirects_are_not_followed_and_cookies_not_kept() -> None:
    async with http_receiver() as inside:
        headers = {"location": inside.url, "set-cookie": "a=b; Path=/"}
        async with http_receiver(status=307, headers=headers) as outside:
            guard = Guard(["127.0.0.0/8"])
            anywhere = Anywhere(connections=1, user_agent="tests", guard=guard)
            for _ in range(2):
                async with anywhere.post(outside.url, b"{}", {}) as answer:
                    assert answer.status == 307
            await anywhere.close()
        assert inside.connections == 0
        assert all("cookie" not in request.headers for request in outside.requests)


async def test_no_proxy_stands_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would resolve the name anew, and may reach what we must not."""
    async with http_receiver() as proxy, http_receiver() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        session = Session(receiver.url, connections=1, user_agent="tests", guard=Guard(["127.0.0.1/32"]))
        async with session.post(b"{}", {}) as answer:
            assert answer.status == 200
        await session.close()
        assert (proxy.connections, receiver.connections) == (0, 1)


def test_a_session_for_an_address_of_others_is_checked_when_it_is_made() -> None:
    with pytest.raises(Forbidden):
        Session("http://127.0.0.1/", connections=1, user_agent="tests", guard=Guard())


@pytest.mark.parametrize(
    "written",
    [
        *("https://hooks.example.org/services/T0/B0/x?y=%2F&z", "http://example.org", "https://example.org.:8443/a"),
        *("http://8.8.8.8/", "https://[2606:4700:4700::1111]:8443/x", "HTTPS://Example.ORG/~a/(b);c=d,e'!$*+@:"),
        *("https://xn--bcher-kva.example/", "https://a_b.example.org:3000/?q=[1]", "https://1a.example/"),
    ],
)
def test_an_ordinary_address_is_allowed(written: str) -> None:
    assert Guard().checked(written).url == written


@pytest.mark.parametrize("network", ["10.1.0.0/16", "fd00:1::/64", "127.0.0.1"])
def test_a_network_may_be_allowed(network: str) -> None:
    inside = ipaddress.ip_network(network)[0]
    host = f"[{inside}]" if ":" in str(inside) else str(inside)
    assert Guard([network]).checked(f"http://{host}:8080/").port == 8080
    with pytest.raises(Forbidden):
        Guard().checked(f"http://{host}:8080/")
    with pytest.raises(Forbidden):
        Guard([network]).checked("http://192.168.0.1:8080/")


@pytest.mark.parametrize("network", ["10.1.0.1/16", "inside", "", "10.0.0.0/33"])
def test_what_is_no_network_is_named(network: str) -> None:
    with pytest.raises(ValueError, match="allow_networks"):
        Guard([network])


# ---- the webhook of a recipient --------------------------------------------------------------------------------------


async def sent_to(contact: str, **options: object) -> tuple[Sent, HttpReceiver]:
    async with http_receiver() as receiver:
        channel = webhook_to(receiver, **options)
        sent = await channel.send(effect(contacts={"webhook": (contact,)}), possible_duplicate=False)
        await channel.close()
    return sent, receiver


async def test_a_recipient_may_have_an_address_of_their_own() -> None:
    async with http_receiver() as own:
        sent, receiver = await sent_to(own.url, allow_networks=("127.0.0.1/32",))
    assert (sent.outcome, receiver.connections, len(own.requests)) == ("delivered", 0, 1)
    assert own.requests[0].headers["webhook-signature"].startswith("v1,")


@pytest.mark.parametrize("contact", ["http://127.0.0.1:{p}/T0P53CR3T-hook-path", "http://localhost:{p}/", "no address"])
async def test_it_does_not_lead_inside_and_the_page_does_not_go_elsewhere(contact: str) -> None:
    async with http_receiver() as own:
        sent, receiver = await sent_to(contact.replace("{p}", str(own.port)))
    assert (sent.outcome, receiver.connections, own.connections) == ("refused", 0, 0)
    assert sent.detail.startswith("Forbidden: ")
    for canary in ("T0P53CR3T", SECRET):
        assert canary not in sent.detail
