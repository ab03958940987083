"""The settings that count only with `broker: kafka://…`: names, copies, the group's member, security, foreign topics.

In: what stands below `kafka`, `run` and `ingest.topics`, and the raw tree with its places. Out: typed parts, problems
that concern several fields at once, warnings. Nothing is connected to and no certificate is read here;
`cli/connecting.py` does that.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from tocsin.settings.part import Part
from tocsin.settings.problem import Problem
from tocsin.settings.source import Path as TreePath
from tocsin.settings.source import Source
from tocsin.settings.values import Name, OneOrMore, PositiveDuration, Secret, duration_text, http_url, is_loopback
from tocsin.topics import TOPICS

__all__ = [
    "KAFKA",
    "KafkaPart",
    "OauthPart",
    "RunPart",
    "SecurityPart",
    "TopicName",
    "problems",
    "servers_of",
    "warnings",
]

KAFKA: Final = "kafka://"
PORT: Final = 9092
"""Of a server that is written without one."""
SERVERS_MAX: Final = 64
"""The servers named are only where to ask first; more than a few are a list pasted by mistake."""
PARTITIONS: Final = 6
"""On Kafka, where the setting is left out: enough for several processes, few enough that small commits stay batches."""
NAME_MAX: Final = 249
"""Characters of a topic name; Kafka's own limit, since the name is that of a directory."""
SESSION_MIN: Final = timedelta(seconds=6)
SESSION_MAX: Final = timedelta(minutes=30)
"""What brokers allow unless they are told otherwise (group.min.session.timeout.ms, group.max.session.timeout.ms)."""

Group = Literal["ingest", "core", "persist"]
GROUPS: Final[tuple[Group, ...]] = ("ingest", "core", "persist")

_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?")
_TOPIC: Final = re.compile(rf"[A-Za-z0-9._-]{{1,{NAME_MAX}}}")
_LONGEST: Final = max(map(len, TOPICS))


def servers_of(broker: str) -> tuple[str, ...]:
    """The `host:port` of each server in `kafka://host:port,host:port`.

    Raises:
        ValueError: it names no server, or one that is none. The text is not repeated when it holds a password.
    """
    text = broker.removeprefix(KAFKA).removesuffix("/")
    if "@" in text:
        raise ValueError("no user or password in the address; write them below kafka.security")
    servers = [_server(one.strip()) for one in text.split(",") if one.strip()]
    if not servers or len(servers) > SERVERS_MAX:
        raise ValueError(f"{broker!r} names {len(servers)} servers; write kafka://host:9092 or kafka://h1:9092,h2:9092")
    return tuple(dict.fromkeys(servers))


def _server(text: str) -> str:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", PORT if parts.port is None else parts.port
    except ValueError:
        host, port, parts = "", 0, urlsplit("")
    good = (":" in host or _HOST.fullmatch(host)) and port > 0 and parts.netloc == text
    if not good:
        raise ValueError(f"{text!r} is not a server; write host:port, such as kafka-1.example.org:9092")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _prefix(value: str) -> str:
    if value and not _TOPIC.fullmatch(value):
        raise ValueError(f"{value!r} is not a prefix of topic names: letters, digits, '.', '_' and '-'")
    if len(value) + _LONGEST > NAME_MAX:
        raise ValueError(f"is too long: at most {NAME_MAX - _LONGEST} characters")
    return value


def _topic(value: str) -> str:
    if not _TOPIC.fullmatch(value) or value in (".", ".."):
        raise ValueError(f"{value!r} is not a topic: letters, digits, '.', '_' and '-', at most {NAME_MAX}")
    return value


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _session(value: timedelta) -> timedelta:
    if not SESSION_MIN <= value <= SESSION_MAX:
        raise ValueError(f"must be between {duration_text(SESSION_MIN)} and {duration_text(SESSION_MAX)}")
    return value


def _token_url(value: str) -> str:
    """Client secrets travel to it, so it is https; only this machine may do without."""
    http_url(value)
    parts = urlsplit(value)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError("must begin with https://; the client's secret is sent there")
    return value


