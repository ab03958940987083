"""What the settings give: variables over the file, rules, channels, secrets that stay hidden."""

import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tocsin.domain import rules as domain
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules.directory import Absence
from tocsin.domain.severity import Severity
from tocsin.settings import Secret, load
from tocsin.settings.part import Part
from unit.settings.reading import problems_of, settings_of


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TOCSIN_HTPP__LISTEN": "x"}, ["TOCSIN_HTPP__LISTEN: unknown field 'htpp', did you mean 'http'?"]),
        ({"TOCSIN_DATADIR": "x"}, ["TOCSIN_DATADIR: unknown field 'datadir', did you mean 'data_dir'?"]),
        ({"TOCSIN_HTTP__LISTN": "x"}, ["TOCSIN_HTTP__LISTN: unknown field 'listn', did you mean 'listen'?"]),
        ({"TOCSIN_PARTITIONS": "x"}, ["TOCSIN_PARTITIONS: field 'partitions' must be a whole number"]),
        ({"TOCSIN_HTTP__TOKENS": "[{name: ci}]"}, ["TOCSIN_HTTP__TOKENS: field 'hash' is missing"]),
        (
            {"TOCSIN_HTTP__TOKENS": "[{"},
            [
                "TOCSIN_HTTP__TOKENS: not YAML: expected the node content, but found '<stream end>' "
                "(while parsing a flow node)"
            ],
        ),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, environ: dict[str, str], expected: list[str]) -> None:
    assert problems_of(tmp_path, "", environ) == expected


def test_a_variable_wins_over_the_file_and_others_are_left_alone(tmp_path: Path) -> None:
    environ = {
        "TOCSIN_HTTP__LISTEN": "127.0.0.1:1",
        "TOCSIN_DATA_DIR": "/var/lib/tocsin",
        "TOCSIN_NOTIFY__CHANNELS__CHAT__URL": "https://chat.example/x",
        "TOCSIN_INGEST__IGNORE_LABELS": '["pod"]',
        "TOCSIN_PORT": "tcp://10.0.0.1:9393",
        "TOCSIN_SERVICE_HOST": "10.0.0.1",
        "TOCSIN_URL": "http://127.0.0.1:1",
        "TOCSIN_TEST_SEED": "4",
        "PATH": "/bin",
    }
    text = (
        "http: {listen: '127.0.0.1:2', external_url: 'https://t.example'}\nnotify: {channels: {chat: {type: webhook}}}"
    )
    settings = settings_of(tmp_path, text, environ)
    assert settings.http.address == ("127.0.0.1", 1)
    assert settings.http.external_url == "https://t.example"
    assert settings.log_path == Path("/var/lib/tocsin/log.sqlite3")
    assert settings.event_log_path == Path("/var/lib/tocsin/events.sqlite3")
    assert settings.channels()["chat"]["url"] == "https://chat.example/x"
    assert settings.rules().ingest.ignore_labels == ("pod",)


def test_without_file_and_variables_the_rules_are_the_default_ones() -> None:
    settings = load(None, {})
    assert settings.rules() == domain.Rules()
    assert settings.channels() == {"console": {"type": "console"}}
    assert settings.http.listen == "127.0.0.1:9393"
    assert settings.warnings() == []


# One of everything that becomes a rule.
EVERY_RULE = """
    ingest: {partition_by: [cluster], severities: {Sev-A: critical}}
    correlate:
      rules:
        - {name: databases, when: {job: postgres}, group_by: [cluster], category: database, gap: 1h30m,
           reopen_within: PT5M}
      assignment: {by_category: {database: dba}, by_severity: {high: ops}}
    escalate:
      rules:
        - condition: {severity: [critical, high], status: open, labels: {env: prod}}
          escalation_level: 2
          escalate_to: dba
          escalate_after_minutes: 0.2
          notification_channels: [console]
          repeat_minutes: 5
          repeat_times: 3
    sla: {critical: {acknowledge: 2m, resolve: 1h}}
    notify:
      routes: [{when: {category: database}, channels: console}]
      events: [incident.opened]
      hold: {low: 5m}
      attempts_max: 3
    severity: {scheme: mine, schemes: {mine: [{word: A, severity: high, respond: 1h}]}, root_cause_required: high,
               matrix: {big: {now: critical}}}
    people:
      users:
        ana: {name: Ana, contacts: {email: ana@example.org}, time_zone: Europe/Berlin, skills: postgres,
              channels: console, away: [{start: 2026-12-24, end: 2026-12-27T09:00Z, reason: holidays}]}
      teams: {dba: {contacts: {email: [dba@example.org]}, members: ana, lead: ana, manager: ana}, ops: {}}
      catch_all: dba
    services:
      shop: {team: dba, depends_on: bank, vendor: {email: help@vendor.example}, runbook: "https://wiki.example/shop",
             links: {board: "https://board.example/"}, description: the shop}
      bank: {}
"""


