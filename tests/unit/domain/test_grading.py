"""Schemes: their targets to the minute, their words, and the matrix."""

from datetime import timedelta

import pytest

from tocsin.domain import grading
from tocsin.domain.rules import IngestRules, Rules, Scheme, SchemeLevel, SeverityRules, SlaTarget
from tocsin.domain.rules.sla import DEFAULT_SLA
from tocsin.domain.severity import WORDS, Severity

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("scheme", "words", "respond", "recover", "update"),
    [
        (
            "p0-p3",
            ["P0", "P1", "P2", "P3"],
            [5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR],
            [10 * MINUTE, 30 * MINUTE, 2 * HOUR, 8 * HOUR],
            [None] * 4,
        ),
        (
            "p1-p4",
            ["P1", "P2", "P3", "P4"],
            [15 * MINUTE, 30 * MINUTE, 2 * HOUR, 8 * HOUR],
            [None] * 4,
            [30 * MINUTE, 2 * HOUR, 4 * HOUR, 24 * HOUR],
        ),
        ("sev1-4", ["Sev1", "Sev2", "Sev3", "Sev4"], [None] * 4, [None] * 4, [None] * 4),
    ],
)
def test_the_built_in_schemes_are_those_of_the_table(
    scheme: str, words: list[str], respond: list[object], recover: list[object], update: list[object]
) -> None:
    levels = grading.SCHEMES[scheme].levels
    assert [level.word for level in levels] == words
    assert [level.respond for level in levels] == respond
    assert [level.recover for level in levels] == recover
    assert [level.update for level in levels] == update
    assert [level.severity.rank for level in levels] == sorted(level.severity.rank for level in levels)


@pytest.mark.parametrize(
    ("scheme", "labels"),
    [
        ("named", ["emergency", "critical", "high", "medium", "low", "info"]),
        ("p0-p3", ["P0", "P1", "P2", "P3", "P3", "P3"]),
        ("p1-p4", ["P1", "P1", "P2", "P3", "P4", "P4"]),
        ("sev1-4", ["Sev1", "Sev1", "Sev2", "Sev3", "Sev4", "Sev4"]),
        ("no such scheme", ["emergency", "critical", "high", "medium", "low", "info"]),
        ("mine", ["Red", "Red", "Red", "Green", "Green", "Green"]),
        ("empty", ["emergency", "critical", "high", "medium", "low", "info"]),
    ],
)
def test_every_severity_has_a_level_in_every_scheme(scheme: str, labels: list[str]) -> None:
    red, green = (
        SchemeLevel(word="Red", severity=Severity.CRITICAL),
        SchemeLevel(word="Green", severity=Severity.LOW),
    )
    mine = {"mine": Scheme(levels=(red, green)), "empty": Scheme(levels=())}
    rules = SeverityRules(scheme=scheme, schemes=mine)
    assert [grading.label_of(severity, rules) for severity in Severity] == labels


def test_words_of_the_built_in_schemes_stand_for_the_severity_that_shows_them() -> None:
    for name, scheme in grading.SCHEMES.items():
        for level in scheme.levels:
            assert WORDS[level.word.lower()] is level.severity
            assert grading.label_of(level.severity, SeverityRules(scheme=name)) == level.word


def test_the_named_scheme_promises_what_was_promised_before_there_were_schemes() -> None:
    assert grading.targets_of(SeverityRules()) == DEFAULT_SLA
    assert grading.targets_of(SeverityRules(scheme="sev1-4")) == DEFAULT_SLA


def test_a_scheme_promises_what_its_levels_say_and_the_first_one_for_all_above() -> None:
    found = grading.targets_of(SeverityRules(scheme="p1-p4"))
    first = SlaTarget(acknowledge=15 * MINUTE, update=30 * MINUTE)
    assert found[Severity.EMERGENCY] == found[Severity.CRITICAL] == first
    assert found[Severity.LOW] == SlaTarget(acknowledge=8 * HOUR, update=24 * HOUR)
    assert Severity.INFO not in found


def test_a_persons_word_is_looked_up_among_own_words_then_the_scheme_then_the_table() -> None:
    scheme = Scheme(
        levels=(SchemeLevel(word="P1", severity=Severity.LOW), SchemeLevel(word="Rot", severity=Severity.HIGH))
    )
    rules = Rules(
        ingest=IngestRules(severities={"p1": Severity.EMERGENCY}),
        severity=SeverityRules(scheme="mine", schemes={"mine": scheme}),
    )
    assert grading.known_severity(" P1 ", rules) is Severity.EMERGENCY
    assert grading.known_severity("rot", rules) is Severity.HIGH
    assert grading.known_severity("Warning", rules) is Severity.MEDIUM
    assert grading.known_severity("blue", rules) is None


def test_impact_and_urgency_give_the_severity() -> None:
    table = [
        [grading.severity_from(impact, urgency, SeverityRules()).value for urgency in ("high", "medium", "low")]
        for impact in ("High", "medium", " low ")
    ]
    assert table == [["critical", "high", "medium"], ["high", "medium", "low"], ["medium", "low", "info"]]


def test_an_own_matrix_takes_the_place_of_the_built_in_one() -> None:
    rules = SeverityRules(matrix={"Site": {"Now": Severity.EMERGENCY}})
    assert grading.severity_from("site", "now", rules) is Severity.EMERGENCY
    with pytest.raises(ValueError, match=r"'sit' is no impact; known: Site"):
        grading.severity_from("sit", "now", rules)
    with pytest.raises(ValueError, match=r"'hgh' is no urgency; known: high, medium, low, did you mean 'high'\?"):
        grading.severity_from("high", "hgh", SeverityRules())
