"""What an error of Kafka is explained as: where, what, and a remedy; never a secret."""

import asyncio
import socket
import ssl

import pytest
from aiokafka import errors as kafka

from tocsin.runtime.kafka.errors import CODES, MEANINGS, Meaning, explain, meaning


@pytest.mark.parametrize("kind", [kind for kind in MEANINGS if kind is not ssl.SSLCertVerificationError])
def test_every_known_error_has_place_and_remedy(kind: type[BaseException]) -> None:
    found = meaning(kind(), topic="t/0", group="g", server="h:9092")
    assert found.where.split(" ")[0] in ("topic", "group", "server")
    assert found.what
    assert found.remedy
    assert str(found) == f"{found.where}: {found.what}; {found.remedy}"
    assert str(found).count("; ") == 1, "the remedy is what stands behind the semicolon"


@pytest.mark.parametrize("code", CODES)
def test_every_code_without_a_class_is_explained(code: int) -> None:
    assert kafka.for_code(code) is kafka.UnknownError, "aiokafka has a class for it now: move it to MEANINGS"
    assert explain(code, topic="t").count("; ") == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            kafka.UnknownTopicOrPartitionError(),
            "topic t/0: the topic or partition does not exist; run `tocsin topics apply`",
        ),
        (kafka.SaslAuthenticationFailed("no"), "server h:1: the login was refused; check username, password"),
        (
            kafka.GroupAuthorizationFailedError(),
            "group g: the user has no right to this group; grant Describe and Read",
        ),
        (socket.gaierror(-2, "Name or service not known"), "server h:1: the host name is not known (Name or service"),
        (ConnectionRefusedError(111, "Connect call failed"), "server h:1: nothing listens there; correct broker"),
        (
            kafka.UnsupportedCodecError("Libraries for lz4 compression codec not found"),
            "topic t/0: a batch is compressed with a codec whose library is missing (Libraries for lz4",
        ),
        (kafka.KafkaStorageError(), "topic t/0: the broker cannot write to its disk: it is full or has failed; free"),
        (29, "topic t/0: the user has no right to this topic"),
        (82, "group g: another process has joined with the same member name; give each process its own kafka.member"),
        (4711, "topic t/0: an unexpected error (code 4711); look into"),
    ],
)
def test_what_is_said(error: BaseException | int, words: str) -> None:
    assert explain(error, topic="t/0", group="g", server="h:1").startswith(words)


def test_the_cause_is_explained_when_it_says_more() -> None:
    error = kafka.KafkaConnectionError("closed")
    error.__cause__ = kafka.SaslAuthenticationFailed("no")
    assert "the login was refused" in explain(error)
    outer = kafka.NodeNotReadyError()
    outer.__cause__ = kafka.TopicAuthorizationFailedError()
    assert "no right to this topic" in explain(outer)


def test_an_error_may_bring_its_own_meaning() -> None:
    class Told(kafka.KafkaError):  # type: ignore[misc]
        meaning = Meaning("no token", "https://id/token", "set it")

    wrapped = kafka.KafkaConnectionError()
    wrapped.__cause__ = Told()
    assert explain(wrapped) == "https://id/token: no token; set it"


def test_texts_that_could_hold_a_secret_are_not_repeated() -> None:
    for error in (
        kafka.SaslAuthenticationFailed("hunter2"),
        RuntimeError("hunter2"),
        asyncio.IncompleteReadError(b"hunter2", 9),
    ):
        assert "hunter2" not in explain(error, server="h:1")


def test_a_long_text_is_cut_to_its_first_line() -> None:
    said = explain(kafka.InvalidConfigurationError("x" * 500 + "\nmore"))
    assert "more" not in said
    assert len(said) < 400


def test_what_a_terminal_would_obey_is_left_out() -> None:
    assert "(red [31m)" in explain(kafka.InvalidConfigurationError("red \x1b[31m"))


def test_errors_that_wrap_each_other_in_a_circle_are_explained() -> None:
    first, second = kafka.NodeNotReadyError(), kafka.NodeNotReadyError()
    first.__cause__, second.__cause__ = second, first
    assert "cannot be reached" in explain(first)
