"""Addresses have one reading: what the guard allows, three other parsers read as it does; and however an address inside
is written, it is refused."""

import ipaddress
from urllib.parse import urlsplit

import httpx
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from tocsin.notify.channels.guard import Address, Forbidden, Guard, refusal_of

ODD = st.text("aA0:/@\\?#%.[]xX1279 \t\n-_=&;,。１", max_size=12)
HOSTS = st.sampled_from(["a.example", "127.0.0.1", "8.8.8.8", "[::1]", "[2606:4700::1]", "localhost", "2130706433"])
V4 = st.integers(0, 2**32 - 1)


@given(before=ODD, host=HOSTS, between=ODD, after=ODD)
def test_what_is_allowed_is_read_alike_by_all(before: str, host: str, between: str, after: str) -> None:
    url = f"http://{before}{host}{between}/{after}"
    try:
        target = Guard().checked(url)
    except Forbidden:
        return
    parts, ours, theirs = urlsplit(url), URL(url, encoded=True), httpx.URL(url)
    hosts = {(parts.hostname or "").rstrip("."), (ours.raw_host or "").rstrip("."), theirs.host.rstrip(".")}
    assert {one.lower() for one in hosts} == {target.host}
    assert {parts.port or 80, ours.port, theirs.port or 80} == {target.port}
    assert "@" not in parts.netloc
    if target.address is not None:
        assert refusal_of(target.address) == ""


@given(number=V4, form=st.integers(0, 7))
def test_only_four_plain_numbers_are_an_address(number: int, form: int) -> None:
    a, b, c, d = number.to_bytes(4, "big")
    written = [
        f"{number}",
        f"0{number:o}",
        f"{number:#x}",
        f"{a}.{number & 0xFFFFFF}",
        f"{a}.{b}.{number & 0xFFFF}",
        f"0{a:03o}.{b}.{c}.{d}",
        f"{a:#x}.{b}.{c}.{d:#x}",
        f"{a}.{b}.{c}.0{d}",
    ][form]
    try:
        Guard().checked(f"http://{written}/")
        raise AssertionError(f"{written} is allowed")
    except Forbidden:
        pass


@given(number=V4, prefix=st.sampled_from(["::ffff:0:0", "::", "64:ff9b::", "64:ff9b:1::", "::ffff:0:0:0"]))
def test_no_ipv4_address_passes_inside_of_another(number: int, prefix: str) -> None:
    inside = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) + number)
    assert refusal_of(inside)
    assert refusal_of(ipaddress.IPv6Address(f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1"))
    assert refusal_of(ipaddress.IPv6Address(f"2001:0:{number >> 16:x}:{number & 0xFFFF:x}::1"))
    assert refusal_of(ipaddress.IPv6Address(f"2a00:1450::5efe:{number >> 16:x}:{number & 0xFFFF:x}"))


@given(address=st.ip_addresses())
def test_the_standard_library_calls_nothing_private_that_is_allowed(address: Address) -> None:
    """Hypothesis draws the special networks often."""
    if not refusal_of(address):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved
