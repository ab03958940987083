"""Limits, other ways, personal rules and quiet hours as settings."""

from datetime import timedelta
from pathlib import Path

import pytest

from tocsin.domain import rules as domain
from tocsin.domain.severity import Severity
from unit.settings.reading import problems_of, settings_of

CHANNELS = """
notify:
  channels:
    mail: {type: email, host: mail.example, from: a@b.example}
    hook: {type: webhook, url: "https://hook.example/x"}
"""
ANA = """
people:
  teams: {everyone: {members: ana}}
  users:
    ana:
"""


def test_channels_that_people_read_have_a_limit_and_those_for_machines_none(tmp_path: Path) -> None:
    limits = settings_of(tmp_path, CHANNELS).rules().notify.limits
    assert limits == {"mail": domain.Limit()}


def test_a_limit_may_be_named_for_any_channel_and_one_bundle_for_all(tmp_path: Path) -> None:
    own = "  limits: {hook: {messages: 3, per: 1m}, console: {messages: 0, pages: 0, bundle: 0s}}\n  bundle: 30s\n"
    limits = settings_of(tmp_path, CHANNELS + own).rules().notify.limits
    half = timedelta(seconds=30)
    assert limits["mail"] == domain.Limit(bundle=half)
    assert limits["hook"] == domain.Limit(messages=3, per=timedelta(minutes=1), bundle=half)
    assert limits["console"] == domain.Limit(messages=0, pages=0)


def test_other_ways_and_patience(tmp_path: Path) -> None:
    own = "  fallback: {hook: [mail, console]}\n  fallback_after: 5m\n  retry_for: 2h\n  retry_pages_for: 1h\n"
    rules = settings_of(tmp_path, CHANNELS + own).rules().notify
    assert rules.fallback == {"hook": ("mail", "console")}
    assert (rules.fallback_after, rules.retry_for, rules.retry_pages_for) == (
        timedelta(minutes=5),
        timedelta(hours=2),
        timedelta(hours=1),
    )


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("  limits: {mial: {messages: 3}}", "no channel 'mial' in notify.channels, did you mean 'mail'?"),
        ("  fallback: {hok: mail}", "fallback: no channel 'hok' in notify.channels, did you mean 'hook'?"),
        ("  fallback: {hook: mial}", "no channel 'mial' in notify.channels, did you mean 'mail'?"),
        ("  fallback: {hook: [mail, hook]}", "fallback: hook is its own fallback; name another channel"),
        ("  limits: {mail: {per: 2h}}", "at most 1h"),
        ("  bundle: 2h", "at most 1h"),
        ("  limits: {mail: {messages: -1}}", "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, own: str, said: str) -> None:
    (problem,) = problems_of(tmp_path, CHANNELS + own)
    assert said in problem


def test_personal_rules_and_quiet_hours(tmp_path: Path) -> None:
    own = """
      quiet_hours: {start: 22:00, end: "7:00", days: mon-fri, below: critical}
      notify:
        - {when: {severity: critical}, channels: hook}
        - {when: "severity == 'high'", channels: [mail, hook], after: 5m}
"""
    ana = settings_of(tmp_path, CHANNELS + ANA + own).rules().users["ana"]
    assert ana.quiet_hours == domain.QuietHours(
        hours=(domain.Restriction(days=(0, 1, 2, 3, 4), start="22:00", end="07:00"),), below=Severity.CRITICAL
    )
    assert [(rule.channels, rule.after) for rule in ana.notify] == [
        (("hook",), timedelta()),
        (("mail", "hook"), timedelta(minutes=5)),
    ]


def test_quiet_hours_may_be_a_calendar(tmp_path: Path) -> None:
    calendar = "calendars: {nights: {hours: [{start: '22:00', end: '06:00'}]}}\n"
    ana = settings_of(tmp_path, calendar + ANA + "      quiet_hours: nights\n").rules().users["ana"]
    assert ana.quiet_hours == domain.QuietHours(calendar="nights")


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("quiet_hours: nigths", "no calendar 'nigths' in calendars"),
        ("quiet_hours: {below: high}", "quiet_hours needs either start and end, or a calendar"),
        ("quiet_hours: {start: '22:00', calendar: nights}", "quiet_hours needs either start and end, or a calendar"),
        ("notify: [{channels: mial}]", "no channel 'mial' in notify.channels, did you mean 'mail'?"),
        ("notify: [{channels: mail, after: 2d}]", "at most 1d"),
    ],
)
def test_a_wish_that_cannot_be_is_named(tmp_path: Path, own: str, said: str) -> None:
    calendar = "calendars: {nights: {hours: [{start: '22:00', end: '06:00'}]}}\n"
    (problem,) = problems_of(tmp_path, calendar + CHANNELS + ANA + f"      {own}\n")
    assert said in problem


def test_what_config_show_prints_can_be_read_again(tmp_path: Path) -> None:
    own = "      quiet_hours: {start: '22:00', end: '07:00'}\n      notify: [{channels: console, after: 1m}]\n"
    text = f"notify: {{limits: {{console: {{bundle: 1m}}}}, fallback_after: 1m}}{ANA}{own}"
    settings = settings_of(tmp_path, text)
    shown = settings.published()["people"]["users"]["ana"]
    again = settings_of(
        tmp_path, f"people: {{teams: {{everyone: {{members: ana}}}}, users: {{ana: {shown}}}}}".replace("None", "null")
    )
    assert again.rules().users == settings.rules().users
