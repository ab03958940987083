"""Matchers as Alertmanager writes them, and what they match."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.matchers import MatcherError, read_matcher, read_matchers, written
from tocsin.domain.rules import LabelMatch


def one(name: str, value: str, *, is_equal: bool = True, is_regex: bool = False) -> LabelMatch:
    return LabelMatch(name=name, value=value, is_equal=is_equal, is_regex=is_regex)


@pytest.mark.parametrize(
    ("text", "matchers"),
    [
        ('{a="b"}', [one("a", "b")]),
        ("a=b", [one("a", "b")]),
        ("{}", []),
        ("", []),
        (
            ' { a = "b" , c!="d", e=~"f.*",g!~h|i, } ',
            [
                one("a", "b"),
                one("c", "d", is_equal=False),
                one("e", "f.*", is_regex=True),
                one("g", "h|i", is_equal=False, is_regex=True),
            ],
        ),
        (r'"a b"="say \"x\" \\ \n\u00e9\x41"', [one("a b", 'say "x" \\ \né' + "A")]),
        (r'a=~"x\.y\d"', [one("a", r"x\.y\d", is_regex=True)]),
        ('a=""', [one("a", "")]),
    ],
)
def test_matchers_are_read(text: str, matchers: list[LabelMatch]) -> None:
    assert list(read_matchers(text)) == matchers


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ('{a="b"', "'{' is not closed", 7),
        ('a="b"}', "'}' without '{'", 6),
        ('{a="b"} x', "nothing more is expected", 9),
        ("a", "one of = != =~ !~ is expected", 2),
        ("=b", "the name of a label is expected", 1),
        ('""=b', "a matcher needs the name of a label", 1),
        ("a=", "a value is expected", 3),
        ('a="b', "the quote is not closed", 3),
        ("a=b c=d", "a comma is expected", 5),
        ("a=b,,c=d", "the name of a label is expected", 5),
        ('x=y,a=~"(b"', "the pattern for 'a': missing ): (b", 5),
        ("a=b," * 129, "more than 128 matchers", 513),
        ("a" * 16_385, "a list of matchers has at most", 16_385),
    ],
)
def test_what_is_no_list_of_matchers_is_refused(text: str, message: str, column: int) -> None:
    with pytest.raises(MatcherError) as caught:
        read_matchers(text)
    assert str(caught.value).startswith(message)
    assert caught.value.column == column


def test_a_message_shows_the_text_as_far_as_people_read() -> None:
    for length, shown in ((200, "=" * 200), (201, "=" * 199 + "…")):
        with pytest.raises(MatcherError) as caught:
            read_matchers("=" * length)
        assert str(caught.value) == f"the name of a label is expected at column 1 of {shown}"


def test_one_matcher_is_one() -> None:
    assert read_matcher('a=~"b"') == one("a", "b", is_regex=True)
    for text in ("", "a=b,c=d"):
        with pytest.raises(MatcherError, match="one matcher is expected"):
            read_matcher(text)


@given(st.lists(st.tuples(st.text(min_size=1), st.text(), st.booleans()), max_size=4))
def test_what_is_written_is_read(parts: list[tuple[str, str, bool]]) -> None:
    matchers = tuple(one(name, value, is_equal=is_equal) for name, value, is_equal in parts)
    assert read_matchers(written(matchers)) == matchers


def test_a_missing_label_is_the_empty_text() -> None:
    assert one("a", "").matches({})
    assert not one("a", "", is_equal=False).matches({})
    assert one("a", "b", is_equal=False).matches({})
    assert one("a", "b|", is_regex=True).matches({})
    assert one("a", ".+", is_regex=True, is_equal=False).matches({})


def test_a_pattern_matches_whole_values() -> None:
    assert one("a", "db-.", is_regex=True).matches({"a": "db-1"})
    assert not one("a", "db-.", is_regex=True).matches({"a": "db-12"})
    assert one("a", "db|web", is_regex=True).matches({"a": "web"})
    assert not one("a", "db|web", is_regex=True).matches({"a": "webs"})


def test_a_document_with_a_wrong_pattern_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="the pattern for 'a'"):
        msgspec.convert({"name": "a", "value": "(", "is_regex": True}, LabelMatch)