TopicName = Annotated[str, AfterValidator(_topic)]
Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER"]


class OauthPart(Part):
    token_url: Annotated[str, AfterValidator(_token_url)] | None = Field(
        default=None, description="Where tokens are fetched with the client credentials grant; https."
    )
    client_id: str = Field(default="", max_length=1024, description="Client id at token_url.")
    client_secret: Secret | None = Field(default=None, description="Secret of the client id.")
    scope: str = Field(default="", max_length=1024, description="Scopes to ask for, separated by spaces.")
    ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) that sign the one of token_url; none = the public ones."
    )
    token_file: Path | None = Field(
        default=None, description="File that holds the token, instead of token_url; read anew for each connection."
    )


class SecurityPart(Part):
    protocol: Annotated[Protocol, BeforeValidator(_upper)] = Field(
        default="PLAINTEXT", description="How the servers are spoken to; Kafka's own words."
    )
    mechanism: Annotated[Mechanism, BeforeValidator(_upper)] = Field(
        default="PLAIN", description="How to log in; counts with SASL_PLAINTEXT and SASL_SSL."
    )
    username: str = Field(default="", max_length=1024, description="User of PLAIN and SCRAM-SHA-512.")
    password: Secret | None = Field(default=None, description="Password of the user.")
    oauth: OauthPart | None = Field(default=None, description="Where the token of OAUTHBEARER comes from.")
    ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) that sign the servers'; none = the public ones, or SSL_CERT_FILE."
    )
    cert_file: Path | None = Field(
        default=None, description="Own certificate (PEM) with what leads to its root, for brokers that ask for one."
    )
    key_file: Path | None = Field(default=None, description="Key (PEM) of cert_file; none = it stands in cert_file.")
    key_password: Secret | None = Field(default=None, description="Password of the key.")


class KafkaPart(Part):
    prefix: Annotated[str, AfterValidator(_prefix)] = Field(
        default="", description="In front of the names of all topics and groups, such as `prod.`."
    )
    replication: int | None = Field(
        default=None, ge=1, le=32, description="Copies of each partition; none = three, or one a broker if fewer."
    )
    min_insync_replicas: int | None = Field(
        default=None, ge=1, le=32, description="Copies that must have a record; none = two with three copies, else one."
    )
    session_timeout: Annotated[PositiveDuration, AfterValidator(_session)] = Field(
        default=timedelta(seconds=15), description="A process that is silent for so long loses its partitions."
    )
    member: Name | None = Field(
        default=None,
        description="Name of this process in the groups, unique and the same after a restart; "
        "none = instance, host and a number kept in data_dir.",
    )
    security: SecurityPart = Field(default=SecurityPart(), description="Encryption and login.")


class RunPart(Part):
    groups: Annotated[OneOrMore[Group], Field(min_length=1)] = Field(
        default=GROUPS, description="What this process takes part in; all but on Kafka."
    )


def problems(source: Source) -> Iterator[Problem]:
    """What is wrong between fields. Works on the raw tree, so that other problems do not hide these."""
    tree = source.tree
    broker, kafka = tree.get("broker"), _branch(tree, "kafka")
    if not isinstance(broker, str) or not broker.startswith(KAFKA):
        yield from _only_with_kafka(source)
        return
    security = _branch(kafka, "security")
    for path, message in (*_login(security), *_tls(security)):
        yield Problem(source.place(("kafka", "security", *path)), message)
    replication, least = kafka.get("replication"), kafka.get("min_insync_replicas")
    if isinstance(replication, int) and isinstance(least, int) and least > replication:
        place = source.place(("kafka", "min_insync_replicas"))
        yield Problem(place, f"{least} copies must have a record, but kafka.replication makes only {replication}")
    yield from _own_topics(source)


def _only_with_kafka(source: Source) -> Iterator[Problem]:
    """A setting that would be passed over is a mistake to be said."""
    for path in (("kafka",), ("ingest", "topics")):
        if _at(source.tree, path):
            message = f"{'.'.join(path)} counts only with broker: kafka://host:9092; the embedded log has none"
            yield Problem(source.place(path, key=True), message)
    groups = _at(source.tree, ("run", "groups"))
    named = [groups] if isinstance(groups, str) else groups
    if isinstance(named, list) and named and not set(GROUPS) <= {one for one in named if isinstance(one, str)}:
        message = "the embedded log is for one process, which takes part in all groups; leave it out"
        yield Problem(source.place(("run", "groups")), message)


