"""How each defect of the settings is reported. Every defect is a fixture by name."""

from pathlib import Path

import pytest

from tocsin.settings import SettingsError, load
from tocsin.settings.source import DEPTH_MAX, NODES_MAX
from unit.settings.reading import problems_of

WEBHOOK = "{type: webhook, url: 'http://x/'}"


# Defect -> (content of the file, what is reported, without the file's name).
DEFECTS: dict[str, tuple[str, list[str]]] = {
    "unknown_field": ("instnce: a\n", ["1:1: unknown field 'instnce', did you mean 'instance'?"]),
    "unknown_field_like_nothing": ("zzz: a\n", ["1:1: unknown field 'zzz'"]),
    "unknown_field_deep": (
        "escalate:\n  rules:\n    - escalate_to: a\n      escalate_after_minutes: 1\n"
        "      condition:\n        sevrity: [critical]\n",
        ["6:9: unknown field 'sevrity', did you mean 'severity'?"],
    ),
    "unknown_field_in_channel": (
        "notify:\n  channels:\n    ops: {type: webhook, url: 'http://x/', sekret: x}\n",
        ["3:44: unknown field 'sekret', did you mean 'secret'?"],
    ),
    "missing_field": (
        "escalate:\n  rules:\n    - escalate_to: ops\n",
        ["3:7: field 'escalate_after_minutes' is missing"],
    ),
    "field_given_twice": ("instance: a\ninstance: b\n", ["2:1: field 'instance' is given twice, first in line 1"]),
    "not_yaml": (
        "http: [1, 2\n",
        ["2:1: not YAML: expected ',' or ']', but got '<stream end>' (while parsing a flow sequence)"],
    ),
    "tab": (
        "http:\n\tlisten: x\n",
        ["2:1: not YAML: a line is indented with a tab; use spaces"],
    ),
    "indented_otherwise": (
        "notify:\n    channels: {}\n  routes: []\n",
        [
            "3:3: not YAML: this line is not indented as those before it: expected <block end>, but found "
            "'<block mapping start>' (while parsing a block mapping)"
        ],
    ),
    "colon_in_a_value": (
        "instance: a: b\n",
        [
            "1:12: not YAML: a second ': ' in one line; put the value in quotes, or check the indentation: "
            "mapping values are not allowed here"
        ],
    ),
    "control_character": ("instance: a\nbroker: \x07\n", ["2:9: not YAML: a character that is not allowed"]),
    "not_fields": ("- a\n- b\n", ["1:1: the settings must be fields with values, such as 'instance: tocsin'"]),
    "merge_key": ("http:\n  <<: {listen: x}\n", ["2:3: merge keys (<<) are not read; write the fields out"]),
    "foreign_tag": (
        "instance: !!python/name:os.system\n",
        [
            "1:11: not a plain value: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/name:os.system'"
        ],
    ),
    "nested_too_deeply": (
        "instance: " + "[" * 40 + "]" * 40,
        [
            "1:11: field 'instance' must be text; put it in quotes",
            f"1:{DEPTH_MAX + 11}: nested deeper than {DEPTH_MAX}",
        ],
    ),
    "section_is_a_word": (
        "http: yes please\n",
        ["1:7: field 'http' must be fields with values: listen, tokens, external_url, link_secret, link_expiry"],
    ),
    "list_is_a_number": (
        "ingest:\n  ignore_labels: 5\n",
        ["2:18: field 'ignore_labels' must be a list: [a, b], or lines that begin with '- '"],
    ),
    "text_is_a_number": ("instance: 5\n", ["1:11: field 'instance' must be text; put it in quotes"]),
    "partitions_is_a_word": ("partitions: many\n", ["1:13: field 'partitions' must be a whole number"]),
    "partitions_below_one": ("partitions: 0\n", ["1:13: field 'partitions' should be greater than or equal to 1"]),
    "bad_instance": (
        "instance: a/b\n",
        ["1:11: 'a/b' is not a name: letters, digits, '_', '-' and '.', at most 64, no leading sign"],
    ),
    "unknown_broker": (
        "broker: nats://x\n",
        ["1:9: 'nats://x' is not a broker; write embedded://, embedded:///directory or kafka://host:9092"],
    ),
    "postgresql_database": (
        "persist:\n  database: postgresql://x\n",
        ["2:13: postgresql:// is not available in this version yet; use sqlite://"],
    ),
    "listen_without_port": (
        "http:\n  listen: localhost\n",
        ["2:11: 'localhost' is not an address to listen on; write host:port, such as 127.0.0.1:9393"],
    ),
    "listen_is_a_number": (
        "http:\n  listen: 9393\n",
        ["2:11: '9393' is not an address to listen on; write host:port, such as 127.0.0.1:9393"],
    ),
    "listen_open_without_token": (
        "http:\n  listen: 0.0.0.0:9393\n",
        [
            "2:11: '0.0.0.0:9393' can be reached from other machines, which needs http.tokens; "
            "`tocsin token create` makes one"
        ],
    ),
    "token_in_clear": (
        "http:\n  tokens:\n    - {name: ci, hash: tocsin_abc}\n",
        ["3:24: field 'hash' does not have the form that `tocsin token create` prints, sha256:<64 hex digits>"],
    ),
    "duration_without_unit": (
        "correlate:\n  rules:\n    - {name: a, gap: 600}\n",
        ["3:22: 600 has no unit; write a duration such as 30s, 10m or 1h30m"],
    ),
    "duration_is_nonsense": (
        "notify:\n  retry_first: soon\n",
        ["2:16: 'soon' is not a duration; write 30s, 10m, 1h30m, 7d or PT10M"],
    ),
    "duration_of_nothing": ("notify:\n  retry_first: 0s\n", ["2:16: field 'retry_first' must be longer than nothing"]),
    "duration_too_long": ("notify:\n  retry_first: 4000d\n", ["2:16: '4000d' is longer than 3660 days"]),
    "unknown_severity": (
        "sla:\n  critcal: {acknowledge: 5m, resolve: 30m}\n",
        ["2:3: 'critcal' is not one of emergency, critical, high, medium, low, info, did you mean 'critical'?"],
    ),
    "expression": (
        "escalate:\n  rules:\n    - condition: severity = 'critical'\n      escalate_to: a\n"
        "      escalate_after_minutes: 1\n",
        ["3:27: '=' is not understood here; write ==\n    severity = 'critical'\n             ^"],
    ),
    "minutes_below_zero": (
        "escalate:\n  rules:\n    - {escalate_to: a, escalate_after_minutes: -1}\n",
        ["3:48: field 'escalate_after_minutes' should be greater than or equal to 0"],
    ),
    "minutes_with_a_unit": (
        "escalate:\n  rules:\n    - {escalate_to: a, escalate_after_minutes: 5m}\n",
        ["3:48: field 'escalate_after_minutes' must be a number without a unit"],
    ),
    "channel_timeout_above_what_channels_wait": (
        "notify:\n  channels:\n    chat: {type: webhook, url: 'http://x/', timeout: 121s}\n",
        ["3:54: field 'timeout' must be between 50ms and 2m"],
    ),
    "minutes_are_no_number": (
        "escalate:\n  rules:\n    - {escalate_to: a, escalate_after_minutes: .nan}\n",
        ["3:48: field 'escalate_after_minutes' must be a number"],
    ),
    "repeat_without_distance": (
        "escalate:\n  rules:\n    - {escalate_to: a, escalate_after_minutes: 1, repeat_times: 2}\n",
        ["3:7: repeat_times needs repeat_minutes above 0"],
    ),
    "escalation_to_unknown_channel": (
        f"notify:\n  channels:\n    chat: {WEBHOOK}\nescalate:\n  rules:\n    - escalate_to: a\n"
        "      escalate_after_minutes: 1\n      notification_channels: [chta]\n",
        ["8:31: no channel 'chta' in notify.channels, did you mean 'chat'?"],
    ),
    "route_to_unknown_channel": (
        f"notify:\n  channels:\n    chat: {WEBHOOK}\n  routes:\n    - channels: pager\n",
        ["5:17: no channel 'pager' in notify.channels"],
    ),
    "catch_all_channel_unknown": (
        "notify:\n  catch_all: consle\n",
        ["2:14: no channel 'consle' in notify.channels, did you mean 'console'?"],
    ),
    "catch_all_team_unknown": (
        "people:\n  teams: {ops: {}}\n  catch_all: opps\n",
        ["3:14: no team 'opps' in people.teams, did you mean 'ops'?"],
    ),
    "catch_all_team_missing": (
        "instance: a\npeople:\n  teams: {ops: {}}\n",
        [
            "2:1: the catch-all team is missing: no team 'everyone' in people.teams; or name one by people.catch_all",
        ],
    ),
    "escalation_to_nobody": (
        "people: {teams: {everyone: {}}, users: {ana: {}}}\nescalate:\n  rules:\n"
        "    - {escalate_to: anna, escalate_after_minutes: 1}\n",
        ["4:21: no team, user or schedule 'anna', did you mean 'ana'?"],
    ),
    "team_of_nobody": (
        "people:\n  users: {ana: {working_hours: office, channels: [pager]}}\n  teams:\n"
        "    everyone: {members: [ana, anna], lead: bob, manager: bob, schedule: dba}\n",
        [
            "2:32: no calendar 'office' in calendars",
            "2:51: no channel 'pager' in notify.channels",
            "4:31: no user 'anna' in people.users, did you mean 'ana'?",
            "4:44: no user 'bob' in people.users",
            "4:58: no user 'bob' in people.users",
            "4:73: no schedule 'dba' in schedules",
        ],
    ),
    "service_of_nobody": (
        "services:\n  shop: {team: dba, policy: strict, depends_on: [shpo], calendar: office}\n",
        [
            "2:16: no team 'dba' in people.teams",
            "2:29: no policy 'strict' in escalate.policies",
            "2:50: no service 'shpo' in services, did you mean 'shop'?",
            "2:67: no calendar 'office' in calendars",
        ],
    ),
    "policy_to_nobody": (
        "people: {teams: {everyone: {manager: ana}}, users: {ana: {}}}\nservices: {shop: {}}\nescalate:\n  policies:\n"
        "    strict:\n      fallback: nobdy\n      levels:\n"
        "        - targets: [user:anna, schedule:dba, everyone, management, vendor:shp]\n"
        "          notification_channels: pager\n",
        [
            "6:17: no team 'nobdy' in people.teams",
            "8:21: no user 'anna' in people.users, did you mean 'ana'?",
            "8:32: no schedule 'dba' in schedules",
            "8:68: no service 'shp' in services, did you mean 'shop'?",
            "9:34: no channel 'pager' in notify.channels",
        ],
    ),
    "schedule_of_nobody": (
        "people: {teams: {everyone: {}}, users: {ana: {}}}\nschedules:\n  dba:\n    backup: dbb\n    layers:\n"
        "      - {users: [ana, bob], starts_at: 2026-01-05T09:00}\n",
        ["4:13: no schedule 'dbb' in schedules, did you mean 'dba'?", "6:23: no user 'bob' in people.users"],
    ),
    "assignment_to_nobody": (
        "people: {teams: {everyone: {}, dba: {}}}\ncorrelate:\n  assignment:\n"
        "    by_category: {database: dbas}\n    by_severity: {high: user:ana}\n",
        [
            "4:29: no team, user or schedule 'dbas', did you mean 'dba'?",
            "5:25: no user 'ana' in people.users",
        ],
    ),
    "scheme_unknown": (
        "severity:\n  scheme: p1-p5\n",
        ["2:11: no scheme 'p1-p5' in severity.schemes, did you mean 'p1-p4'?"],
    ),
    "zone_unknown": (
        "people:\n  teams: {everyone: {}}\n  users: {ana: {time_zone: Europe/Berln}}\n",
        ["3:28: 'Europe/Berln' is no time zone, did you mean 'Europe/Berlin'?"],
    ),
    "absence_is_no_time": (
        "people:\n  teams: {everyone: {}}\n  users: {ana: {away: [{start: soon, end: 2026-01-01}]}}\n",
        ["3:32: 'soon' is not a time; write 2026-12-24, 2026-12-24T09:00 or …T09:00Z"],
    ),
    "absence_that_ends_before": (
        "people:\n  teams: {everyone: {}}\n  users: {ana: {away: [{start: 2026-01-02, end: 2026-01-02}]}}\n",
        ["3:24: end must lie after start; a single day ends on the next one"],
    ),
    "event_that_does_not_notify": (
        "notify:\n  events: [incident.openned]\n",
        ["2:12: 'incident.openned' is not an event that notifies, did you mean 'incident.opened'?"],
    ),
    "channel_type_unknown": (
        "notify:\n  channels:\n    chat: {type: webhok, url: 'http://x/'}\n",
        [
            "3:18: 'webhok' is not one of console, webhook, servicenow, slack, email, pagerduty, teams, sms, voice, "
            "did you mean 'webhook'?"
        ],
    ),
    "channel_type_missing": ("notify:\n  channels:\n    chat: {url: x}\n", ["3:11: field 'type' is missing"]),
    "url_without_scheme": (
        "notify:\n  channels:\n    chat: {type: webhook, url: example.org}\n",
        ["3:32: field 'url' is not an address; write http://host/path or https://host/path"],
    ),
    "url_with_password": (
        "notify:\n  channels:\n    chat: {type: webhook, url: 'http://me:canary@x/'}\n",
        ["3:32: field 'url' must not hold a user name or password; they end up in logs"],
    ),
    "secret_variable_not_set": (
        "notify:\n  channels:\n    chat: {type: webhook, url: 'env:CHAT_URL'}\n",
        ["3:32: the variable 'CHAT_URL' is not set"],
    ),
    "secret_file_missing": (
        "notify:\n  channels:\n    chat: {type: webhook, url: 'file:/nowhere/url'}\n",
        ["3:32: /nowhere/url cannot be read: No such file or directory"],
    ),
    "several_at_once": (
        "instnce: a\nhttp: {listen: '0.0.0.0:1'}\nnotify: {catch_all: pager}\nsla: {low: {acknowledge: 5}}\n",
        [
            "1:1: unknown field 'instnce', did you mean 'instance'?",
            "2:16: '0.0.0.0:1' can be reached from other machines, which needs http.tokens; "
            "`tocsin token create` makes one",
            "3:21: no channel 'pager' in notify.channels",
            "4:26: 5 has no unit; write a duration such as 30s, 10m or 1h30m",
        ],
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_reported_with_its_place(tmp_path: Path, defect: str) -> None:
    text, expected = DEFECTS[defect]
    assert problems_of(tmp_path, text) == expected


def test_a_text_that_unfolds_without_end_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 9)]
    assert any(f"more than {NODES_MAX} values" in line for line in problems_of(tmp_path, "\n".join(lines)))


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml: cannot be read: No such file or directory"):
        load(tmp_path / "none.yaml", {})
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"instance: a\nbroker: \xff\n")
    with pytest.raises(SettingsError, match=r"latin\.yaml:2:9: is not UTF-8"):
        load(path, {})
