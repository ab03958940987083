"""How a webhook's request leaves: over kept connections, through the environment's proxy, with its certificates."""

import base64
import ssl
import subprocess
from pathlib import Path

import pytest

from contract.channel_kits import effect, webhook_to
from contract.receivers import http_receiver
from tocsin.notify.channel import Sent
from tocsin.notify.channels.webhook import Webhook


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine says: these tests set what they need."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def sent_to(url: str) -> Sent:
    channel = Webhook("hook", url)
    sent = await channel.send(effect(), possible_duplicate=False)
    await channel.close()
    return sent


async def test_two_messages_need_one_connection() -> None:
    async with http_receiver() as receiver:
        channel = webhook_to(receiver)
        for delivery in ("ntf_1", "ntf_2"):
            await channel.send(effect(delivery=delivery), possible_duplicate=False)
        await channel.close()
    assert (len(receiver.requests), receiver.connections) == (2, 1)


async def test_a_closed_channel_sends_nothing() -> None:
    async with http_receiver() as receiver:
        channel = webhook_to(receiver)
        await channel.close()
        sent = await channel.send(effect(), possible_duplicate=False)
    assert (sent.outcome, receiver.requests) == ("failed", [])


async def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with http_receiver() as proxy:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        sent = await sent_to("http://receiver.example/hook")
    assert (sent.outcome, proxy.requests[0].path) == ("delivered", "http://receiver.example/hook")


async def test_a_proxy_may_ask_for_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    async with http_receiver() as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:pa%3Ass@127.0.0.1:{proxy.port}")
        await sent_to("http://receiver.example/hook")
    expected = "Basic " + base64.b64encode(b"me:pa:ss").decode()
    assert proxy.requests[0].headers["proxy-authorization"] == expected


async def test_receivers_in_no_proxy_are_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    async with http_receiver() as receiver, http_receiver() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        await sent_to(receiver.url)
    assert (len(receiver.requests), len(proxy.requests)) == (1, 0)


def test_a_proxy_of_another_kind_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(ValueError, match="socks5"):
        Webhook("hook", "http://receiver.example/")


async def test_user_and_password_of_an_address_become_a_header() -> None:
    async with http_receiver() as receiver:
        sent = await sent_to(f"http://me:p%40ss%C3%BC@127.0.0.1:{receiver.port}/hook")
    (request,) = receiver.requests
    assert (sent.outcome, request.path) == ("delivered", "/hook")
    assert request.headers["authorization"] == "Basic " + base64.b64encode("me:p@ssü".encode()).decode()


@pytest.mark.parametrize(
    ("written", "path"),
    [("/a%2Fb?sig=%2F%2B+%41&x", "/a%2Fb?sig=%2F%2B+%41&x"), ("/ü?{1}", "/%C3%BC?%7B1%7D"), ("", "/")],
)
async def test_an_address_goes_out_as_it_was_written_if_it_may(written: str, path: str) -> None:
    async with http_receiver() as receiver:
        await sent_to(f"http://127.0.0.1:{receiver.port}{written}")
    assert receiver.requests[0].path == path


async def test_a_long_header_of_an_answer_does_no_harm() -> None:
    async with http_receiver(headers={"set-cookie": "x" * 20_000}) as receiver:
        assert (await sent_to(receiver.url)).outcome == "delivered"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody has signed, and its key."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 -addext"
    outputs = ["subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *words.split(), *outputs], check=True, capture_output=True)
    return certificate, key


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_certificate_has_to_be_trusted(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    """One that is not may have run out last night: another attempt may find a new one."""
    certificate, key = pair
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    async with http_receiver(tls=tls) as receiver:
        sent = await sent_to(receiver.url.replace("http://", "https://"))
    assert (sent.outcome, len(receiver.requests)) == (("delivered", 1) if trusted else ("failed", 0))
