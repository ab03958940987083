"""Tokens for OAUTHBEARER, from a real endpoint on loopback and from a file."""

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiokafka.errors import KafkaError

from tocsin.runtime.kafka.token import (
    ANSWER_BYTES_MAX,
    LEFT_SECONDS,
    ClientCredentials,
    TokenFile,
    TokenMissing,
)

SECRET = "canary-of-the-client-secret"


@dataclass
class Endpoint:
    """An identity provider: what it answers, and what it was asked."""

    url: str = ""
    status: int = 200
    answer: Any = None
    asked: list[tuple[dict[str, list[str]], str]] = field(default_factory=list)

    def reply(self) -> bytes:
        if self.answer is not None:
            return self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        return json.dumps({"access_token": f"token-{len(self.asked)}", "expires_in": 300}).encode()


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    state = Endpoint()

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            state.asked.append((parse_qs(body), self.headers["authorization"]))
            content = state.reply()
            self.send_response(state.status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/token?realm=x"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def provider(state: Endpoint, clock: Clock, scope: str = "") -> ClientCredentials:
    return ClientCredentials(state.url, "tocsin", SECRET, scope, monotonic=clock)


async def test_a_token_is_fetched_once_and_again_before_it_ends() -> None:
    clock = Clock()
    with endpoint() as state:
        tokens = provider(state, clock, "kafka")
        assert [await tokens.token() for _ in range(3)] == ["token-1"] * 3
        form, login = state.asked[0]
        assert form == {"grant_type": ["client_credentials"], "scope": ["kafka"]}
        assert base64.b64decode(login.removeprefix("Basic ")).decode() == f"tocsin:{SECRET}"
        clock.now += 300 - LEFT_SECONDS + 1
        assert await tokens.token() == "token-2"
        assert len(state.asked) == 2


async def test_loops_in_several_threads_share_one_token() -> None:
    with endpoint() as state:
        tokens = provider(state, Clock())
        got = await asyncio.gather(*(asyncio.to_thread(asyncio.run, tokens.token()) for _ in range(4)))
        assert got == ["token-1"] * 4
        assert len(state.asked) == 1


async def test_a_token_that_still_lives_outlasts_an_endpoint_that_is_away() -> None:
    clock = Clock()
    with endpoint() as state:
        tokens = provider(state, clock)
        await tokens.token()
        clock.now += 290
        state.status = 503
        assert await tokens.token() == "token-1"
        clock.now += 20
        with pytest.raises(TokenMissing, match="status 503"):
            await tokens.token()


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (401, {"error": "invalid_client"}, "refused with status 401, 'invalid_client'; kafka.security.oauth.token_url"),
        (400, {"error": f"{SECRET} is wrong"}, "refused with status 400;"),
        (302, b"", "refused with status 302"),
        (200, {"id_token": "x"}, "answered without an access_token"),
        (200, b"<html>", "answered without an access_token"),
        (200, {"access_token": "a\nb"}, "answered without an access_token"),
        (200, b"x" * (ANSWER_BYTES_MAX + 1), f"answered with more than {ANSWER_BYTES_MAX} bytes"),
    ],
)
async def test_a_refusal_names_the_endpoint_and_no_secret(status: int, answer: Any, said: str) -> None:
    with endpoint() as state:
        state.status, state.answer = status, answer
        with pytest.raises(TokenMissing) as caught:
            await provider(state, Clock()).token()
    assert said in str(caught.value)
    assert str(caught.value).startswith(state.url.split("?")[0])
    assert SECRET not in str(caught.value)
    assert "realm" not in str(caught.value)
    # A connection that could not log in is one that failed: the clients try again.
    assert isinstance(caught.value, KafkaError)


async def test_an_endpoint_that_is_away_is_named() -> None:
    with endpoint() as state:
        pass
    with pytest.raises(TokenMissing, match="no connection"):
        await provider(state, Clock()).token()


async def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    tokens = TokenFile(file)
    assert await tokens.token() == "first"
    file.write_text("second")
    assert await tokens.token() == "second"


@pytest.mark.parametrize("content", ["", "two words", "x" * (ANSWER_BYTES_MAX + 1)])
async def test_a_file_without_a_token_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(TokenMissing, match=r"token: the file holds no token; .*token_file"):
        await TokenFile(file).token()
    file.unlink()
    with pytest.raises(TokenMissing, match="cannot be read"):
        await TokenFile(file).token()