def test_every_rule_arrives(tmp_path: Path) -> None:
    rules = settings_of(tmp_path, EVERY_RULE).rules()
    assert rules.ingest == domain.IngestRules(partition_by=("cluster",), severities={"sev-a": Severity.CRITICAL})
    assert rules.correlation == (
        domain.CorrelationRule(
            name="databases",
            when={"job": "postgres"},
            group_by=("cluster",),
            category="database",
            gap=timedelta(minutes=90),
            reopen_within=timedelta(minutes=5),
        ),
        domain.CorrelationRule(),
    )
    assert rules.assignment == domain.Assignment(by_category={"database": "dba"}, by_severity={Severity.HIGH: "ops"})
    condition = domain.Matcher(
        severity=(Severity.CRITICAL, Severity.HIGH), status=(Status.OPEN,), labels={"env": "prod"}
    )
    assert rules.escalation == (
        domain.EscalationRule(
            condition=condition,
            escalation_level=2,
            escalate_to="dba",
            escalate_after_minutes=0.2,
            notification_channels=("console",),
            repeat_minutes=5,
            repeat_times=3,
        ),
    )
    assert rules.sla == {
        Severity.CRITICAL: domain.SlaTarget(acknowledge=timedelta(minutes=2), resolve=timedelta(hours=1))
    }
    assert rules.notify == domain.NotifyRules(
        routes=(domain.Route(when=domain.Matcher(category=("database",)), channels=("console",)),),
        events=("incident.opened",),
        hold={Severity.LOW: timedelta(minutes=5)},
        attempts_max=3,
    )
    assert rules.people == domain.People(catch_all="dba")


def test_people_services_and_severities_arrive(tmp_path: Path) -> None:
    rules = settings_of(tmp_path, EVERY_RULE).rules()
    assert rules.severity == domain.SeverityRules(
        scheme="mine",
        schemes={
            "mine": domain.Scheme(
                levels=(domain.SchemeLevel(word="A", severity=Severity.HIGH, respond=timedelta(hours=1)),)
            )
        },
        matrix={"big": {"now": Severity.CRITICAL}},
        root_cause_required=(Severity.HIGH,),
    )
    absence = Absence(
        start=datetime(2026, 12, 23, 23, tzinfo=UTC), end=datetime(2026, 12, 27, 9, tzinfo=UTC), reason="holidays"
    )
    assert rules.users == {
        "ana": domain.User(
            name="Ana",
            contacts={"email": ("ana@example.org",)},
            time_zone="Europe/Berlin",
            skills=("postgres",),
            channels=("console",),
            away=(absence,),
        )
    }
    assert rules.teams == {
        "dba": domain.Team(contacts={"email": ("dba@example.org",)}, members=("ana",), lead="ana", manager="ana"),
        "ops": domain.Team(),
    }
    assert rules.services == {
        "shop": domain.Service(
            team="dba",
            depends_on=("bank",),
            vendor={"email": ("help@vendor.example",)},
            runbook="https://wiki.example/shop",
            links={"board": "https://board.example/"},
            description="the shop",
        ),
        "bank": domain.Service(),
    }


def test_every_rule_is_a_document_and_comes_back_from_it(tmp_path: Path) -> None:
    rules = settings_of(tmp_path, EVERY_RULE).rules()
    documents = domain.documents_of(rules)
    assert documents.keys() == {*domain.DOCUMENTS, "user/ana", "team/dba", "team/ops", "service/shop", "service/bank"}
    again = domain.Rules()
    for version, key in enumerate(documents):
        again = domain.rules_with(again, key, documents[key], version)
    assert msgspec.structs.replace(again, version=-1) == rules