def _own_topics(source: Source) -> Iterator[Problem]:
    prefix, topics = _at(source.tree, ("kafka", "prefix")) or "", _at(source.tree, ("ingest", "topics"))
    for index, name in enumerate(topics if isinstance(topics, list) else [topics]):
        if isinstance(name, str) and isinstance(prefix, str) and name.removeprefix(prefix) in TOPICS:
            path: TreePath = ("ingest", "topics", index) if isinstance(topics, list) else ("ingest", "topics")
            yield Problem(source.place(path), f"{name!r} is one of tocsin's own topics; name foreign ones only")


def _login(security: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    protocol, mechanism = _word(security, "protocol", "PLAINTEXT"), _word(security, "mechanism", "PLAIN")
    given = [name for name in ("username", "password", "oauth") if security.get(name)]
    if not protocol.startswith("SASL"):
        if given and protocol in get_args(Protocol):
            yield (given[0],), f"{given[0]} has no effect with protocol {protocol}; write SASL_{_sasl(protocol)}"
        return
    oauth = _branch(security, "oauth")
    if mechanism == "OAUTHBEARER":
        yield from ((("oauth", *path), message) for path, message in _oauth(oauth))
        if security.get("username") or security.get("password"):
            yield ("username",), "username and password have no effect with OAUTHBEARER; write them below oauth"
        return
    if oauth:
        yield ("oauth",), f"oauth has no effect with mechanism {mechanism}; write mechanism: OAUTHBEARER"
    for name in ("username", "password"):
        if not security.get(name):
            yield (), f"mechanism {mechanism} needs a {name}: kafka.security.{name}"


def _oauth(oauth: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    if bool(oauth.get("token_url")) == bool(oauth.get("token_file")):
        yield (), "OAUTHBEARER needs either oauth.token_url (with client_id and client_secret) or oauth.token_file"
    elif oauth.get("token_url"):
        for name in ("client_id", "client_secret"):
            if not oauth.get(name):
                yield (), f"oauth.token_url needs oauth.{name}"


def _tls(security: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    protocol = _word(security, "protocol", "PLAINTEXT")
    files = [name for name in ("ca_file", "cert_file", "key_file", "key_password") if security.get(name)]
    if files and protocol in get_args(Protocol) and not protocol.endswith("SSL"):
        wanted = "SASL_SSL" if protocol.startswith("SASL") else "SSL"
        yield (files[0],), f"{files[0]} has no effect with protocol {protocol}; write {wanted}"
    elif ("key_file" in files or "key_password" in files) and "cert_file" not in files:
        yield (files[-1],), f"{files[-1]} needs cert_file"


def warnings(servers: tuple[str, ...], security: SecurityPart) -> list[str]:
    """What is allowed and probably not meant: a login or alerts that others can read on their way."""
    away = [server for server in servers if not is_loopback(server.rpartition(":")[0].strip("[]"))]
    if not away or security.protocol.endswith("SSL"):
        return []
    if security.protocol == "SASL_PLAINTEXT":
        what = {"PLAIN": "the password", "OAUTHBEARER": "the token"}.get(security.mechanism, "all but the password")
        return [f"{what} goes to {away[0]} without encryption; write kafka.security.protocol: SASL_SSL"]
    return [f"the connection to {away[0]} has no encryption and no login; write kafka.security.protocol: SASL_SSL"]


def _sasl(protocol: str) -> str:
    return "SSL" if protocol == "SSL" else "PLAINTEXT"


def _word(branch: Mapping[str, Any], name: str, default: str) -> str:
    value = branch.get(name)
    return value.upper() if isinstance(value, str) else default


def _branch(tree: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = tree.get(name)
    return value if isinstance(value, dict) else {}


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        tree = tree.get(step) if isinstance(tree, dict) else None
    return tree
