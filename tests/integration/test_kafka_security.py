"""Who may come in, and what somebody is told who may not."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from integration.kafka_log import CLOCK, JOURNAL, SHARED, all_of, connection, draft, opened, texts
from kafka import rights
from kafka import topics as kafka_topics
from kafka.cluster import Cluster
from kafka.security import CLIENT, PASSWORD, USER, UnsignedToken
from tocsin.runtime.broker import Broken, Unavailable
from tocsin.runtime.kafka.broker import KafkaBroker

pytestmark = pytest.mark.integration

LOGIN = {"username": USER, "password": PASSWORD}


@pytest.fixture
async def prefix(secure_kafka: Cluster) -> AsyncIterator[str]:
    prefix = f"s{secrets.token_hex(4)}."
    await kafka_topics.create(secure_kafka.servers, prefix)
    yield prefix
    await kafka_topics.delete_prefix(secure_kafka.servers, prefix)


def ways(cluster: Cluster) -> dict[str, tuple[str, dict[str, Any]]]:
    """Listener and connection options of each way in."""
    assert cluster.certificates is not None
    tls = cluster.certificates
    return {
        "PLAIN": ("SASL", {"protocol": "SASL_PLAINTEXT", "mechanism": "PLAIN", **LOGIN}),
        "SCRAM-SHA-512": ("SASL", {"protocol": "SASL_PLAINTEXT", "mechanism": "SCRAM-SHA-512", **LOGIN}),
        "OAUTHBEARER": (
            "SASL",
            {"protocol": "SASL_PLAINTEXT", "mechanism": "OAUTHBEARER", "token_provider": UnsignedToken},
        ),
        "TLS": ("SSL", {"protocol": "SSL", "ssl_context": tls.context()}),
        "mTLS": ("MTLS", {"protocol": "SSL", "ssl_context": tls.context(client=True)}),
    }


@pytest.mark.parametrize("way", ["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER", "TLS", "mTLS"])
async def test_every_way_in_serves_every_call(secure_kafka: Cluster, prefix: str, way: str) -> None:
    listener, options = ways(secure_kafka)[way]
    async with opened(secure_kafka.listener(listener), prefix, **options) as log:
        assert await log.append(JOURNAL, 0, [draft("a"), draft("b")], expected=0) == 0
        await log.wait({(JOURNAL, 0): 0}, 10)
        assert (await log.begin(JOURNAL, 0), await log.end(JOURNAL, 0)) == (0, 2)
        await log.commit("g", {(JOURNAL, 0): (1, "so far")})
        assert await log.committed("g", JOURNAL, 0) == (1, "so far")
        assert await log.incarnation(JOURNAL) != await log.incarnation(SHARED)
        await log.trim(JOURNAL, 0, 1)
        assert texts(await all_of(log)) == ["b"]


async def refusal(servers: str, prefix: str, **options: Any) -> str:
    """What `open` says; it comes in time."""
    async with asyncio.timeout(25):
        with pytest.raises((Broken, Unavailable)) as caught:
            await KafkaBroker.open(connection(servers, prefix, **options), clock=CLOCK)
    text = str(caught.value)
    assert servers in text
    assert ";" in text, f"no remedy: {text}"
    assert "canary" not in text
    return f"{type(caught.value).__name__}: {text}"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
@pytest.mark.parametrize("wrong", [{"password": "canary-of-a-wrong-one"}, {"username": "canary-of-nobody"}])
async def test_a_wrong_login_is_said_at_once(
    secure_kafka: Cluster, prefix: str, mechanism: str, wrong: dict[str, str]
) -> None:
    login = {**LOGIN, **wrong}
    servers = secure_kafka.listener("SASL")
    text = await refusal(servers, prefix, protocol="SASL_PLAINTEXT", mechanism=mechanism, **login)
    assert text.startswith("Broken: ")
    assert "the login was refused" in text


async def test_a_token_that_has_run_out_is_refused(secure_kafka: Cluster, prefix: str) -> None:
    text = await refusal(
        secure_kafka.listener("SASL"),
        prefix,
        protocol="SASL_PLAINTEXT",
        mechanism="OAUTHBEARER",
        token_provider=lambda: UnsignedToken(valid_seconds=-60),
    )
    assert text.startswith("Broken: ")


async def test_a_mechanism_that_is_not_offered_is_said(secure_kafka: Cluster, prefix: str) -> None:
    text = await refusal(
        secure_kafka.listener("SASL"), prefix, protocol="SASL_PLAINTEXT", mechanism="SCRAM-SHA-256", **LOGIN
    )
    assert text.startswith("Broken: ")
    assert "kafka.security.mechanism" in text


async def test_a_server_of_another_authority_is_not_trusted(secure_kafka: Cluster, prefix: str) -> None:
    assert secure_kafka.certificates is not None
    context = secure_kafka.certificates.context(stranger=True)
    text = await refusal(secure_kafka.listener("SSL"), prefix, protocol="SSL", ssl_context=context)
    assert text.startswith("Broken: ")
    assert "certificate" in text


async def test_a_missing_client_certificate_is_said(secure_kafka: Cluster, prefix: str) -> None:
    assert secure_kafka.certificates is not None
    context = secure_kafka.certificates.context()
    await refusal(secure_kafka.listener("MTLS"), prefix, protocol="SSL", ssl_context=context)


@pytest.mark.parametrize(("listener", "protocol"), [("SASL", "PLAINTEXT"), ("SSL", "PLAINTEXT"), ("PLAINTEXT", "SSL")])
async def test_the_wrong_protocol_for_a_port_is_said_in_time(
    secure_kafka: Cluster, prefix: str, listener: str, protocol: str
) -> None:
    assert secure_kafka.certificates is not None
    context = secure_kafka.certificates.context() if protocol == "SSL" else None
    await refusal(secure_kafka.listener(listener), prefix, protocol=protocol, ssl_context=context)


async def test_a_missing_topic_is_named_with_the_command_that_makes_it(secure_kafka: Cluster) -> None:
    with pytest.raises(Broken, match=rf"nowhere\.{SHARED}.*does not exist.*tocsin topics apply"):
        await KafkaBroker.open(connection(secure_kafka.servers, "nowhere."), clock=CLOCK)


# Rights


@pytest.mark.parametrize("way", ["PLAIN", "mTLS"])
async def test_a_right_that_is_taken_away_is_said_and_loses_nothing(
    secure_kafka: Cluster, prefix: str, way: str
) -> None:
    listener, options = ways(secure_kafka)[way]
    user = f"User:{USER if way == 'PLAIN' else CLIENT}"
    name = prefix + JOURNAL
    async with opened(secure_kafka.listener(listener), prefix, **options) as log:
        await log.append(JOURNAL, 0, [draft("a")])
        await rights.deny(secure_kafka.servers, name, rights.WRITE, user=user)
        with pytest.raises(Unavailable, match=rf"{name}/0.* no right to this topic; grant .*Write"):
            await log.append(JOURNAL, 0, [draft("b")])
        await rights.allow_again(secure_kafka.servers, name, rights.WRITE, user=user)
        assert texts(await all_of(log)) == ["a"]
        assert await log.append(JOURNAL, 0, [draft("c")], expected=1) == 1
        await rights.deny(secure_kafka.servers, name, rights.READ, user=user)
        with pytest.raises(Unavailable, match=rf"{name}/0.* no right to this topic"):
            await log.read(JOURNAL, 0, 0)


async def test_a_right_that_is_missing_at_the_start_is_named(secure_kafka: Cluster, prefix: str) -> None:
    listener, options = ways(secure_kafka)["PLAIN"]
    await rights.deny(secure_kafka.servers, prefix + SHARED, rights.DESCRIBE)
    with pytest.raises(Broken, match=rf"{prefix}{SHARED}.* no right to this topic; grant Describe"):
        await KafkaBroker.open(connection(secure_kafka.listener(listener), prefix, **options), clock=CLOCK)


async def test_a_group_without_right_is_named(secure_kafka: Cluster, prefix: str) -> None:
    listener, options = ways(secure_kafka)["PLAIN"]
    await rights.deny(secure_kafka.servers, prefix + "g", rights.READ, kind=rights.GROUP)
    async with opened(secure_kafka.listener(listener), prefix, **options) as log:
        with pytest.raises(Unavailable, match=rf"group {prefix}g: the user has no right to this group; grant"):
            await log.commit("g", {(JOURNAL, 0): (1, "")})
