"""What an error of a Kafka client means to the person who runs tocsin, and what to do about it.

In: an exception of aiokafka, of TLS or of a socket, and what is known of the place it happened at. Out: a
`Meaning`, or one sentence of it that ends with one remedy. One table (`MEANINGS`) knows; the most special class of an
error counts, and an error that wraps another is explained by what it wraps when that says more. Nothing of an error's
own text is repeated that could hold a secret: only the words of the broker and of TLS are.
"""

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import errors as kafka

__all__ = ["CODES", "Meaning", "UnknownCodec", "explain", "meaning"]

WORDS_MAX: Final = 200
"""Letters of a foreign text that are shown: brokers and TLS libraries say what counts in their first line."""
WRAPS_MAX: Final = 5
"""How deep an error may lie in others."""


class UnknownCodec(kafka.UnsupportedCodecError):  # type: ignore[misc]  # aiokafka ships no types
    """A batch is compressed with something that came after this version. The only argument is its number, as text."""


@dataclass(frozen=True)
class Meaning:
    """One failure as people read it."""

    what: str
    """What is wrong, as half a sentence without a full stop."""
    where: str
    """`topic x`, `group y`, `server h:9092`, or nothing when the place is not known."""
    remedy: str
    """One command or one setting."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.remedy}" if self.where else f"{self.what}; {self.remedy}"


@dataclass(frozen=True)
class _Case:
    what: str
    remedy: str
    place: str = "topic group server"
    """Which of the known places are named, most telling first."""


_RIGHTS: Final = "`tocsin doctor` lists what is missing"
_LATER: Final = "tocsin tries again by itself, `tocsin doctor` shows whether the cluster is well"
_TOO_LARGE: Final = _Case("the batch is larger than the topic takes", "raise max.message.bytes: `tocsin topics apply`")
_REPLICAS: Final = _Case(
    "fewer replicas are in sync than min.insync.replicas asks for, so nothing is accepted",
    "bring the missing brokers back, nothing is lost meanwhile",
)
_FENCED: Final = _Case(
    "another process has joined with the same member name",
    "give each process its own kafka.member, or leave it out",
    "group server",
)
_AUTHENTICATION: Final = _Case(
    "the login was refused",
    "check username, password, mechanism (or oauth) in kafka.security",
    "server",
)

MEANINGS: Final[Mapping[type[BaseException], _Case]] = {
    kafka.UnknownTopicOrPartitionError: _Case("the topic or partition does not exist", "run `tocsin topics apply`"),
    kafka.InvalidTopicError: _Case("the name is not one that Kafka takes", "change kafka.prefix"),
    kafka.TopicAuthorizationFailedError: _Case(
        "the user has no right to this topic", f"grant Describe, Read and Write on it, {_RIGHTS}"
    ),
    kafka.GroupAuthorizationFailedError: _Case(
        "the user has no right to this group", f"grant Describe and Read on it, {_RIGHTS}", "group server topic"
    ),
    kafka.ClusterAuthorizationFailedError: _Case(
        "the user has no right to the cluster", f"grant IdempotentWrite (Create for `topics apply`) on it, {_RIGHTS}"
    ),
    kafka.SaslAuthenticationFailed: _AUTHENTICATION,
    kafka.AuthenticationFailedError: _AUTHENTICATION,
    kafka.UnsupportedSaslMechanismError: _Case(
        "the broker does not offer this way to log in", "set kafka.security.mechanism to one that it does", "server"
    ),
    kafka.AuthenticationMethodNotSupported: _Case(
        "the broker does not offer this way to log in", "set kafka.security.mechanism to one that it does", "server"
    ),
    kafka.IllegalSaslStateError: _Case(
        "the broker expects no login here, or another one", "check the port in broker and kafka.security.protocol"
    ),
    kafka.UnsupportedCodecError: _Case(
        "a batch is compressed with a codec whose library is missing",
        "install `aiokafka[lz4,snappy,zstd]` in tocsin's environment",
    ),
    UnknownCodec: _Case(
        "a batch is compressed with a codec that this version does not know",
        "have its producer use gzip, snappy, lz4 or zstd, or upgrade tocsin",
    ),
    kafka.CorruptRecordException: _Case(
        "a batch does not match its checksum", "check the broker's disk, then restore the partition from a replica"
    ),
    kafka.MessageSizeTooLargeError: _TOO_LARGE,
    kafka.RecordListTooLargeError: _TOO_LARGE,
    kafka.RecordTooLargeError: _TOO_LARGE,
    kafka.NotEnoughReplicasError: _REPLICAS,
    kafka.NotEnoughReplicasAfterAppendError: _REPLICAS,
    kafka.KafkaStorageError: _Case(
        "the broker cannot write to its disk: it is full or has failed",
        "free space in the broker's log.dirs, then restart that broker",
    ),
    kafka.LogDirNotFound: _Case("the broker has lost a log directory", "mount the broker's log.dirs, then restart it"),
    kafka.InvalidTimestampError: _Case(
        "the record's time is too far from the broker's clock", "set both clocks by NTP"
    ),
    kafka.PolicyViolationError: _Case(
        "the cluster's own policy refuses it", "ask who runs the cluster for an exception, or change kafka.replication"
    ),
    kafka.InvalidReplicationFactorError: _Case(
        "the cluster has too few brokers for this many copies", "set kafka.replication to the number of brokers"
    ),
    kafka.InvalidConfigurationError: _Case(
        "the broker refuses a topic setting", "compare with `tocsin topics plan -o json`"
    ),
    kafka.InvalidSessionTimeoutError: _Case(
        "the broker does not allow this session time-out",
        "set kafka.session_timeout between its group.min.session.timeout.ms and group.max.session.timeout.ms",
        "group server",
    ),
    kafka.InconsistentGroupProtocolError: _Case(
        "members of other software are in this group", "set another kafka.prefix, or end the other members", "group"
    ),
    kafka.OffsetOutOfRangeError: _Case(
        "the records from there on are gone (retention, or the topic was made anew)",
        "`/-/ready` names the partition and the command that decides it",
    ),
    kafka.UnsupportedVersionError: _Case("the broker is too old", "upgrade it to Apache Kafka 3.1 or newer", "server"),
    kafka.IncompatibleBrokerVersion: _Case(
        "the broker is too old", "upgrade it to Apache Kafka 3.1 or newer", "server"
    ),
    kafka.UnrecognizedBrokerVersion: _Case(
        "this is no Kafka broker", "check host and port in broker, and kafka.security.protocol", "server"
    ),
    kafka.NotLeaderForPartitionError: _Case("the partition is changing its leader", _LATER),
    kafka.LeaderNotAvailableError: _Case("the partition has no leader", _LATER),
    kafka.NotControllerError: _Case("the cluster is changing its controller", _LATER, "server"),
    kafka.GroupCoordinatorNotAvailableError: _Case("the group has no coordinator", _LATER, "group server"),
    kafka.NotCoordinatorForGroupError: _Case("the group is changing its coordinator", _LATER, "group server"),
    kafka.GroupLoadInProgressError: _Case("the group's offsets are being loaded", _LATER, "group server"),
    kafka.NodeNotReadyError: _Case("the broker cannot be reached", _LATER, "server topic group"),
    kafka.RequestTimedOutError: _Case("the broker did not answer in time", _LATER, "server topic group"),
    kafka.KafkaTimeoutError: _Case("the broker did not answer in time", _LATER, "server topic group"),
    kafka.KafkaConnectionError: _Case(
        "the broker cannot be reached, or closed the connection", "`tocsin doctor` finds out which", "server"
    ),
    ssl.SSLCertVerificationError: _Case(
        "the broker's certificate was not accepted",
        "set kafka.security.ca_file, and in broker the name that stands in the certificate",
        "server",
    ),
    ssl.SSLError: _Case(
        "TLS failed", "check the port in broker, kafka.security.protocol, cert_file and key_file", "server"
    ),
    socket.gaierror: _Case("the host name is not known", "correct broker, or the name service", "server"),
    ConnectionRefusedError: _Case("nothing listens there", "correct broker, or start Kafka", "server"),
    ConnectionResetError: _Case(
        "the broker closed the connection", "check the port in broker and kafka.security.protocol", "server"
    ),
    TimeoutError: _Case(
        "there was no answer in time", "check broker, firewall and kafka.security.protocol", "server topic group"
    ),
    OSError: _Case("the network failed", "check broker and the network between", "server"),
}

CODES: Final[Mapping[int, _Case]] = {
    81: _Case("the group has as many members as the broker allows", "raise the broker's group.max.size", "group"),
    82: _FENCED,
    87: _Case("the broker refuses a record", "compare with `tocsin topics plan`: cleanup.policy must be as it says"),
    89: _Case("the cluster's quota is used up", _LATER),
    100: _Case("the topic was made anew meanwhile", "restart tocsin"),
}
"""Codes of the Kafka protocol that aiokafka has no class for (it calls them all UnknownError)."""

_UNKNOWN: Final = _Case("an unexpected error", "look into the broker's log, and run `tocsin doctor`")
_SAYS: Final = (
    ssl.SSLError,
    kafka.UnknownError,
    kafka.InvalidConfigurationError,
    kafka.PolicyViolationError,
    kafka.InvalidReplicationFactorError,
    kafka.UnsupportedSaslMechanismError,
    kafka.UnsupportedCodecError,
    kafka.KafkaStorageError,
    OSError,
)
"""Errors whose own words help and hold no secret."""


def explain(
    error: BaseException | int, *, topic: str | None = None, group: str | None = None, server: str | None = None
) -> str:
    """One sentence: where, what, and after the semicolon the remedy.

    Args:
        error: what was raised, or an error code of the Kafka protocol.
        topic: the topic as the cluster calls it; `topic/partition` is fine.
        group: the consumer group as the cluster calls it.
        server: `host:port`.
    """
    return str(meaning(error, topic=topic, group=group, server=server))


def meaning(
    error: BaseException | int, *, topic: str | None = None, group: str | None = None, server: str | None = None
) -> Meaning:
    """What `error` means; arguments as for `explain`. Never raises."""
    places = {"topic": topic, "group": group, "server": server}
    if isinstance(error, int):
        case = CODES.get(error)
        if case is None:
            return meaning(kafka.for_code(error)(f"code {error}"), topic=topic, group=group, server=server)
        return Meaning(case.what, _where(case, places), case.remedy)
    for one in _chain(error):
        if isinstance(found := getattr(one, "meaning", None), Meaning):
            return found
    case, telling = _case_of(error)
    what = case.what
    if isinstance(telling, _SAYS) and not isinstance(telling, ConnectionError) and (words := _words(telling)):
        what = f"{what} ({words})"
    elif case is _UNKNOWN:
        what = f"{what} ({type(telling).__name__})"
    return Meaning(what, _where(case, places), case.remedy)


def _case_of(error: BaseException) -> tuple[_Case, BaseException]:
    """The case of the most telling error in the chain, and that error."""
    chain = list(_chain(error))
    general = (kafka.KafkaConnectionError, kafka.NodeNotReadyError, kafka.RequestTimedOutError, TimeoutError)
    known = [(case, one) for one in chain if (case := _own_case(one)) is not None]
    telling = [pair for pair in known if not isinstance(pair[1], general)]
    return next(iter(telling or known), (_UNKNOWN, error))


def _own_case(error: BaseException) -> _Case | None:
    return next((MEANINGS[kind] for kind in type(error).__mro__ if kind in MEANINGS), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    following: BaseException | None = error
    for _ in range(WRAPS_MAX):
        if following is None:
            return
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def _where(case: _Case, places: Mapping[str, str | None]) -> str:
    for kind in case.place.split():
        if places.get(kind):
            return f"{kind} {places[kind]}"
    return next((f"{kind} {name}" for kind, name in places.items() if name), "")


def _words(error: BaseException) -> str:
    """The first line of what the error says of itself, bounded, without what a terminal would obey."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = error.verify_message
    elif isinstance(error, OSError):
        text = error.strerror or str(error)
    else:
        text = str(error.args[0]) if error.args and error.args[0] is not None else ""
    line = text.strip().split("\n", 1)[0][:WORDS_MAX].rstrip(".")
    return "".join(letter for letter in line if letter.isprintable())
