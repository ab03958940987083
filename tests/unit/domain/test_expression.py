"""Expressions: what they may say, and what is said where one is wrong."""

from datetime import UTC, datetime, timedelta
from importlib.resources import files

import pytest

from tocsin.domain import pattern
from tocsin.domain.alert import AlertBody, AlertStatus
from tocsin.domain.expression import ALERT, INCIDENT, ExpressionError, Ruleset, SeenAlert, compile_expression
from tocsin.domain.expression.check import CALLS, TERMS_MAX, VALUES_MAX
from tocsin.domain.expression.glob import pattern_of
from tocsin.domain.expression.parse import COMPARISONS, DEPTH_MAX
from tocsin.domain.expression.tokens import TEXT_MAX
from tocsin.domain.expression.vocabulary import SEVERITY, STATUS, WEEKDAY
from tocsin.domain.header import IncidentHeader
from tocsin.domain.lifecycle import Status
from tocsin.domain.pattern import PATTERN_MAX
from tocsin.domain.severity import Severity

SATURDAY = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
HEADER = IncidentHeader(
    id="i",
    number="INC-2026-11-21-007",
    version=1,
    title="db-7: disk is 'full'",
    severity=Severity.HIGH,
    status=Status.OPEN,
    opened_at=SATURDAY - timedelta(minutes=150),
    category="database",
    service="orders",
    team="dba",
    labels={"team": "db", "a-b": "1", "in": "x"},
    alerts=12,
    firing=3,
    occurrences=40,
)


