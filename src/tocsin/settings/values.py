"""The kinds of values that settings have besides text and numbers: durations, secrets, names, addresses.

Each is a pydantic annotation; a wrong value raises ValueError with a message that says what is right.
"""

import ipaddress
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BeforeValidator, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from tocsin.domain.address import has_user, is_http
from tocsin.domain.schedule.check import zone_problem

DURATION_MAX: Final = timedelta(days=3660)
"""Ten years: beyond it a duration is a slip of the pen, and adding it to an instant may overflow."""

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PARTS: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])", re.ASCII)
_SHORT: Final = re.compile(rf"(?:{_PARTS.pattern})+", re.ASCII)
_ISO: Final = re.compile(
    r"P(?!$)(?:(\d+)W)?(?:(\d+)D)?(?:T(?!$)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.ASCII
)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


def duration(value: Any) -> timedelta:
    """`30s`, `10m`, `1h30m`, `7d` or ISO 8601 (`PT10M`); never negative, at most `DURATION_MAX`."""
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()
    if isinstance(value, bool) or not isinstance(value, str):
        raise ValueError(f"{text} has no unit; write a duration such as 30s, 10m or 1h30m")
    if _SHORT.fullmatch(text):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PARTS.findall(text))
    elif iso := _ISO.fullmatch(text.upper()):
        weeks, days, hours, minutes, rest = (float(part or 0) for part in iso.groups())
        seconds = weeks * 604800 + days * 86400 + hours * 3600 + minutes * 60 + rest
    else:
        raise ValueError(f"{text!r} is not a duration; write 30s, 10m, 1h30m, 7d or PT10M")
    if seconds > DURATION_MAX.total_seconds():
        raise ValueError(f"{text!r} is longer than {DURATION_MAX.days} days")
    return timedelta(seconds=seconds)


def duration_text(value: timedelta) -> str:
    """The short form of a duration: `1h30m`; `0s` for none."""
    rest = round(value.total_seconds() * 1000)
    text = ""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _positive(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("must be longer than nothing")
    return value


Duration = Annotated[timedelta, BeforeValidator(duration)]
PositiveDuration = Annotated[timedelta, BeforeValidator(duration), AfterValidator(_positive)]


SEND_MAX: Final = timedelta(seconds=120)
"""A page that takes longer is better tried again."""


def _short(value: timedelta) -> timedelta:
    if not timedelta(milliseconds=50) <= value <= SEND_MAX:
        raise ValueError(f"must be between 50ms and {duration_text(SEND_MAX)}")
    return value


SendDuration = Annotated[timedelta, BeforeValidator(duration), AfterValidator(_short)]
"""How long one send may take."""


class Secret:
    """A text that is never shown by accident: only `reveal` gives it out.

    In the settings it stands as it is, as `env:NAME` or as `file:/path`; these are looked up while reading.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not serialised")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(cls._validated)

    @classmethod
    def _validated(cls, value: Any, info: ValidationInfo) -> "Secret":
        if isinstance(value, Secret):
            return value
        if not isinstance(value, str):
            raise ValueError("must be text; put it in quotes")
        lookup: Callable[[str], str] = (info.context or {}).get("lookup", lambda text: text)
        return cls(lookup(value))


def looked_up(value: Any, info: ValidationInfo) -> Any:
    """What `env:NAME` or `file:/path` stands for, for texts that are no secrets and are shown."""
    return Secret._validated(value, info).reveal() if isinstance(value, str) else value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} is not a name: letters, digits, '_', '-' and '.', at most 64, no leading sign")
    return value


Name = Annotated[str, AfterValidator(_name)]


def zone(value: str) -> str:
    """`value`, an IANA time zone that this installation knows.

    Raises:
        ValueError: it is none; the message names the nearest.
    """
    if problem := zone_problem(value):
        raise ValueError(problem)
    return value


def _zone_or_none(value: str) -> str:
    return zone(value) if value else value


Zone = Annotated[str, AfterValidator(zone)]
ZoneOrNone = Annotated[str, AfterValidator(_zone_or_none)]


def split_listen(value: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[v6]:port`.

    Raises:
        ValueError: it is neither.
    """
    host, colon, port = value.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if (
        not colon
        or not (port.isascii() and port.isdigit())
        or int(port) > 65535
        or (":" in bare) != host.startswith("[")
    ):
        raise ValueError(f"{value!r} is not an address to listen on; write host:port, such as 127.0.0.1:9393")
    if ":" in bare:
        ipaddress.IPv6Address(bare)
    elif not _HOST.fullmatch(bare):
        raise ValueError(f"{bare!r} is not a host name or an address")
    return bare, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(value: Any) -> str:
    split_listen(str(value))
    return str(value)


Listen = Annotated[str, BeforeValidator(_listen)]


def http_url(value: str) -> str:
    """`value`, an absolute http or https address without a user name; the message never repeats it."""
    if not is_http(value):
        raise ValueError("is not an address; write http://host/path or https://host/path")
    if has_user(value):
        raise ValueError("must not hold a user name or password; they end up in logs")
    return value


def _outside(value: str) -> str:
    if not value:
        return value
    found = http_url(value).rstrip("/")
    if "?" in found or "#" in found:
        raise ValueError("must not hold ? or #; paths are added to it")
    return found


ExternalUrl = Annotated[str, AfterValidator(_outside)]
"""An address that paths are added to: no slash at its end. Empty = none."""


def _secret_url(value: Secret) -> Secret:
    http_url(value.reveal())
    return value


SecretUrl = Annotated[Secret, AfterValidator(_secret_url)]
"""An address that is itself a secret, as those of incoming webhooks often are."""

LINK_SECRET_MIN: Final = 16
"""Characters: what is shorter can be guessed, and with it anybody acknowledges as anybody."""


def _link_secret(value: Secret) -> Secret:
    if len(value.reveal()) < LINK_SECRET_MIN:
        raise ValueError(f"must have at least {LINK_SECRET_MIN} characters; `openssl rand -hex 32` makes a good one")
    return value


LinkSecret = Annotated[Secret, AfterValidator(_link_secret)]

T = TypeVar("T")


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str | Secret) else value


OneOrMore = Annotated[tuple[T, ...], BeforeValidator(_one_or_more)]
"""A list; a single word stands for a list of one."""
