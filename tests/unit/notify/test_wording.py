"""Which template applies, what it makes, and what happens when it cannot."""

from typing import Any

import pytest
from msgspec.structs import replace

from tocsin.domain.rules import Matcher, Rules, Template
from tocsin.domain.severity import Severity
from tocsin.notify.channel import NoLinks, Words
from tocsin.notify.plan import context_of
from tocsin.notify.wording import Failure, Templates, chosen, problems
from tocsin.runtime.metrics import Metrics
from tocsin.runtime.wording import NAMES_MAX, TemplateReports, notes
from unit.escalate.story import Subject

ANY = Template(subject_template="any")


def opened(**header: Any) -> dict[str, Any]:
    return context_of(Subject(**header).opened(), Rules())


def templates(**those: Template) -> Templates:
    found = Templates()
    found.adopt(Rules(templates=those))
    return found


def said(context: dict[str, Any] | None = None, channel: str = "mail", **those: Template) -> Words | None:
    return templates(**those).words(channel, "email", context or opened())


# ---- which one applies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "better",
    [
        {"channel": "email"},
        {"events": ("incident.opened",)},
        {"when": Matcher(severity=(Severity.CRITICAL,))},
        {"when": Matcher(labels={"cluster": "eu"})},
        {"when": Matcher(expression="severity >= 'high'")},
    ],
)
def test_the_more_specific_one_wins(better: dict[str, Any]) -> None:
    context = opened(labels={"cluster": "eu"})
    assert chosen({"a": ANY, "b": replace(ANY, **better)}, "mail", "email", context) == "b"


def test_channel_goes_before_event_and_event_before_conditions() -> None:
    by_name = Template(channel="mail", body_template="x")
    by_type = Template(channel="email", body_template="x", events=("incident.opened",))
    by_event = Template(events=("incident.opened",), body_template="x")
    by_when = Template(when=Matcher(severity=(Severity.CRITICAL,), service=("shop",)), body_template="x")
    every = {"d": by_name, "c": by_type, "b": by_event, "a": by_when}
    for name in ("d", "c", "b", "a"):
        assert chosen(every, "mail", "email", opened()) == name
        del every[name]
    assert chosen(every, "mail", "email", opened()) == ""


def test_between_equals_the_first_by_name_counts_wherever_it_stands() -> None:
    assert chosen({"b": ANY, "a": ANY}, "mail", "email", opened()) == "a"
    assert chosen({"a": ANY, "b": ANY}, "mail", "email", opened()) == "a"


@pytest.mark.parametrize(
    "other",
    [
        {"channel": "slack"},
        {"channel": "mail-2"},
        {"events": ("incident.resolved",)},
        {"audience": "customers"},
        {"when": Matcher(severity=(Severity.LOW,))},
        {"when": Matcher(expression="alerts > 5")},
    ],
)
def test_one_that_is_for_something_else_does_not_apply(other: dict[str, Any]) -> None:
    assert chosen({"a": replace(ANY, **other)}, "mail", "email", opened()) == ""


def test_an_audience_hears_its_own_templates_alone() -> None:
    context = opened() | {"audience": "customers"}
    assert chosen({"a": ANY}, "mail", "email", context) == ""
    assert chosen({"a": ANY, "b": replace(ANY, audience="customers")}, "mail", "email", context) == "b"


def test_a_digest_takes_templates_that_name_it() -> None:
    digest = {"type": "digest", "digest": {"count": 3, "incidents": []}}
    assert chosen({"a": ANY}, "mail", "email", digest) == ""
    named = Template(body_template="{count} messages\n{body}", events=("digest",))
    words = said(digest, a=ANY, b=named)
    assert words is not None
    assert words.body.startswith("3 messages\n")
    conditional = replace(named, when=Matcher(severity=(Severity.CRITICAL,)))
    assert chosen({"a": conditional}, "mail", "email", digest) == ""


def test_conditions_hold_for_an_incident_that_is_shown_in_part() -> None:
    context = {"type": "incident.updated_people", "audience": "customers", "incident": {"severity": "critical"}}
    template = replace(ANY, audience="customers", when=Matcher(severity=(Severity.CRITICAL,)))
    assert chosen({"a": template}, "mail", "email", context) == "a"


# ---- what it makes ---------------------------------------------------------------------------------------------------


def test_a_part_that_is_left_out_is_the_built_in_one() -> None:
    assert said(a=Template(subject_template="{title}")) == Words(subject="Disk full", body="")
    assert said(a=Template(body_template="{title}")) == Words(subject="", body="Disk full")