@pytest.mark.parametrize(
    "text",
    [
        "severity == 'high' AND status == 'open'",
        "severity >= 'high' && severity > 'medium' && severity <= 'critical' && severity < 'emergency'",
        "'critical' > severity",
        "severity in ['high', 'critical',] and status not in ['resolved', 'closed']",
        "NOT acknowledged AND !suppressed",
        "acknowledged == false",
        "false OR true AND alerts == 12",
        "alerts > 10 AND firing != 2 and 2.5 < firing",
        "open_for == 2h30m AND open_for < 1d AND open_for >= 9000s and open_for > 1500ms",
        "title contains 'disk' AND title startsWith \"db\" AND title endsWith '\\'full\\''",
        "title glob 'db-?: *' AND NOT title glob 'db'",
        "title matches r'^db-\\d+' AND title matches 'full'",
        "category contains team OR category startsWith 'data'",
        "labels.team == 'db' AND labels['a-b'] == '1' AND labels.in == 'x'",
        "labels.missing == '' AND labels.missing != 'x' AND labels['missing'] in ['', 'x']",
        "time('UTC') == '10:30' AND time('Europe/London') < '17:30:01' AND time('Asia/Kathmandu') == '16:15'",
        "time('UTC') >= '00:00' AND time('UTC') < '24:00'",
        "weekday('Europe/London') in ['sat', 'sun'] AND weekday('UTC') != 'fri'",
        "number startsWith 'INC-2026' AND service == 'orders' AND source == '' AND correlation_id == ''",
        "severity\n  == 'high'\n",
        "(((alerts == 12)))",
        r"title != '\x41\u00e9\n\t\r\"' AND '\x41\u00e9\n' == 'Aé\u000a'",
        r"""'\\\'\"' == "\\'\"" AND '\\' == r'\'""",
    ],
)
def test_an_expression_holds(text: str) -> None:
    expression = compile_expression(text)
    assert expression.holds(HEADER, SATURDAY) is True
    assert compile_expression(f"NOT ({text})").holds(HEADER, SATURDAY) is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sevrity == 'x'", "1:1: unknown name 'sevrity', did you mean 'severity'?\nsevrity == 'x'\n^"),
        ("qqq == 1", "1:1: unknown name 'qqq'; an incident has severity, status, "),
        ("severity == 'hihg'", "1:13: 'hihg' is not a severity, did you mean 'high'? (info, low, "),
        ("status == 'Open'", "1:11: 'Open' is not a status, did you mean 'open'?"),
        ("true\nAND status = 'open'", "2:12: '=' is not understood here; write ==\nAND status = 'open'\n           ^"),
        ("acknowledged & true", "1:14: '&' is not understood here; write && or AND"),
        ("labels.a-b == ''", "1:9: '-' is not understood here; a label with other signs is written labels['a-b']"),
        ("labels.a.b == ''", "1:9: a name with other signs is written labels['…']"),
        ("labels == 'x'", "1:1: which of the labels? Write labels.team or labels['a-b']"),
        ("title.x == ''", "1:1: title is a text; it has no entries"),
        ("title == 5", "1:7: title is a text, 5 is a number; write '5'"),
        ("title < 'a'", "1:7: a text has no order; < cannot compare it"),
        ("status > 'open'", "1:8: a status has no order; > cannot compare it"),
        ("severity > severity", "1:10: > needs a severity in quotes on one side"),
        ("alerts == '5'", "1:8: alerts is a number, '5' is a text\n"),
        ("alerts contains '5'", "1:1: contains compares texts; alerts is a number"),
        ("open_for > 5", "1:10: open_for is a duration, 5 is a number\n"),
        ("open_for > 5minutes", "1:12: a duration is whole numbers with units ms, s, m, h, d, w: 2h30m"),
        ("open_for > 1.5h", "1:12: a duration is whole numbers with units"),
        ("open_for > 36501d", "1:12: a duration is at most 36500d"),
        ("alerts > 1234567890123456", "1:10: a number has one point at most and 15 digits"),
        ("alerts > 1.2.3", "1:10: a number has one point at most"),
        ("alerts", "1:1: alerts is a number, not true or false; compare it"),
        ("'x'", "1:1: 'x' is a text, not true or false; compare it"),
        ("time() > '09:00'", "1:1: time needs a time zone: time('Europe/London')"),
        ("time == '09:00'", "1:1: unknown name 'time'; write time('Europe/London')"),
        ("time('UTC')", "1:12: a comparison expected after time(…), found the end"),
        ("time('Europe/Londn') > '09:00'", "1:1: 'Europe/Londn' is no time zone, did you mean 'Europe/London'?"),
        ("time('../../etc/passwd') > '09:00'", "1:1: '../../etc/passwd' is no time zone"),
        ("time('Europe') > '09:00'", "1:1: 'Europe' is no time zone"),
        ("time('UTC') > '9:00'", "1:15: '9:00' is not a time of day; write '09:00' or '17:30:00'"),
        ("time('UTC') > '24:01'", "1:15: '24:01' is not a time of day"),
        ("weekday('UTC') == 'monday'", "1:19: 'monday' is not a weekday, did you mean 'mon'?"),
        ("tme('UTC') > '09:00'", "1:1: unknown function 'tme', did you mean 'time'?"),
        ("title matches '('", "1:15: not a pattern: missing ): ("),
        ("title matches category", "1:15: matches needs a pattern in quotes"),
        ("title glob '[z-a]'", "1:12: not a pattern: invalid character class range: z-a"),
        ("", "1:1: a name or a value expected, found the end\n\n^"),
        ("alerts > 1 AND", "1:15: a name or a value expected, found the end"),
        ("(alerts > 1", "1:12: ')' expected, found the end"),
        ("alerts > 1)", "1:11: AND, OR or the end expected, found ')'"),
        ("alerts > 1 alerts", "1:12: AND, OR or the end expected, found 'alerts'"),
        ("1 < alerts < 5", "1:12: a comparison of a comparison; join them with AND"),
        ("alerts in []", "1:12: a text, number or duration expected, found ']'"),
        ("alerts in 5", "1:11: '[' expected, found 5"),
        ("alerts in [1 2]", "1:14: ']' expected, found 2"),
        ("title == 'a", "1:10: the quote is not closed"),
        ("title == r'a", "1:10: the quote is not closed"),
        ("title == 'a\\d'", "1:12: \\d is no escape; write \\\\d, or r'…'"),
        ("title == '\\x4'", "1:11: \\x is no escape"),
        ("title == '\\u00g0'", "1:11: \\u is no escape"),
        ("title == 'é' AND §", "1:18: '§' is not understood here"),
        ("NOT " * (DEPTH_MAX + 1) + "true", f"1:201: more than {DEPTH_MAX} parentheses and negations in one another"),
        ("(" * 3000, f"1:{DEPTH_MAX + 1}: more than {DEPTH_MAX} parentheses"),
        ("x" * (TEXT_MAX + 1), f"1:1: an expression has at most {TEXT_MAX} characters"),
        (" or ".join(["firing"] * 2) + "!", "1:17: AND, OR or the end expected, found '!'"),
        ("||".join(["true"] * (TERMS_MAX + 1)), f"1:3001: more than {TERMS_MAX} comparisons"),
        (f"alerts in [{','.join(['1'] * (VALUES_MAX + 1))}]", f"1:8: more than {VALUES_MAX} values"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text)
    assert str(caught.value).startswith(message)


def test_the_caret_of_a_long_line_is_where_the_mistake_is() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression("\talerts > 1 OR " * 50 + "sevrity == 'x'")
    shown, caret = caught.value.caret.split("\n")
    assert shown[len(caret) - 1 :].startswith("sevrity")


