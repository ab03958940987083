"""Templates and audiences in the settings: what is given is published, what is wrong is named."""

from pathlib import Path

import pytest

from tocsin.domain.rules import Matcher, Rules, Template, documents_of, rules_with
from tocsin.domain.severity import Severity
from tocsin.domain.soundness import Unsound, rules_after
from tocsin.domain.template import SOURCE_BYTES_MAX
from unit.settings.reading import problems_of, settings_of


def test_a_template_is_a_document_of_its_own(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        "notify: {channels: {mail: {type: email, host: a, from: a@b.example}}, templates: {"
        "short: {subject_template: '{severity}: {title}', channel: mail, events: incident.opened,"
        " when: \"severity == 'critical'\"}, people: {body_template: '{note}', audience: customers, channel: email}}}",
        {},
    )
    rules = settings.rules()
    assert rules.templates["short"] == Template(
        subject_template="{severity}: {title}",
        channel="mail",
        events=("incident.opened",),
        when=Matcher(expression="severity == 'critical'"),
    )
    document = documents_of(rules)["template/people"]
    assert document == {"body_template": "{note}", "channel": "email", "audience": "customers", "when": {}}
    assert rules_with(rules, "template/people", document, 1).templates == rules.templates


def test_the_text_of_a_file_is_kept_as_it_is(tmp_path: Path) -> None:
    text = 'notify: {templates: {a: {body_template: "{\\"a\\": {\\"b\\": \\"{title}\\"}}"}}}'
    assert settings_of(tmp_path, text, {}).rules().templates["a"].body_template == '{"a": {"b": "{title}"}}'


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{audience: team}", "needs a subject_template or a body_template"),
        ("{subject_template: '{titel}'}", "line 1: no variable 'titel', did you mean 'title'?"),
        ("{body_template: '{{ incident.titel }}'}", "did you mean 'incident.title'?"),
        ("{body_template: '{{ title'}", "line 1: unexpected end of template"),
        ("{body_template: '{{ title|uper }}'}", "no filter 'uper', did you mean 'upper'?"),
        ("{body_template: '{{ range(9) }}'}", "nothing can be called in a template"),
        ("{body_template: x, channel: emial}", "no channel or type 'emial' in notify.channels, did you mean 'email'?"),
        ("{body_template: x, events: incident.opend}", "did you mean 'incident.opened'?"),
        ("{body_template: x, audience: custmers}", "no audience 'custmers', did you mean 'customers'?"),
        ("{body_tmplate: x}", "unknown field 'body_tmplate', did you mean 'body_template'?"),
        ("{body_template: x, when: {severity: [urgent]}}", "'urgent' is not one of"),
        ("{body_template: x, when: \"severty == 'high'\"}", "did you mean 'severity'?"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, template: str, problem: str) -> None:
    found = problems_of(tmp_path, f"notify: {{templates: {{a: {template}}}}}", {})
    assert any(problem in one for one in found), found


def test_one_that_is_too_long_is_refused(tmp_path: Path) -> None:
    text = "x" * SOURCE_BYTES_MAX
    assert settings_of(tmp_path, f"notify: {{templates: {{a: {{body_template: {text}}}}}}}", {})
    assert problems_of(tmp_path, f"notify: {{templates: {{a: {{body_template: {text}x}}}}}}", {})


def test_a_route_says_who_reads_there(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        "notify: {routes: [{channels: console}, {channels: console, audience: customers, events: incident.resolved}]}",
        {},
    )
    team, customers = settings.rules().notify.routes
    assert (team.audience, team.events) == ("team", ())
    assert (customers.audience, customers.events) == ("customers", ("incident.resolved",))
    wrong = problems_of(tmp_path, "notify: {routes: [{channels: console, audience: mangement}]}", {})
    assert "did you mean 'management'?" in wrong[0]


def test_what_is_probably_not_meant_is_warned_of(tmp_path: Path) -> None:
    text = (
        "notify: {templates: {a: {body_template: '{{ severity }} {title} {other}'}, b: {body_template: '{title}'},"
        " c: {body_template: x, audience: customers}}}"
    )
    found = [one for one in settings_of(tmp_path, text, {}).warnings() if "templates" in one]
    assert found == [
        "notify.templates.a.body_template: {title} is printed as it stands, since the text is Jinja2; "
        "write {{ title }}",
        "notify.templates.c: no route is for 'customers', so it is never used",
    ]
    routed = text.replace("notify: {", "notify: {routes: [{channels: console, audience: customers}], ")
    assert not [one for one in settings_of(tmp_path, routed, {}).warnings() if "templates.c" in one]


def test_a_document_is_checked_as_far_as_its_type_cannot() -> None:
    for document, problem in (
        ({}, "needs a subject_template"),
        ({"body_template": "x", "audience": "tem"}, "no audience 'tem', did you mean 'team'?"),
        ({"body_template": "x" * (SOURCE_BYTES_MAX + 1)}, "at most"),
        ({"body_tmplate": "x"}, "did you mean 'body_template'?"),
    ):
        with pytest.raises(Unsound, match=problem):
            rules_after(Rules(), "template/a", document)
    after = rules_after(Rules(), "template/a", {"body_template": "x", "when": {"severity": ["high"]}})
    assert after.templates["a"].when.severity == (Severity.HIGH,)


def test_a_route_over_the_api_names_a_known_audience() -> None:
    with pytest.raises(Unsound, match="no audience 'custmers', did you mean 'customers'"):
        rules_after(Rules(), "notify/settings", {"routes": [{"channels": ["console"], "audience": "custmers"}]})
