"""A condition: fields AND expression."""

from datetime import timedelta

import msgspec
import pytest

from tocsin.domain.condition import holds
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import Matcher
from tocsin.domain.severity import Severity
from unit.domain.test_expression import HEADER, SATURDAY


@pytest.mark.parametrize(
    ("matcher", "wanted"),
    [
        (Matcher(), True),
        (Matcher(severity=(Severity.HIGH, Severity.LOW)), True),
        (Matcher(severity=(Severity.LOW,)), False),
        (Matcher(status=(Status.OPEN,), category=("database",), service=("orders",)), True),
        (Matcher(status=(Status.CLOSED,)), False),
        (Matcher(category=("network",)), False),
        (Matcher(service=("cart",)), False),
        (Matcher(labels={"team": "db", "missing": ""}), True),
        (Matcher(labels={"team": "web"}), False),
        (Matcher(expression="alerts > 3"), True),
        (Matcher(expression="alerts > 30"), False),
        (Matcher(severity=(Severity.LOW,), expression="alerts > 3"), False),
    ],
)
def test_fields_and_expression_hold(matcher: Matcher, wanted: bool) -> None:
    assert holds(matcher, HEADER, SATURDAY) is wanted


def test_the_instant_counts() -> None:
    matcher = Matcher(expression="open_for > 3h")
    assert not holds(matcher, HEADER, SATURDAY)
    assert holds(matcher, HEADER, SATURDAY + timedelta(hours=1))


def test_a_document_with_a_wrong_expression_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="did you mean 'alerts'"):
        msgspec.convert({"expression": "alrts > 3"}, Matcher)
