"""The language of templates: what it can do, what it refuses, and what it may cost."""

from typing import Any

import pytest

from tocsin.domain.template import SOURCE_BYTES_MAX
from tocsin.notify.wording_budget import LETTERS_MAX, STEPS_MAX
from tocsin.notify.wording_language import OUTPUT_BYTES_MAX, BadTemplate, RenderError, compiled
from tocsin.notify.wording_tree import unknown


def rendered(source: str, **variables: Any) -> str:
    return compiled(source).render(variables)


def refused(source: str) -> str:
    with pytest.raises(BadTemplate) as caught:
        compiled(source)
    return str(caught.value)


def failed(source: str, **variables: Any) -> str:
    template = compiled(source)
    with pytest.raises(RenderError) as caught:
        template.render(variables)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{title} is {severity}", "Disk is high"),
        ("{{ title }} is {{ severity }}", "Disk is high"),
        ('{"a": {"b": "{title}"}, "c": [{}]}', '{"a": {"b": "Disk"}, "c": [{}]}'),
        ("body { color: red } {title}", "body { color: red } Disk"),
        ("{ title } {title!r} {0} {} }{", "{ title } {title!r} {0} {} }{"),
        ("{{ title }} {title}", "Disk {title}"),
        ('{"a":{"b":{alerts}}}', '{"a":{"b":3}}'),
        ("{labels.cluster}", "eu"),
        ("100 % {title} # {title}", "100 % Disk # Disk"),
    ],
)
def test_the_single_brace_form_leaves_every_other_brace_alone(source: str, text: str) -> None:
    assert rendered(source, title="Disk", severity="high", alerts=3, labels={"cluster": "eu"}) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ title|upper }} {{ title.upper() }}", "DISK DISK"),
        ("{{ title|truncate(3) }}", "Di…"),
        ("{{ title[:2] ~ '-' ~ alerts }}", "Di-3"),
        ("{{ note|default('none') }} {{ missing|default('none') }}", "none none"),
        ("{{ missing }}{{ missing.more.of['it'] }}", ""),
        ("{% if severity in ['critical', 'high'] %}!{% else %}?{% endif %}", "!"),
        ("{% for name, value in labels.items() %}{{ name }}={{ value }};{% endfor %}", "a=1;b=2;"),
        ("{% for name in labels %}{{ loop.index }}{{ name }}{% endfor %}", "1b2a"),
        ("{% for x in missing %}{{ x }}{% else %}none{% endfor %}", "none"),
        ("{{ labels|tojson }}", '{"b":2,"a":1}'),
        ("{{ quoted|json }}", 'a \\"b\\"'),
        ("{% set who = title %}{{ who }}", "Disk"),
        ("{{ alerts * 2 + 1 }} {{ 7 // 2 }} {{ 7 % 4 }} {{ 2.345|round(1) }}", "7 3 3 2.3"),
        ("{{ labels.keys()|join('+') }}", "a+b"),
        ("{{ 'x' if alerts > 2 else 'y' }}", "x"),
        ("{# not said #}{% raw %}{{ title }}{% endraw %}", "{{ title }}"),
        ("{{ when|time }}", "2026-11-21 12:00:00 UTC"),
        ("{{ labels.items }}{{ title.upper }}{{ title.format }}", ""),
        ("{{ 1 is odd }} {{ note is none }} {{ missing is defined }}", "true true false"),
        ("{{ 'a\nb'|indent(2) }} {{ 'a\nb'|line }}", "a\n  b a b"),
    ],
)
def test_what_templates_can_do(source: str, text: str) -> None:
    values = {"title": "Disk", "severity": "high", "alerts": 3, "labels": {"b": 2, "a": 1}, "note": None}
    assert rendered(source, **values, quoted='a "b"', when="2026-11-21T12:00:00Z") == text


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{{ title", "line 1: unexpected end of template, expected 'end of print statement'"),
        ("\n\n{{ title|uper }}", "line 3: no filter 'uper', did you mean 'upper'?"),
        ("{{ title is defind }}", "line 1: no test 'defind', did you mean 'defined'?"),
        ("{{ range(3) }}", "line 1: nothing can be called in a template"),
        ("{{ labels.pop('a') }}", "line 1: nothing can be called in a template"),
        ("{% include 'x' %}", "line 1: include is not available in templates"),
        ("{% import 'x' as y %}", "line 1: import is not available in templates"),
        ("{% from 'x' import y %}", "line 1: import is not available in templates"),
        ("{% extends 'x' %}", "line 1: extends is not available in templates"),
        ("{% macro f() %}{% endmacro %}", "line 1: macro is not available in templates"),
        ("{% set x %}a{% endset %}", "line 1: a set block is not available in templates"),
        ("{% filter upper %}a{% endfilter %}", "line 1: a filter block is not available in templates"),
        ("{% for a in b recursive %}{% endfor %}", "line 1: a recursive loop is not available in templates"),
        ("{{ 9 ** 9 }}", "line 1: ** is not available in templates"),
        ("{{ {'a': 1} }}", "line 1: a table {…} is not available in templates"),
        ("{{ [title, title] }}", "line 1: a list in a template holds words and numbers only"),
        ("{{ title.__class__ }}", "line 1: names that begin with an underscore are not available"),
        ("{{ labels['_x'] }}", "line 1: names that begin with an underscore are not available"),
        ("{% if a %}" * 60 + "{% endif %}" * 60, "line 1: nested too deeply"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "nested too deeply"),
        ("{{ " + "-" * 3000 + "1 }}", "nested too deeply"),
        ("{{ a|upper }}" * 800, "more than 1500 variables"),
        ("{{ title|center(9) }}", "line 1: no filter 'center'"),
        ("é" * (SOURCE_BYTES_MAX // 2) + "x", f"more than {SOURCE_BYTES_MAX} bytes"),
    ],
)
def test_what_is_refused_is_said_with_its_line(source: str, problem: str) -> None:
    assert problem in refused(source)


def test_a_template_of_the_largest_size_is_one() -> None:
    assert rendered("é" * (SOURCE_BYTES_MAX // 2)) == "é" * (SOURCE_BYTES_MAX // 2)


def test_a_mistake_is_refused_each_time() -> None:
    assert refused("{{ x|y }}") == refused("{{ x|y }}")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{% for a in many %}{% for b in many %}{% for c in many %}.{% endfor %}{% endfor %}{% endfor %}", "steps"),
        ("{% for a in many %}{% for b in many %}{{ 'x' in text }}{% endfor %}{% endfor %}", "steps"),
        ("{% set a = 'xxxxxxxxxx' %}" + "{% set a = a ~ a %}" * 60, "letters"),
        ("{% set a = 'xxxxxxxxxx' %}" + "{% set a = a + a %}" * 60, "letters"),
        ("{{ text|replace('', text) }}", "letters"),
        ("{{ text|replace('x', text)|replace('x', text) }}", "letters"),
        ("{{ many|join(text) }}", "letters"),
        ("{{ text" + "|tojson" * 30 + " }}", "letters"),
        ("{{ text" + "|indent(40)" * 30 + " }}", "letters"),
        ("{% for a in many %}{{ text }}{{ text }}{% endfor %}", "bytes"),
        ("{{ 'x' * 3 }}", "TypeError"),
        ("{{ '%99999999d' % 1 }}", "TypeError"),
        ("{{ [1] + [2] }}", "TypeError"),
        ("{{ 9999999999999999 * 2 }}", "OverflowError"),
        ("{{ 1 / zero }}", "ZeroDivisionError"),
        ("{{ missing > 1 }}", "a variable that is not there"),
        ("{{ alerts < 'x' }}", "TypeError"),
    ],
)
def test_what_costs_too_much_or_does_not_fit_fails_and_says_why(source: str, problem: str) -> None:
    values = {"many": list(range(200)), "text": "x\n" * 500 + '"', "zero": 0, "alerts": 1}
    assert problem in failed(source, **values)


def test_the_limits_hold_to_the_letter() -> None:
    just = "x" * OUTPUT_BYTES_MAX
    assert rendered("{{ text }}", text=just) == just
    assert "bytes" in failed("{{ text }}.", text=just)
    assert "steps" in failed("{% for a in many %}{% endfor %}", many=[0] * STEPS_MAX)
    assert "letters" in failed("{% if text ~ '' %}{% endif %}", text="x" * (LETTERS_MAX + 1))
    assert rendered("{% if text ~ '' %}{% endif %}", text="x" * LETTERS_MAX) == ""


def test_a_failure_names_no_value() -> None:
    assert "secret" not in failed("{{ text + 1 }}", text="secret")
    assert "secret" not in failed("{{ text|int / 0 }}", text="secret")


def test_one_rendering_costs_nothing_to_the_next() -> None:
    template = compiled("{% for a in many %}{{ a }}{% endfor %}")
    many = list(range(2000))
    assert template.render({"many": many}) == template.render({"many": many})
    assert "steps" in failed("{% for a in many %}{% for b in many %}{% endfor %}{% endfor %}", many=many)
    assert template.render({"many": many})


def test_in_json_what_is_printed_is_escaped_once() -> None:
    source = '{"text": "{{ text }}", "whole": {{ labels|tojson }}, "own": "{{ text|json }}", "n": {{ alerts }}}'
    found = compiled(source).render({"text": 'a"b\n', "labels": {"x": '"'}, "alerts": 2}, json=True)
    assert found == '{"text": "a\\"b\\n", "whole": {"x":"\\""}, "own": "a\\"b\\n", "n": 2}'


def test_unknown_variables_are_named_with_the_nearest() -> None:
    known = {"title": None, "incident": frozenset({"title", "number"})}
    source = (
        "{{ titel }}\n{{ incident.titel }} {{ incident.number }} {% for t in title %}{{ t }}{{ loop.last }}{% endfor %}"
    )
    assert unknown(compiled(source).found, known) == [
        "line 1: no variable 'titel', did you mean 'title'?",
        "line 2: no variable 'incident.titel', did you mean 'incident.title'?",
    ]
    assert unknown(compiled("{qqq}").found, known) == [
        "line 1: no variable 'qqq'; `tocsin explain message --variables` lists them"
    ]
