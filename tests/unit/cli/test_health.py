"""`tocsin health` against real answers: ready, not ready, no tocsin, nobody."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from click.testing import CliRunner, Result

from tocsin.cli import main

Answering = Callable[[int, str], str]


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Starts a server that gives one answer to everything; its address."""
    servers: list[HTTPServer] = []

    def start(status: int, body: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status if self.path == "/-/ready" else 404)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        servers.append(HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def health(url: str, *options: str) -> Result:
    return CliRunner().invoke(main, ["health", "--url", url, *options])


def test_a_ready_tocsin_is_0(answering: Answering) -> None:
    done = health(answering(200, '{"ready": true, "problems": []}'))
    assert (done.exit_code, done.stdout, done.stderr) == (0, "ready\n", "")


def test_a_ready_tocsin_says_which_channels_fail(answering: Answering) -> None:
    done = health(answering(200, '{"ready": true, "problems": [], "notes": ["channel mail: open since 12:00: 503"]}'))
    assert (done.exit_code, done.stdout, done.stderr) == (0, "ready\n", "channel mail: open since 12:00: 503\n")


def test_one_that_is_not_ready_is_1_and_says_why(answering: Answering) -> None:
    url = answering(503, '{"ready": false, "problems": ["event log: locked", "partition 1: source_trimmed"]}')
    done = health(url)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines() == ["not ready: event log: locked", "not ready: partition 1: source_trimmed"]
    done = health(url, "-o", "json")
    assert (done.exit_code, json.loads(done.stdout)["ready"]) == (1, False)


@pytest.mark.parametrize(("status", "body", "code"), [(200, '{"hello": 1}', 1), (200, "hello", 4), (404, "{}", 3)])
def test_what_is_no_tocsin_is_not_healthy(answering: Answering, status: int, body: str, code: int) -> None:
    assert health(answering(status, body)).exit_code == code


def test_nobody_is_4() -> None:
    assert health("http://127.0.0.1:9").exit_code == 4