def test_without_a_template_the_built_in_text_is_right() -> None:
    assert said() is None


def test_a_subject_is_one_line_and_no_control_character_passes() -> None:
    words = said(
        opened(title="a\r\nBcc: x\x1b[31m"),
        a=Template(subject_template="{title}\n{title}", body_template="{title}\x07\n."),
    )
    assert words == Words(subject="a Bcc: x [31m a Bcc: x [31m", body="a Bcc: x [31m \n.")


def test_severities_are_called_as_the_scheme_does() -> None:
    context = opened()
    context["incident"]["severity_label"] = "P1"
    assert said(context, a=Template(subject_template="{severity} {incident.severity}")) == Words(subject="P1 critical")


def test_the_page_of_the_incident_is_for_who_may_open_it() -> None:
    class Linked(NoLinks):
        def page(self, incident_id: str) -> str:
            return f"https://t.example/i/{incident_id}"

    linked = Templates(Linked())
    every = [
        Template(audience=audience, subject_template="<{url}>") for audience in ("team", "management", "customers")
    ]
    linked.adopt(Rules(templates={one.audience: one for one in every}))
    for audience, url in (("team", True), ("management", True), ("customers", False)):
        words = linked.words("mail", "email", opened() | {"audience": audience})
        assert words is not None
        assert (words.subject != "<>") is url


# ---- when it cannot --------------------------------------------------------------------------------------------------


def test_one_that_fails_leaves_it_to_the_built_in_text_and_is_told() -> None:
    told: list[Failure] = []
    failing = templates(a=Template(subject_template="{{ title }}", body_template="{{ 1 / (alerts - alerts) }}"))
    failing.failed = told.append
    assert failing.words("mail", "email", opened()) is None
    assert [one.name for one in told] == ["a"]
    assert failing.failing() == told
    assert notes(failing) == ["template a: ZeroDivisionError while it was rendered; the built-in text goes out instead"]


def test_one_that_was_never_checked_fails_as_well() -> None:
    failing = templates(a=Template(subject_template="{{ title"))
    assert failing.words("mail", "email", opened()) is None
    assert "unexpected end" in failing.failing()[0].problem


def test_a_template_that_is_replaced_fails_no_more() -> None:
    wrong = Template(subject_template="{{ 1 / 0 }}")
    failing = templates(a=wrong, b=Template(channel="other", subject_template="x"))
    failing.words("mail", "email", opened())
    failing.adopt(Rules(templates={"a": wrong}))
    assert len(failing.failing()) == 1
    failing.adopt(Rules(templates={"a": Template(subject_template="x")}))
    assert failing.failing() == []


@pytest.mark.parametrize("context", [{}, {"incident": None}, {"incident": {"severity": "odd"}}, {"incident": 3}])
def test_a_context_with_gaps_stops_nothing(context: dict[str, Any]) -> None:
    one = templates(a=Template(subject_template="x{title}", when=Matcher(severity=(Severity.LOW,))), b=ANY)
    words = one.words("mail", "email", context)
    assert words is None or words.subject == "any"


def test_each_version_is_logged_once_and_every_failure_counted(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    report = TemplateReports(metrics)
    for text in ("{{ 1/0 }}", "{{ 1/0 }}", "{{ 2/0 }}"):
        report(Failure("a", Template(subject_template=text), "why"))
    assert [record.message for record in caplog.records] == ["template a: why; the built-in text goes out instead"] * 2
    assert 'tocsin_template_failures_total{template="a"} 3.0' in metrics.exposition().decode()


def test_the_counter_has_a_bounded_number_of_names() -> None:
    metrics = Metrics()
    report = TemplateReports(metrics)
    for number in range(NAMES_MAX + 20):
        report(Failure(f"t{number}", Template(), "why"))
    text = metrics.exposition().decode()
    assert text.count("tocsin_template_failures_total{") == NAMES_MAX + 1
    assert 'tocsin_template_failures_total{template="other"} 20.0' in text


def test_one_can_be_tried_in_the_place_of_all() -> None:
    trying = templates(a=ANY)
    with trying.instead(Template(subject_template="tried")):
        assert trying.words("mail", "email", opened()) == Words(subject="tried")
    assert trying.words("mail", "email", opened()) == Words(subject="any")


def test_problems_name_the_field_and_the_line() -> None:
    wrong = Template(subject_template="{titel}", body_template="\n{{ x|uper }}")
    assert problems(wrong) == [
        "subject_template, line 1: no variable 'titel', did you mean 'title'?",
        "body_template, line 2: no filter 'uper', did you mean 'upper'?",
    ]
