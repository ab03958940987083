"""Addresses of people that something is posted to.

In: contacts by kind. Out: what is wrong with them, in words that repeat no address: it may be a secret. Invariant: what
passes has the form of an http or https address. Whether anything may be sent there is seen when something is, since a
name may lead elsewhere by then (`notify.channels.guard`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tocsin.domain.address import has_user, is_http

WEBHOOK: Final = "webhook"
"""Kind of contact that a webhook channel posts to, instead of to its own address."""
ADDRESS_MAX: Final = 2000
"""Characters: servers and proxies take no longer ones reliably."""


def wrong_contacts(contacts: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A line for each address of kind `webhook` that is none."""
    for number, address in enumerate(contacts.get(WEBHOOK, ()), 1):
        if problem := _problem(address):
            yield f"contacts.{WEBHOOK}: address {number} {problem}"


def _problem(address: str) -> str:
    if not is_http(address):
        return "is not an address; write https://host/path"
    if has_user(address):
        return "must not hold a user name or password"
    return f"has more than {ADDRESS_MAX} characters" if len(address) > ADDRESS_MAX else ""
