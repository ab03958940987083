"""What counts as an http or https address, for whoever asks: contacts, settings, channels, messages."""

import pytest

from tocsin.domain.address import has_user, is_http
from tocsin.domain.contact import wrong_contacts
from tocsin.notify.channels.webhook import checked_url
from tocsin.notify.message import links_of
from tocsin.settings.values import http_url

GOOD = ("http://a.example", "https://a.example:8443/path?q=1#x", "https://[::1]/", "HTTPS://A.example/")
BAD = (
    "", "a.example", "//a.example", "ftp://a.example", "javascript:alert(1)", "https://", "https:///path",
    "https://a.example:0/", "https://a.example:99999/", "https://a.example:x/", "https://[::1/",
    "https://a.example/a b", "https://a.example/\n", "https://a.example/\x00",
)  # fmt: skip


@pytest.mark.parametrize("address", GOOD)
def test_what_is_an_address_is_one_everywhere(address: str) -> None:
    assert is_http(address)
    assert (http_url(address), checked_url(address)) == (address, address)
    assert links_of({"x": address}) == (("x", address),)
    assert not list(wrong_contacts({"webhook": (address,)}))


@pytest.mark.parametrize("address", BAD)
def test_what_is_none_is_none_everywhere(address: str) -> None:
    assert not is_http(address)
    for check in (http_url, checked_url):
        with pytest.raises(ValueError, match="not an address"):
            check(address)
    assert links_of({"x": address}) == ()
    assert list(wrong_contacts({"webhook": (address,)}))


def test_a_user_name_is_seen() -> None:
    assert [has_user(f"https://{user}a.example/") for user in ("", "u@", "u:p@", ":p@", "@")] == [False, *[True] * 4]
