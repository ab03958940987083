"""The HTTP client of the command line: a running tocsin, reached or not.

In: method, path, what to send. Out: the JSON that came back. Every failure ends the command with its exit code.
"""

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from tocsin.cli.exits import FAILED, NOT_FOUND, UNREACHABLE, USAGE, Ended

if TYPE_CHECKING:
    import httpx

DEFAULT_URL: Final = "http://127.0.0.1:9393"
TIMEOUT_SECONDS: Final = 35.0
"""Above the longest wait that the API grants."""
TOKEN_BYTES_MAX: Final = 64 * 1024
"""A token, not a file named by mistake."""
EXIT_BY_STATUS: Final[Mapping[int, int]] = {400: USAGE, 404: NOT_FOUND, 413: USAGE, 422: USAGE}

F = TypeVar("F", bound=Callable[..., Any])


class Client:
    """One running tocsin."""

    def __init__(self, url: str, token: str) -> None:
        import httpx

        self.url = url.rstrip("/")
        self.actor = ""
        """Who acts; an API without tokens takes our word for it, with tokens the token names who acts."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False)
        except (httpx.InvalidURL, ValueError) as error:
            raise Ended(f"{url!r} is not an address: {error}", USAGE) from None

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The answer to a GET; parameters that are empty are left out."""
        return self.send("GET", path, parameters=parameters)

    def send(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        content_type: str = "application/json",
        parameters: Mapping[str, Any] | None = None,
        also: frozenset[int] = frozenset(),
        condition: Mapping[str, str] | None = None,
    ) -> Any:
        """The JSON of the answer, for 2xx and the statuses in `also`. `condition`: headers such as `If-Match`.

        Raises:
            Ended: the answer is another one, or there is none.
        """
        return _json(self._answer(method, path, content, content_type, parameters, also, condition))

    def text(self, path: str) -> str:
        """The answer to a GET of something that is not JSON, as text."""
        return self._answer("GET", path).text

    def _answer(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        content_type: str = "application/json",
        parameters: Mapping[str, Any] | None = None,
        also: frozenset[int] = frozenset(),
        condition: Mapping[str, str] | None = None,
    ) -> "httpx.Response":
        import httpx

        wanted = {name: value for name, value in (parameters or {}).items() if value not in ("", None, ())}
        headers = {name.encode(): value.encode() for name, value in (condition or {}).items()}
        if content is not None:
            headers[b"Content-Type"] = content_type.encode()
        if self.actor:
            headers[b"X-Tocsin-Actor"] = self.actor.encode()
        try:
            answer = self._http.request(method, path, params=wanted, content=content, headers=headers)
        except httpx.TimeoutException:
            raise Ended(f"{self.url} did not answer within {TIMEOUT_SECONDS:.0f} s", UNREACHABLE) from None
        except httpx.HTTPError as error:
            raise Ended(f"cannot reach {self.url}: {error} (is `tocsin run` running?)", UNREACHABLE) from None
        except (httpx.InvalidURL, ValueError) as error:
            raise Ended(f"{self.url!r} is not an address: {error}", USAGE) from None
        if not answer.is_success and answer.status_code not in also:
            raise Ended(_message(answer), EXIT_BY_STATUS.get(answer.status_code, FAILED))
        return answer


def _json(answer: "httpx.Response") -> Any:
    import orjson

    try:
        return orjson.loads(answer.content) if answer.content else None
    except orjson.JSONDecodeError:
        raise Ended(f"{answer.request.url} is no tocsin: its answer is not JSON", UNREACHABLE) from None


def _message(answer: "httpx.Response") -> str:
    try:
        found = answer.json()
        message = found["message"] if isinstance(found, dict) else found
    except (ValueError, KeyError):
        message = answer.reason_phrase
    if answer.status_code == 401:
        return f"{message}; give it by --token or TOCSIN_TOKEN"
    return str(message)


def remote(command: F) -> F:
    """Adds `--url` and `--token`, and gives the command a `Client` as its first argument."""

    @click.option(
        "--url", envvar="TOCSIN_URL", show_envvar=True, default=DEFAULT_URL, show_default=True, help="A running tocsin."
    )
    @click.option(
        "--token", envvar="TOCSIN_TOKEN", show_envvar=True, default="",
        help="Token, when the API wants one, or file:/path of it; by the variable nobody sees it.",
    )  # fmt: skip
    @functools.wraps(command)
    def connected(url: str, token: str, **options: Any) -> Any:
        client = Client(url, token_of(token))
        try:
            return command(client, **options)
        finally:
            client.close()

    return connected  # type: ignore[return-value]


def token_of(text: str) -> str:
    """The token that an option names: itself, or what stands in file:/path."""
    if not text.startswith("file:"):
        return text
    from pathlib import Path

    file = Path(text.removeprefix("file:"))
    try:
        with file.open("rb") as opened:
            return opened.read(TOKEN_BYTES_MAX).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Ended(f"cannot read the token in {file}: {error}", USAGE) from None


def acting(command: F) -> F:
    """Adds `--as`, and lets the client of the command say who acts. Stands below `remote`."""

    @click.option(
        "--as", "actor", envvar="TOCSIN_AS", show_envvar=True, default="", metavar="NAME",
        help="Who acts; default: your login name. With tokens the name of the token counts.",
    )  # fmt: skip
    @functools.wraps(command)
    def named(client: Client, actor: str, **options: Any) -> Any:
        client.actor = actor.strip() or login_name()
        return command(client, **options)

    return named  # type: ignore[return-value]


def login_name() -> str:
    """The name of who is logged in, empty when the machine knows none."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container whose user has no name
        return ""
