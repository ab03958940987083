"""Whatever somebody writes as a template is refused, fails, or makes a bounded text."""

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tocsin.domain.rules import Template
from tocsin.notify.wording import Templates, problems, worded
from tocsin.notify.wording_language import OUTPUT_BYTES_MAX, BadTemplate, RenderError, compiled, converted
from tocsin.notify.wording_variables import FLAT

PIECES = st.sampled_from(
    [
        "{{", "}}", "{%", "%}", "{#", "#}", "{", "}", "title", "labels", "incident.title", "for x in ", "endfor", "if ",
        "endif", "else", "set x = ", "|", "upper", "tojson", "join", "replace('a', ", ")", "(", "[", "]", "'", '"', "~",
        "+", "*", "**", "%", " in ", " not ", ".", "_", "__class__", "1", "999999999", "loop.index", "\n", " ", "é",
        "\x00",
        "x", ",", ":", "is defined", "raw", "endraw", "{title}", "-", "range", "==", "<",
    ]
)  # fmt: skip
SOURCES = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=200)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.text(max_size=20),
        "actor": JSON,
        "note": JSON,
        "recorded_at": JSON,
        "incident": st.dictionaries(st.sampled_from(["title", "severity", "labels", "alerts", "summary"]), JSON),
    },
)


@given(SOURCES)
@example("{{ ((((((((((1)))))))))) }}")
def test_a_template_makes_a_bounded_text_or_says_what_is_wrong(source: str) -> None:
    try:
        text = compiled(source).render({"title": "Disk\n", "labels": {"a": "b", "c": [1]}, "incident": {"title": "x"}})
    except (BadTemplate, RenderError):
        pass
    else:
        assert len(text.encode("utf-8", "surrogatepass")) <= OUTPUT_BYTES_MAX
        assert "0x" not in text or "0x" in source


@given(st.text(st.characters(blacklist_characters="{", blacklist_categories=["Cs"]), max_size=200))
def test_a_text_without_braces_is_itself(text: str) -> None:
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    assert compiled(text).render({}) == plain.removesuffix("\n")


@given(st.recursive(st.text('ab{} ":,', max_size=6), lambda inner: st.lists(inner, max_size=3), max_leaves=8))
def test_json_survives_the_single_brace_form(value: Any) -> None:
    import json

    text = json.dumps({"a": {"b": value}, "c": [{}, {"d": {}}]})
    if converted(text) == text and not any(opening in text for opening in ("{{", "{%", "{#")):
        assert compiled(text).render({}) == text


@settings(max_examples=60)
@given(SOURCES, SOURCES, CONTEXTS, st.sampled_from(["mail", "hook"]))
def test_words_never_raise_and_hold_no_control_character(
    subject: str, body: str, context: dict[str, Any], channel: str
) -> None:
    failures: list[Any] = []
    templates = Templates(failed=failures.append)
    templates._templates = {"a": Template(subject_template=subject, body_template=body)}
    words = templates.words(channel, "webhook", context)
    if words is not None:
        assert not any(ord(letter) < 32 for letter in words.subject)
        assert not any(ord(letter) < 32 and letter != "\n" for letter in words.body)
        assert failures == []
    else:
        assert failures


def test_every_variable_is_known_and_there() -> None:
    everything = Template(body_template=" ".join(f"{{{one.name}}}" for one in FLAT))
    assert problems(everything) == []
    assert worded(everything, "mail", "email", {}).body.strip() != ""