def test_secrets_are_looked_up_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("canary-file\n")
    text = f"""
    notify:
      channels:
        chat: {{type: webhook, url: 'env:CHAT_URL', secret: 'file:{tmp_path}/key', timeout: 3s}}
        mail: {{type: email, host: mx, from: a@b.c, password: canary-plain}}
        text: {{type: sms, url: 'https://a.example/x', form: {{T: '{{to}}', B: '{{text}}', k: '{{k}}'}},
               secrets: {{k: 'env:KEY'}}, headers: {{x-key: canary-header}}, auth_tokens: [canary-token], public_url: 'https://t.example/in'}}
    """
    settings = settings_of(tmp_path, text, {"CHAT_URL": "https://chat.example/canary-env", "KEY": "canary-key"})
    channels = settings.channels()
    assert channels["chat"]["url"] == "https://chat.example/canary-env"
    assert channels["chat"]["secret"] == "canary-file"
    assert channels["chat"]["timeout_seconds"] == 3
    assert channels["mail"]["password"] == "canary-plain"
    assert channels["mail"]["from"] == "a@b.c"
    assert channels["text"]["secrets"] == {"k": "canary-key"}
    assert channels["text"]["headers"] == {"x-key": "canary-header"}
    assert channels["text"]["auth_tokens"] == ("canary-token",)
    for shown in (repr(settings), str(settings), str(settings.published()), repr(settings.notify.channels)):
        assert "canary-" not in shown
    with pytest.raises(TypeError, match="not serialised"):
        pickle.dumps(Secret("canary"))


@pytest.mark.parametrize("text", ["", EVERY_RULE])
def test_what_config_show_prints_can_be_read_again(tmp_path: Path, text: str) -> None:
    import yaml

    first = settings_of(tmp_path, text)
    again = settings_of(tmp_path, yaml.safe_dump(first.published()))
    assert again.rules() == first.rules()
    assert again.published() == first.published()


def test_what_is_shown_of_a_directory_loads_again(tmp_path: Path) -> None:
    """Defaults name teams that are not there; written out they are as good as left out."""
    import yaml

    first = settings_of(tmp_path, "people: {users: {ana: {}}, teams: {everyone: {members: [ana]}}}\n")
    shown = first.published()
    assert shown["correlate"]["assignment"]["by_category"]["security"] == "security_team"
    assert settings_of(tmp_path, yaml.safe_dump(shown)).published() == shown


def test_targets_are_warned_of_when_nobody_is_named(tmp_path: Path) -> None:
    text = "escalate: {rules: [{escalate_to: oops, escalate_after_minutes: 1}]}"
    assert settings_of(tmp_path, text).warnings() == [
        "escalate_to 'oops': people names nobody, so its pages go to 'everyone'"
    ]


def test_default_rules_that_page_teams_which_are_not_there_are_warned_of(tmp_path: Path) -> None:
    (warning,) = settings_of(tmp_path, "people: {teams: {everyone: {}, support_team: {}}}").warnings()
    assert "emergency_team, on_call_engineer, senior_engineers, not named in people" in warning


def test_services_that_need_one_another_are_warned_of(tmp_path: Path) -> None:
    text = "services: {a: {depends_on: [b, c]}, b: {depends_on: c}, c: {depends_on: [b, d]}, d: {}, e: {depends_on: e}}"
    assert settings_of(tmp_path, text).warnings() == [
        "services need one another in a circle: b -> c -> b",
        "services need one another in a circle: e -> e",
    ]


@pytest.mark.parametrize(
    ("severity", "critical"),
    [
        ("", domain.SlaTarget(acknowledge=timedelta(minutes=5), resolve=timedelta(minutes=30))),
        (
            "severity: {scheme: p1-p4}",
            domain.SlaTarget(acknowledge=timedelta(minutes=15), update=timedelta(minutes=30)),
        ),
        (
            "severity: {scheme: p0-p3}",
            domain.SlaTarget(acknowledge=timedelta(minutes=15), resolve=timedelta(minutes=30)),
        ),
        ("severity: {scheme: p1-p4}\nsla: {critical: {resolve: 1h}}", domain.SlaTarget(resolve=timedelta(hours=1))),
    ],
)
def test_what_is_promised_is_that_of_the_scheme_unless_said(
    tmp_path: Path, severity: str, critical: domain.SlaTarget
) -> None:
    assert settings_of(tmp_path, severity).rules().sla[Severity.CRITICAL] == critical


def parts(kind: type[Part] = Part) -> list[type[Part]]:
    return [kind, *(found for child in kind.__subclasses__() for found in parts(child))]


def test_every_field_has_help() -> None:
    fields: list[tuple[str, Any]] = [
        (f"{kind.__name__}.{name}", field) for kind in parts() for name, field in kind.model_fields.items()
    ]
    assert len(fields) > 60
    assert [name for name, field in fields if not (field.description or "").endswith(".")] == []
