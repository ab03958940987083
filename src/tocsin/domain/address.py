"""What an http or https address is: the one place that says so.

In: a text. Out: whether it is an absolute address that can be asked for. It looks nothing up: whether anything may be
sent there is seen when something is.
"""

from urllib.parse import urlsplit


def is_http(text: str) -> bool:
    """Whether `text` is an absolute http or https address: with a host, a port that can be, and neither blanks nor
    control characters."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return good and not any(ord(letter) <= 32 for letter in text)


def has_user(address: str) -> bool:
    """Whether an address holds a user name or a password."""
    parts = urlsplit(address)
    return parts.username is not None or parts.password is not None
