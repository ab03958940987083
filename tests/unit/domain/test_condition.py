"""A condition: fields AND expression."""

from datetime import timedelta

import msgspec
import pytest

from tocsin.domain.condition import expression_of, holds, that_hold
from tocsin.domain.lifecycle import Status
from tocsin.domain.rules import Matcher, Route
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
    assert expression_of(matcher).holds(HEADER, SATURDAY) is wanted


def test_the_instant_counts() -> None:
    matcher = Matcher(expression="open_for > 3h")
    assert not holds(matcher, HEADER, SATURDAY)
    assert holds(matcher, HEADER, SATURDAY + timedelta(hours=1))


def test_a_document_with_a_wrong_expression_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="did you mean 'alerts'"):
        msgspec.convert({"expression": "alrts > 3"}, Matcher)


def test_many_rules_are_asked_at_once() -> None:
    matchers = [
        Matcher(category=("network", "database")),
        Matcher(),
        Matcher(labels={"team": "web"}),
        Matcher(severity=(Severity.HIGH,), expression="alerts > 3 OR labels.team == 'web'"),
    ]
    routes = tuple(Route(when=matcher, channels=(str(number),)) for number, matcher in enumerate(matchers))
    for _ in range(2):
        found = that_hold(routes, lambda route: route.when, HEADER, SATURDAY)
        assert [route.channels for route in found] == [("0",), ("1",), ("3",)]
    assert that_hold(routes[2:3], lambda route: route.when, HEADER, SATURDAY) == ()
    assert that_hold((), lambda route: route, HEADER, SATURDAY) == ()


def test_other_rules_in_the_same_place_are_other_rules() -> None:
    for number in range(100):
        routes = (Route(when=Matcher(expression=f"alerts == {number}"), channels=("c",)),)
        assert len(that_hold(routes, lambda route: route.when, HEADER, SATURDAY)) == (number == 12)