@pytest.mark.parametrize(
    ("glob", "matching", "other"),
    [
        ("db-*", ("db-", "db-1\n2"), ("xdb-", "db")),
        ("*.log", (".log", "a.log"), ("alog", "a.logs")),
        ("[ab]c?", ("acx", "bc]"), ("abc", "cc1", "ac")),
        ("[!ab]*", ("c", "cab"), ("a", "")),
        ("[]x]y", ("]y", "xy"), ("y", "ay")),
        ("[!]]", ("a",), ("]",)),
        ("[a-c-]z", ("bz", "-z"), ("dz",)),
        ("[ab", ("[ab",), ("a",)),
        ("(a|b)+^$\\", ("(a|b)+^$\\",), ("a",)),
    ],
)
def test_a_glob_is_the_whole_text(glob: str, matching: tuple[str, ...], other: tuple[str, ...]) -> None:
    test = pattern.whole_test(pattern_of(glob))
    assert [text for text in matching if not test(text)] == []
    assert [text for text in other if test(text)] == []


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("labels.team == 'db' AND alerts > 3", {("labels", "team"): {"db"}}),
        ("'db' == team", {("team", None): {"db"}}),
        ("severity > 'high' AND severity != 'low'", {("severity", None): {"critical", "emergency"}}),
        ("'high' <= severity", {("severity", None): {"high", "critical", "emergency"}}),
        ("team in ['a', 'b'] AND team in ['b', 'c']", {("team", None): {"b"}}),
        ("team == 'a' OR team == 'b' AND alerts > 1", {("team", None): {"a", "b"}}),
        ("team == 'a' OR alerts > 1", {}),
        ("NOT team == 'a'", {}),
        ("labels.x == ''", {}),
        ("labels.x in ['', 'a']", {}),
        ("weekday('UTC') == 'mon' AND time('UTC') == '10:00'", {}),
        ("alerts == 3 AND open_for == 5m AND acknowledged == true AND 'a' == 'a' AND team == title", {}),
        ("team contains 'a'", {}),
    ],
)
def test_what_an_expression_needs_is_known(text: str, needs: dict[tuple[str, str | None], set[str]]) -> None:
    assert compile_expression(text).needs == needs


def test_an_alert_has_names_of_its_own() -> None:
    body = AlertBody(title="disk", labels={"job": "node"}, annotations={"summary": "full"}, severity=Severity.LOW)
    text = "severity < 'high' AND status == 'firing' AND labels.job == 'node' AND annotations.summary contains 'ul'"
    assert compile_expression(text, ALERT).holds(SeenAlert(body, AlertStatus.FIRING), SATURDAY)
    assert not compile_expression(text, ALERT).holds(SeenAlert(body, AlertStatus.RESOLVED), SATURDAY)
    with pytest.raises(ExpressionError, match="unknown name 'team'; an alert has"):
        compile_expression("team == 'x'", ALERT)


def test_an_expression_is_compiled_once() -> None:
    assert compile_expression("alerts > 3", INCIDENT) is compile_expression("alerts > 3", INCIDENT)


def test_a_ruleset_gives_those_that_hold_in_order() -> None:
    texts = [
        "status == 'closed'",
        "labels.team in ['db', 'web']",
        "alerts > 1",
        "labels.team == 'web'",
        "severity >= 'low'",
    ]
    ruleset = Ruleset([compile_expression(text) for text in texts])
    assert ruleset.all(HEADER, SATURDAY) == (1, 2, 4)
    assert ruleset.first(HEADER, SATURDAY) == 1
    assert Ruleset([]).all(HEADER, SATURDAY) == ()
    assert Ruleset([]).first(HEADER, SATURDAY) is None
    with pytest.raises(ValueError, match="one vocabulary"):
        Ruleset([compile_expression("true"), compile_expression("true", ALERT)])


def test_a_ruleset_asks_only_those_that_may_hold() -> None:
    rules = [compile_expression(f"severity >= 'low' AND labels.service == 's{number}'") for number in range(1000)]
    asked: list[str] = []

    class Watched(dict[str, str]):
        def get(self, key: str, default: str = "") -> str:  # type: ignore[override]
            asked.append(key)
            return super().get(key, default)

    header = IncidentHeader(
        id="i", number="n", version=1, title="t", severity=Severity.LOW, status=Status.OPEN, opened_at=SATURDAY,
        labels=Watched(service="s500"),
    )  # fmt: skip
    assert Ruleset(rules).all(header, SATURDAY) == (500,)
    assert asked == ["service"]


def test_the_handbook_names_everything_that_can_be_said() -> None:
    page = (files("tocsin") / "docs" / "expressions.md").read_text(encoding="utf-8")
    words = [*INCIDENT.fields, *COMPARISONS, *CALLS, *SEVERITY.words, *STATUS.words, *WEEKDAY.words]
    assert [word for word in words if word not in page] == []
    for limit in (TEXT_MAX, TERMS_MAX, DEPTH_MAX, VALUES_MAX, PATTERN_MAX):
        assert f" {limit} " in page
