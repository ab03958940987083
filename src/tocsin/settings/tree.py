"""The whole tree of settings: the process branch (never in the log) and the rules branch (published there)."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from platformdirs import user_state_path
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tocsin.domain import grading
from tocsin.domain import rules as domain
from tocsin.domain.escalation import DEFAULT_POLICY
from tocsin.domain.ids import PARTITIONS_MAX
from tocsin.domain.severity import Severity
from tocsin.settings import coverage, kafka
from tocsin.settings.channel import Channel, ConsoleChannel
from tocsin.settings.directory import PeoplePart, ServicePart
from tocsin.settings.escalation import EscalatePart, Sla, SlaRulePart
from tocsin.settings.kafka import KAFKA, KafkaPart, RunPart
from tocsin.settings.notification import CURRENT, ECHOES, BundleDuration, LimitPart, limits_of, unknown_in
from tocsin.settings.part import Part
from tocsin.settings.playbook import PlaybookPart
from tocsin.settings.references import CONSOLE, cycles
from tocsin.settings.rules import (
    DEFAULT,
    CorrelatePart,
    Event,
    IngestPart,
    RoutePart,
)
from tocsin.settings.schedule import CalendarPart, SchedulePart, gaps
from tocsin.settings.severity import SeverityPart
from tocsin.settings.silence import SuppressPart
from tocsin.settings.template import TemplatePart
from tocsin.settings.template import warnings as template_warnings
from tocsin.settings.values import (
    Duration,
    ExternalUrl,
    LinkSecret,
    Listen,
    Name,
    OneOrMore,
    PositiveDuration,
    Secret,
    duration_text,
    is_loopback,
    looked_up,
    split_listen,
)
from tocsin.settings.watch import WatchPart

EMBEDDED: Final = "embedded://"


def _broker(value: str) -> str:
    if value.startswith(KAFKA):
        kafka.servers_of(value)
    elif not value.startswith(EMBEDDED) or (value != EMBEDDED and not value.startswith("embedded:///")):
        raise ValueError(f"{value!r} is not a broker; write embedded://, embedded:///directory or kafka://host:9092")
    return value


def _database(value: str) -> str:
    if value.startswith("postgresql:"):
        raise ValueError("postgresql:// is not available in this version yet; use sqlite://")
    if value != "sqlite://" and not value.startswith("sqlite:///"):
        raise ValueError(f"{value!r} is not a database; write sqlite:// or sqlite:///file")
    return value


class TokenPart(Part):
    name: Name = Field(description="Who uses the token; stands as actor in the timeline.")
    hash: Annotated[str, BeforeValidator(looked_up)] = Field(
        pattern=r"^sha256:[0-9a-f]{64}$",
        description="Hash of the token, as `tocsin token create` prints it; env:NAME and file:/path are looked up.",
    )


class HttpPart(Part):
    listen: Listen = Field(
        default="127.0.0.1:9393", description="Address and port; beyond this machine it needs a token."
    )
    tokens: tuple[TokenPart, ...] = Field(
        default=(), max_length=1000, description="Who may use the API; none = only this machine."
    )
    external_url: ExternalUrl = Field(
        default="", description="Address under which people reach tocsin, for links in messages; empty = no links."
    )
    link_secret: OneOrMore[LinkSecret] = Field(
        default=(),
        max_length=2,
        description="Signs the links; of two the first signs and both are valid. None: one is made in data_dir, on "
        "Kafka there are no links to acknowledge.",
    )
    link_expiry: PositiveDuration = Field(
        default=timedelta(hours=24), description="How long a link to acknowledge is valid."
    )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        return split_listen(self.listen)


class PersistPart(Part):
    database: Annotated[str, AfterValidator(_database)] = Field(
        default="sqlite://", description="Where the event log is; sqlite:// = events.sqlite3 in data_dir."
    )


class NotifyPart(Part):
    channels: dict[Name, Channel] = Field(default={}, description="Ways out by name; `console` is always there.")
    routes: tuple[RoutePart, ...] = Field(default=(), description="Which incidents go to which channels.")
    templates: dict[Name, TemplatePart] = Field(default={}, description="What messages say instead of built-in texts.")
    catch_all: OneOrMore[Name] = Field(default=(CONSOLE,), description="Channels of an incident that no route matches.")
    events: OneOrMore[Event] = Field(default=DEFAULT.notify.events, description="Event types that notify.")
    hold: dict[Severity, Duration] = Field(
        default={}, description="How long the first page waits, by severity: {low: 5m}."
    )
    limits: dict[Name, LimitPart] = Field(
        default={},
        description="How much each place of a channel is told one by one before the rest becomes a digest, by channel; "
        "without one only channels that people read have a limit, the default.",
    )
    bundle: BundleDuration = Field(
        default=timedelta(),
        description="How long a message that is no page waits for others, where people read; 0s = not at all.",
    )
    fallback: dict[Name, OneOrMore[Name]] = Field(
        default={}, description="Where messages go that a channel gives up: {slack: mail}."
    )
    fallback_after: PositiveDuration = Field(
        default=DEFAULT.notify.fallback_after, description="How long a channel is down before its pages go there."
    )
    attempts_max: int = Field(
        default=DEFAULT.notify.attempts_max, ge=1, le=1000, description="Attempts of one delivery."
    )
    retry_for: PositiveDuration = Field(
        default=DEFAULT.notify.retry_for, description="After so long a message that is no page is not tried again."
    )
    retry_pages_for: PositiveDuration = Field(
        default=DEFAULT.notify.retry_pages_for, description="After so long a page is not tried again."
    )
    retry_first: PositiveDuration = Field(
        default=DEFAULT.notify.retry_first, description="Wait before the second attempt, at most."
    )
    retry_longest: PositiveDuration = Field(
        default=DEFAULT.notify.retry_longest, description="Longest wait between attempts."
    )

    @model_validator(mode="after")
    def _channels_are_there(self) -> "NotifyPart":
        for field in ("limits", "fallback"):
            if wrong := unknown_in(field, getattr(self, field), self.channels):
                raise ValueError(wrong)
        if circular := next((name for name, ways in self.fallback.items() if name in ways), None):
            raise ValueError(f"fallback: {circular} is its own fallback; name another channel")
        return self

    def struct(self) -> domain.NotifyRules:
        return domain.NotifyRules(
            limits=limits_of({name: one.type for name, one in self.channels.items()}, self.limits, self.bundle),
            current=tuple(name for name, one in self.channels.items() if one.type in CURRENT),
            echoes=tuple(name for name, one in self.channels.items() if one.type in ECHOES),
            fallback=self.fallback,
            fallback_after=self.fallback_after,
            retry_for=self.retry_for,
            retry_pages_for=self.retry_pages_for,
            routes=tuple(route.struct() for route in self.routes),
            catch_all=self.catch_all,
            events=self.events,
            hold=self.hold,
            attempts_max=self.attempts_max,
            retry_first=self.retry_first,
            retry_longest=self.retry_longest,
        )


class Settings(Part):
    instance: Name = Field(default="tocsin", description="Name of this installation; part of every event's source.")
    data_dir: Path = Field(
        default_factory=lambda: user_state_path("tocsin"),
        description="Directory of the log and the database.",
    )
    broker: Annotated[str, AfterValidator(_broker)] = Field(
        default=EMBEDDED,
        description="The log: embedded:// = log.sqlite3 in data_dir, embedded:///directory, or kafka://host:9092,….",
    )
    partitions: int = Field(
        default=1,
        ge=1,
        le=PARTITIONS_MAX,
        description=f"Partitions of each topic, {kafka.PARTITIONS} on Kafka if left out; fixed when they are made.",
    )
    kafka: KafkaPart = Field(default=KafkaPart(), description="How Kafka is used; only with broker: kafka://….")
    run: RunPart = Field(default=RunPart(), description="What `tocsin run` runs.")
    http: HttpPart = Field(default=HttpPart(), description="The HTTP side.")
    persist: PersistPart = Field(default=PersistPart(), description="The event log and its views.")
    ingest: IngestPart = Field(default=IngestPart(), description="How alerts are read.")
    correlate: CorrelatePart = Field(default=CorrelatePart(), description="How alerts become incidents.")
    escalate: EscalatePart = Field(default=EscalatePart(), description="Who is paged when nobody acknowledges.")
    severity: SeverityPart = Field(default=SeverityPart(), description="How severities are shown and found.")
    sla: Sla | None = Field(default=None, description="Promised times by severity; default: those of the scheme.")
    sla_rules: tuple[SlaRulePart, ...] = Field(
        default=(), description="Promised times of services and teams, before those by severity; the first counts."
    )
    notify: NotifyPart = Field(default=NotifyPart(), description="Who is told what, and how.")
    people: PeoplePart = Field(default=PeoplePart(), description="People and teams, and their addresses.")
    services: dict[Name, ServicePart] = Field(default={}, description="What alerts are about, and who owns it.")
    schedules: dict[Name, SchedulePart] = Field(default={}, description="Who is on call when, by name.")
    calendars: dict[Name, CalendarPart] = Field(default={}, description="Business hours and holidays, by name.")
    suppress: SuppressPart = Field(default=SuppressPart(), description="What is kept quiet, besides silences.")
    watch: WatchPart = Field(default=WatchPart(), description="Who watches tocsin, and which alerts have to come.")
    playbooks: dict[Name, PlaybookPart] = Field(
        default={}, description="Playbooks by name, besides the four that are always there."
    )

    @model_validator(mode="before")
    @classmethod
    def _partitions(cls, tree: Any) -> Any:
        """The default that depends on the broker."""
        broker = tree.get("broker") if isinstance(tree, dict) else None
        on_kafka = isinstance(broker, str) and broker.startswith(KAFKA)
        return {"partitions": kafka.PARTITIONS, **tree} if on_kafka else tree

    @property
    def servers(self) -> tuple[str, ...]:
        """`host:port` of the Kafka servers to ask first; empty on the embedded log."""
        return kafka.servers_of(self.broker) if self.broker.startswith(KAFKA) else ()

    @property
    def log_path(self) -> Path:
        """File of the embedded log; only with `embedded://`."""
        directory = self.broker.removeprefix(EMBEDDED)
        return (Path(directory) if directory else self.data_dir) / "log.sqlite3"

    @property
    def event_log_path(self) -> Path:
        """File of the event log and its views."""
        file = self.persist.database.removeprefix("sqlite://")
        return Path(file) if file else self.data_dir / "events.sqlite3"

    def rules(self) -> domain.Rules:
        """What is published in the log and given to every decision; version -1."""
        return domain.Rules(
            ingest=self.ingest.struct(),
            correlation=self.correlate.struct(),
            assignment=self.correlate.assignment.struct(),
            severity=self.severity.struct(),
            escalation=self.escalate.struct(),
            escalate=self.escalate.settings(),
            policies={name: policy.struct() for name, policy in self.escalate.policies.items()},
            sla=self.promises(),
            sla_rules=tuple(rule.struct() for rule in self.sla_rules),
            notify=self.notify.struct(),
            people=self.people.struct(),
            users={name: user.struct() for name, user in self.people.users.items()},
            teams={name: team.struct() for name, team in self.people.teams.items()},
            services={name: service.struct() for name, service in self.services.items()},
            schedules={name: schedule.struct() for name, schedule in self.schedules.items()},
            calendars={name: calendar.struct() for name, calendar in self.calendars.items()},
            inhibitions=self.suppress.inhibitions(),
            maintenance=self.suppress.windows(),
            expected=self.watch.struct(),
            playbooks={name: playbook.struct() for name, playbook in self.playbooks.items()},
            templates={name: template.struct() for name, template in self.notify.templates.items()},
        )

    def promises(self) -> dict[Severity, domain.SlaTarget]:
        """What is promised: what the settings say, else what the scheme chosen does."""
        if self.sla is None:
            return grading.targets_of(self.severity.struct())
        return {severity: target.struct() for severity, target in self.sla.items()}

    def channels(self) -> dict[str, dict[str, Any]]:
        """What each channel is built from, by name, secrets revealed; `console` is always among them.

        Durations are seconds under `<name>_seconds`; fields without a value are left out.
        """
        configured = {CONSOLE: ConsoleChannel(), **self.notify.channels}
        return {name: _plain(channel, reveal=True) for name, channel in configured.items()}

    def published(self) -> dict[str, Any]:
        """The tree with every default filled in and no secret, for `config show`."""
        shown: dict[str, Any] = _shown(self)
        if not self.servers:  # what has no effect here, and would be refused when read again
            del shown["kafka"], shown["run"], shown["ingest"]["topics"]
        shown["notify"]["channels"].setdefault(CONSOLE, _shown(ConsoleChannel()))
        if self.escalate.rules is not None or not (self.people.teams or self.people.users):
            # Else the default rows name teams that may not be there, which is refused where it is written.
            shown["escalate"]["rules"] = _shown(self.escalate.struct())
        shown["sla"] = _shown(self.promises())
        return shown

    def notes(self) -> list[str]:
        """Which defaults apply where people often expect otherwise."""
        people = self.people
        tells = any(channel.type != CONSOLE for channel in self.notify.channels.values())
        found = ["messages have no links: http.external_url is not set"] if tells and not self.http.external_url else []
        if people.teams or people.users:
            return [*gaps(self.rules()), *found]
        channels = ", ".join(self.notify.catch_all)
        catch_all = people.catch_all
        return [
            f"people names nobody: every page goes to {catch_all!r}, over {channels} where no route matches",
            *found,
        ]

    def warnings(self) -> list[str]:
        """What is allowed but is probably not meant."""
        people = self.people
        named = {*people.teams, *people.users, people.catch_all}
        found: list[str] = []
        if not (people.teams or people.users):
            targets = {rule.escalate_to for rule in self.escalate.rules or ()} - named
            found += [
                f"escalate_to {one!r}: people names nobody, so its pages go to {people.catch_all!r}"
                for one in sorted(targets)
            ]
        elif (
            self.escalate.rules is None
            and DEFAULT_POLICY not in self.escalate.policies  # it takes every incident before a row does
            and (missing := sorted({rule.escalate_to for rule in DEFAULT.escalation} - named))
        ):
            found.append(
                f"the default escalation rules page {', '.join(missing)}, not named in people: "
                f"their pages go to {people.catch_all!r}"
            )
        circles = cycles({name: service.depends_on for name, service in self.services.items()})
        found += [f"services need one another in a circle: {' -> '.join((*circle, circle[0]))}" for circle in circles]
        found += coverage.warnings(self.rules())
        found += template_warnings(self.rules().templates, frozenset(one.audience for one in self.notify.routes))
        outside = urlsplit(self.http.external_url).hostname or ""
        if outside and not is_loopback(outside) and not self.http.tokens:
            found.append("http.external_url without a token: whoever reaches it may do everything; set http.tokens")
        if self.servers and self.http.external_url and not self.http.link_secret:
            found.append(
                "messages carry no link to acknowledge with one tap, and none that opens an incident without a token; "
                "set http.link_secret, the same for every process"
            )
        return [*found, *kafka.warnings(self.servers, self.kafka.security)]


def _plain(part: Part, *, reveal: bool) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if isinstance(value, timedelta):
            plain[f"{name}_seconds"] = value.total_seconds()
        elif value is not None:
            plain[field.alias or name] = _revealed(value) if reveal else value
    return plain


def _revealed(value: Any) -> Any:
    """`value` with what is secret in it, at any depth."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {name: _revealed(inner) for name, inner in value.items()}
    return tuple(map(_revealed, value)) if isinstance(value, tuple) else value


def _shown(value: Any) -> Any:
    if isinstance(value, Part):
        fields = type(value).model_fields.items()
        return {field.alias or name: _shown(getattr(value, name)) for name, field in fields}
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, Secret):
        return "(secret)"
    if isinstance(value, dict):
        return {str(key): _shown(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_shown(inner) for inner in value]
    if hasattr(value, "__struct_fields__"):
        return {name: _shown(getattr(value, name)) for name in value.__struct_fields__}
    return str(value) if isinstance(value, str | Path) else value
