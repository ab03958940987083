"""More than two hundred ways to make a template do something: none is executed.

A payload is refused, fails, or prints a text that gives nothing away: no object of Python, no attribute, no file. What
it tries to run would leave a mark in the environment or in the directory; there is none.
"""

import os
from pathlib import Path
from typing import Final

import pytest

from tocsin.notify.wording_language import BadTemplate, RenderError, compiled

MARK: Final = "TOCSIN_TEST_PAYLOAD_WAS_EXECUTED"
RUN: Final = f"__import__('os').environ.__setitem__('{MARK}', '1')"

ROOTS: Final = (
    "''", "title", "title.upper", "[]", "[1]", "(1,)", "1", "1.5", "true", "none", "missing", "labels", "incident",
    "context", "self", "loop", "config", "request", "lipsum", "cycler", "joiner", "namespace", "range", "dict",
    "url_for", "get_flashed_messages", "environment", "caller", "varargs", "title|upper",
)  # fmt: skip
WAYS: Final = (
    "{root}.__class__.__mro__[1].__subclasses__()",
    "{root}['__class__']['__mro__'][1]['__subclasses__']()",
    "{root}|attr('__class__')|attr('__mro__')",
    "{root}.__init__.__globals__['os'].popen('id').read()",
    "{root}['__cl' ~ 'ass__']",
    "{root}[('_' ~ '_class_') ~ '_']",
    "{root}.format.__self__",
    "({root}).__doc__",
)
OTHERS: Final = (
    "{{ " + RUN + " }}",
    "{% set x = " + RUN + " %}",
    "{% for c in [].__class__.__base__.__subclasses__() %}{{ c }}{% endfor %}",
    "{% if ''.__class__ %}x{% endif %}",
    "{% for x in ().__class__.__base__.__subclasses__() if 'warning' in x.__name__ %}{{ x() }}{% endfor %}",
    "{% include '/etc/passwd' %}",
    "{% include title %}",
    "{% import 'os' as os %}{{ os.popen('id') }}",
    "{% from 'os' import system %}{{ system('id') }}",
    "{% extends 'incident.html' %}",
    "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{{ m() }}",
    "{% call(x) title.upper() %}{% endcall %}",
    "{% block x %}{{ self.x.__globals__ }}{% endblock %}",
    "{{ self._TemplateReference__context }}",
    "{{ self.__init__.__globals__ }}",
    "{{ loop.__class__ }}",
    "{% for x in [1] %}{{ loop._iterator }}{{ loop.__init__.__globals__ }}{% endfor %}",
    "{% for x in [1] %}{{ loop.cycle('a') }}{% endfor %}",
    "{{ '{0.__class__.__init__.__globals__}'.format(title) }}",
    "{{ '{x.__class__}'.format_map(context) }}",
    "{{ '%s' % title.__class__ }}",
    "{{ ('%' ~ 'c') % 65 }}",
    "{{ title.encode().decode.__self__ }}",
    "{{ [title].append(1) }}",
    "{{ labels.update(context) }}",
    "{{ labels.__setitem__('a', 1) }}",
    "{{ context.clear() }}",
    "{{ incident.pop('title') }}",
    "{% set labels.a = 1 %}",
    "{% set ns = namespace(x=1) %}{% set ns.x = 2 %}",
    "{% do labels.clear() %}",
    "{% debug %}",
    "{{ title|map('attr', '__class__')|list }}",
    "{{ [title]|map(attribute='__class__')|first }}",
    "{{ [title]|selectattr('__class__')|first }}",
    "{{ [title]|groupby('__class__') }}",
    "{{ title|xmlattr }}",
    "{{ title|pprint }}",
    "{{ title|filesizeformat }}",
    "{{ title|urlize }}",
    "{{ title|safe }}",
    "{{ title|format(title) }}",
    "{{ title|random }}",
    "{% filter attr('__class__') %}{% endfilter %}",
    "{% autoescape false %}{{ title }}{% endautoescape %}",
    "{% with a = title.__class__ %}{{ a }}{% endwith %}",
    "{{ title is callable }}",
    "{{ title is sameas title.__class__ }}",
    "{{ (title.__class__)(1) }}",
    "{{ title[''.__class__] }}",
    "{{ title.__getattribute__('__class__') }}",
    "{{ title.__getitem__(0) }}",
    "{{ dict(a=1).__class__ }}",
    "{{ range(10**10) }}",
    "{{ 'a' * 10**10 }}",
    "{{ 10**10**10 }}",
    "{{ '%0999999999d' % 1 }}",
    "{{ 'a'.ljust(10**10) }}",
    "{{ 'a'|center(10**10) }}",
    "{{ lipsum(n=10**6) }}",
    "{{ [0]|batch(10**9, 'x')|list }}",
    "{{ 1|slice(10**9)|list }}",
    "{{ '\\u005f\\u005fclass\\u005f\\u005f' }}{{ title['\\u005f\\u005fclass\\u005f\\u005f'] }}",
    "{{ title['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "{{ title\n.\n__class__ }}",
    "{{ title[\"__class__\"] }}",
    "{{ title .__class__ }}",
    "{%- if title.__class__ -%}{%- endif -%}",
    "{{ async_gen }}{% for x in async_gen %}{% endfor %}",
    "{{ ' counted' }}{{ title|counted }}",
    "{{ title| counted(1) }}",
    "{{ _ }}{{ __builtins__ }}{{ __name__ }}",
    "{{ undefined_function() }}",
    "{{ title() }}",
    "{{ title.x.y() }}",
    "{{ labels['items']() }}",
    "{{ (labels.items)() }}",
    "{% trans %}x{% endtrans %}",
    "{{ gettext('x') }}",
    "{{ environment.loader }}",
    "{{ context.parent }}{{ context.environment }}{{ context.vars }}",
    "# for x in [1]\n{{ x }}",
    "<% x %>${title.__class__}#{title.__class__}<%= title %>",
    "{title.__class__.__init__.__globals__}",
    "{title!r}{title:>99999999}",
    "{__class__}",
    "{0.__class__}",
)  # fmt: skip
PAYLOADS: Final = (*(f"{{{{ {way.format(root=root)} }}}}" for root in ROOTS for way in WAYS), *OTHERS)

VALUES: Final = {"title": "Disk", "labels": {"a": "b"}, "incident": {"title": "Disk"}, "context": {"type": "x"}}
GIVES_AWAY: Final = ("<class", "<built-in", "<function", "<bound", "<module", "object at 0x", "root:", "uid=", "jinja2")


def test_there_are_more_than_two_hundred() -> None:
    assert len(set(PAYLOADS)) >= 300


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_is_executed(payload: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        text = compiled(payload).render(VALUES)
    except (BadTemplate, RenderError):
        text = ""
    assert not any(trace in text for trace in GIVES_AWAY), text
    assert len(text) < 1000
    assert MARK not in os.environ
    assert list(tmp_path.iterdir()) == []
    assert VALUES == {
        "title": "Disk", "labels": {"a": "b"}, "incident": {"title": "Disk"}, "context": {"type": "x"}
    }  # fmt: skip
