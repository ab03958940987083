"""Expressions give the answers of Google's CEL wherever both languages say the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from property.expressions import NOW, as_cel, common, plain_subject, subjects
from tocsin.domain.expression import compile_expression
from tocsin.domain.expression.tree import Node, written
from tocsin.domain.header import IncidentHeader

cel = pytest.importorskip("cel_expr_python.cel")
ENV = cel.NewEnv(
    variables={
        **dict.fromkeys(("title", "category", "service", "severity", "status"), cel.Type.STRING),
        **dict.fromkeys(("alerts", "firing", "occurrences"), cel.Type.INT),
        **dict.fromkeys(("acknowledged", "suppressed"), cel.Type.BOOL),
        "open_for": cel.Type.DURATION,
        "labels": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
    }
)


@given(common, st.lists(subjects, min_size=1, max_size=4))
def test_the_answers_are_those_of_cel(tree: Node, headers: list[IncidentHeader]) -> None:
    expression, peer = compile_expression(written(tree)), ENV.compile(as_cel(tree))
    for header in headers:
        wanted = peer.eval(data=plain_subject(header)).value()
        assert expression.holds(header, NOW) is wanted, as_cel(tree)
