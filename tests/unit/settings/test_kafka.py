"""The settings of Kafka: what they become, and how each defect between them is reported."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tocsin.settings.kafka import PARTITIONS, servers_of
from unit.settings.reading import problems_of, settings_of

ON = "broker: kafka://localhost\n"
SASL = ON + "kafka:\n  security:\n    protocol: sasl_ssl\n"

DEFECTS: dict[str, tuple[str, list[str]]] = {
    "no_server": (
        "broker: kafka://\n",
        ["1:9: 'kafka://' names 0 servers; write kafka://host:9092 or kafka://h1:9092,h2:9092"],
    ),
    "bad_port": (
        "broker: kafka://a:9092,b:port\n",
        ["1:9: 'b:port' is not a server; write host:port, such as kafka-1.example.org:9092"],
    ),
    "path": (
        "broker: kafka://a:9092/topic\n",
        ["1:9: 'a:9092/topic' is not a server; write host:port, such as kafka-1.example.org:9092"],
    ),
    "password_in_the_address": (
        "broker: kafka://me:hunter2@a:9092\n",
        ["1:9: no user or password in the address; write them below kafka.security"],
    ),
    "kafka_without_kafka": (
        "kafka: {prefix: a.}\n",
        ["1:1: kafka counts only with broker: kafka://host:9092; the embedded log has none"],
    ),
    "foreign_topics_without_kafka": (
        "ingest:\n  topics: [a]\n",
        ["2:3: ingest.topics counts only with broker: kafka://host:9092; the embedded log has none"],
    ),
    "some_groups_without_kafka": (
        "run:\n  groups: [core]\n",
        ["2:11: the embedded log is for one process, which takes part in all groups; leave it out"],
    ),
    "unknown_group": (
        ON + "run:\n  groups: [cor]\n",
        ["3:12: 'cor' is not one of ingest, core, persist, did you mean 'core'?"],
    ),
    "no_groups": (
        ON + "run:\n  groups: []\n",
        ["3:11: field 'groups' should have at least 1 item after validation, not 0"],
    ),
    "bad_prefix": (
        ON + "kafka:\n  prefix: a/b\n",
        ["3:11: 'a/b' is not a prefix of topic names: letters, digits, '.', '_' and '-'"],
    ),
    "prefix_too_long": (
        ON + f"kafka:\n  prefix: {'a' * 240}\n",
        ["3:11: field 'prefix' is too long: at most 226 characters"],
    ),
    "own_topic": (
        ON + "kafka: {prefix: p.}\ningest:\n  topics: [legacy, p.alerts.raw.v1]\n",
        ["4:20: 'p.alerts.raw.v1' is one of tocsin's own topics; name foreign ones only"],
    ),
    "bad_topic": (
        ON + "ingest:\n  topics: legacy alerts\n",
        ["3:11: 'legacy alerts' is not a topic: letters, digits, '.', '_' and '-', at most 249"],
    ),
    "more_in_sync_than_there_are": (
        ON + "kafka:\n  replication: 1\n  min_insync_replicas: 2\n",
        ["4:24: 2 copies must have a record, but kafka.replication makes only 1"],
    ),
    "session_too_short": (
        ON + "kafka:\n  session_timeout: 1s\n",
        ["3:20: field 'session_timeout' must be between 6s and 30m"],
    ),
    "unknown_protocol": (
        ON + "kafka: {security: {protocol: tls}}\n",
        ["2:30: 'TLS' is not one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"],
    ),
    "login_without_sasl": (
        ON + "kafka: {security: {protocol: ssl, username: a, password: b}}\n",
        ["2:45: username has no effect with protocol SSL; write SASL_SSL"],
    ),
    "sasl_without_login": (
        SASL + "    mechanism: scram-sha-512\n",
        [
            "4:5: mechanism SCRAM-SHA-512 needs a password: kafka.security.password",
            "4:5: mechanism SCRAM-SHA-512 needs a username: kafka.security.username",
        ],
    ),
    "oauth_without_source": (
        SASL + "    mechanism: OAUTHBEARER\n    oauth: {scope: kafka}\n",
        ["6:12: OAUTHBEARER needs either oauth.token_url (with client_id and client_secret) or oauth.token_file"],
    ),
    "oauth_without_client": (
        SASL + "    mechanism: OAUTHBEARER\n    oauth: {token_url: 'https://id/token', client_id: a}\n",
        ["6:12: oauth.token_url needs oauth.client_secret"],
    ),
    "oauth_in_clear": (
        SASL + "    mechanism: OAUTHBEARER\n"
        "    oauth: {token_url: 'http://id.example.org/token', client_id: a, client_secret: b}\n",
        ["6:24: field 'token_url' must begin with https://; the client's secret is sent there"],
    ),
    "oauth_with_another_mechanism": (
        SASL + "    username: a\n    password: b\n    oauth: {token_file: /t}\n",
        ["7:12: oauth has no effect with mechanism PLAIN; write mechanism: OAUTHBEARER"],
    ),
    "files_without_tls": (
        ON + "kafka: {security: {ca_file: /ca.pem}}\n",
        ["2:29: ca_file has no effect with protocol PLAINTEXT; write SSL"],
    ),
    "key_without_certificate": (
        ON + "kafka: {security: {protocol: SSL, key_file: /k.pem}}\n",
        ["2:45: key_file needs cert_file"],
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_reported_with_its_place(tmp_path: Path, defect: str) -> None:
    text, expected = DEFECTS[defect]
    assert problems_of(tmp_path, text) == expected


def test_servers_are_taken_apart() -> None:
    assert servers_of("kafka://a:1, b ,[::1]:3,a:1") == ("a:1", "b:9092", "[::1]:3")
    assert servers_of("kafka://a:1/") == ("a:1",)


def test_what_is_given_arrives(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        "broker: kafka://a:1\nkafka: {prefix: p., replication: 2, session_timeout: 20s, member: m-1,"
        " security: {protocol: sasl_ssl, mechanism: scram-sha-512, username: u, password: 'env:PASSWORD'}}\n"
        "run: {groups: core}\ningest: {topics: legacy}\n",
        {"PASSWORD": "hunter2"},
    )
    assert settings.servers == ("a:1",)
    assert settings.partitions == PARTITIONS
    assert settings.run.groups == ("core",)
    assert settings.ingest.topics == ("legacy",)
    assert settings.kafka.session_timeout == timedelta(seconds=20)
    assert settings.kafka.security.protocol == "SASL_SSL"
    assert settings.kafka.security.password is not None
    assert settings.kafka.security.password.reveal() == "hunter2"
    assert "hunter2" not in repr(settings) + json.dumps(settings.published())


def test_a_number_of_partitions_that_is_given_counts(tmp_path: Path) -> None:
    assert settings_of(tmp_path, "broker: kafka://a\npartitions: 1\n").partitions == 1
    assert settings_of(tmp_path, "broker: kafka://a\n", {"TOCSIN_PARTITIONS": "12"}).partitions == 12
    assert settings_of(tmp_path, "").partitions == 1


def test_rules_do_not_depend_on_where_they_are_read_from(tmp_path: Path) -> None:
    on_kafka = settings_of(tmp_path, "broker: kafka://a\ningest: {topics: [legacy]}\n")
    assert on_kafka.rules() == settings_of(tmp_path, "").rules()


def test_what_config_show_prints_can_be_read_again(tmp_path: Path) -> None:
    shown = settings_of(tmp_path, ON + "kafka: {prefix: p.}\n").published()
    assert shown["kafka"]["prefix"] == "p."
    again = settings_of(tmp_path, json.dumps(shown))
    assert again.published() == shown


@pytest.mark.parametrize(
    ("broker", "security", "expected"),
    [
        ("localhost,127.0.0.1,[::1]", "{}", ""),
        ("localhost,kafka", "{}", "the connection to kafka:9092 has no encryption and no login"),
        ("kafka", "{protocol: SSL}", ""),
        ("kafka", "{protocol: SASL_PLAINTEXT, username: u, password: p}", "the password goes to kafka:9092 without"),
        (
            "kafka",
            "{protocol: SASL_PLAINTEXT, mechanism: OAUTHBEARER, oauth: {token_file: /t}}",
            "the token goes to kafka:9092 without",
        ),
        ("localhost", "{protocol: SASL_PLAINTEXT, username: u, password: p}", ""),
    ],
)
def test_what_others_can_read_on_its_way_is_warned_of(
    tmp_path: Path, broker: str, security: str, expected: str
) -> None:
    settings = settings_of(tmp_path, f"broker: 'kafka://{broker}'\nkafka: {{security: {security}}}\n")
    said = settings.warnings()
    assert len(said) == bool(expected)
    assert expected in "".join(said)
