"""Expressions mean what a plain reading of the tree says, are read as they are written, and never go wrong."""

from collections.abc import Sequence

from hypothesis import assume, given
from hypothesis import strategies as st

from property.expressions import NOW, any_tree, has_pattern, plain_subject, plainly, subjects
from tocsin.domain.expression import ExpressionError, Ruleset, compile_expression
from tocsin.domain.expression.parse import read
from tocsin.domain.expression.tree import And, Node, written
from tocsin.domain.header import IncidentHeader


@given(any_tree)
def test_what_is_written_is_read(tree: Node) -> None:
    assert read(written(tree)) == tree


@given(any_tree, st.lists(subjects, min_size=1, max_size=4))
def test_the_answers_are_those_of_a_plain_reading(tree: Node, headers: list[IncidentHeader]) -> None:
    assume(not has_pattern(tree))
    expression = compile_expression(written(tree))
    for header in headers:
        assert expression.holds(header, NOW) is plainly(tree, header)


@given(st.lists(any_tree, max_size=12), st.lists(subjects, min_size=1, max_size=6))
def test_many_at_once_answer_as_each_alone(trees: Sequence[Node], headers: list[IncidentHeader]) -> None:
    expressions = [compile_expression(written(tree)) for tree in trees]
    ruleset = Ruleset(expressions)
    for header in headers:
        alone = tuple(nth for nth, one in enumerate(expressions) if one.holds(header, NOW))
        assert ruleset.all(header, NOW) == alone
        assert ruleset.first(header, NOW) == next(iter(alone), None)


@given(any_tree, st.lists(subjects, min_size=1, max_size=6))
def test_what_is_needed_is_so_where_it_holds(tree: Node, headers: list[IncidentHeader]) -> None:
    expression = compile_expression(written(tree))
    for header in headers:
        if expression.holds(header, NOW):
            values = plain_subject(header)
            for (name, key), wanted in expression.needs.items():
                assert (values[name] if key is None else values[name].get(key, "")) in wanted


WORDS = st.sampled_from(
    [
        *"()[],.!'\"\\=<>&|-",
        *("==", "AND", "OR", "not", "in", "labels", "title", "severity", "'high'", "time", "5m", "1.5", "matches"),
        *("glob", "true", "\n", "'(a*'", "weekday", "('UTC')", "é", "\0"),
    ]
)


def problem_of(text: str) -> ExpressionError | None:
    """What is wrong with an expression; None when it is one, and is read as it is written."""
    try:
        tree = compile_expression(text).tree
    except ExpressionError as error:
        return error
    assert read(written(tree)) == tree
    return None


@given(st.one_of(st.lists(WORDS, max_size=12).map(" ".join), st.lists(WORDS, max_size=12).map("".join), st.text()))
def test_any_text_is_an_expression_or_an_error_with_a_place(text: str) -> None:
    if error := problem_of(text):
        lines = text.split("\n")
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1
        assert str(error).startswith(f"{error.line}:{error.column}: {error.plain}\n")
        assert str(error).endswith("^")


@given(any_tree, any_tree, st.lists(subjects, min_size=1, max_size=3))
def test_and_is_both(one: Node, other: Node, headers: list[IncidentHeader]) -> None:
    both = compile_expression(written(And((one, other))))
    for header in headers:
        alone = [compile_expression(written(tree)).holds(header, NOW) for tree in (one, other)]
        assert both.holds(header, NOW) is all(alone)
