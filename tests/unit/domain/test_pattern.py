"""Patterns: what they match, what is refused, and that none is slow."""

import re
import string
from typing import Final

import pytest

from tocsin.domain.pattern import PATTERN_MAX, PatternError, part_test, whole_test


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("db-.*", ("db-", "db-1"), ("db", "xdb-1", "db-\n")),
        (".*-prod", ("-prod", "a-prod"), ("a-prod1", "\n-prod")),
        (".*disk.*", ("disk", "a disk b"), ("dis", "disk\n")),
        (".+", ("a",), ("", "\n")),
        (".*", ("", "a"), ("\n",)),
        ("a|b", ("a", "b"), ("ab", "")),
        ("", ("",), ("a",)),
        ("[a-z]+-[0-9]{1,3}", ("web-12",), ("web-", "web-1234", "-1")),
        ("a{2,}b?", ("aa", "aaab"), ("a", "aab b")),
        ("x{0}", ("",), ("x",)),
        ("x{,2}", ("x{,2}",), ("", "xx")),
        ("(?:a|ab)(?:c|bcd)d*", ("abcd", "ac", "abcdd"), ("ab",)),
        ("(?P<n>a)(?<m>b)", ("ab",), ("a",)),
        ("(?i)disk FULL", ("Disk Full",), ("Disk Ful",)),
        ("(?i:a)b", ("Ab", "ab"), ("aB",)),
        ("(?s).*", ("a\nb",), ()),
        ("^a$", ("a",), ("a\n", "")),
        (r"\d\D\w\W\s\S", ("1aa- x",), ("aaa- x",)),
        (r"[\d.]+", ("10.2",), ("10,2",)),
        (r"[^[:alpha:]-]", ("1",), ("a", "-")),
        (r"[[:^digit:]]", ("a",), ("1",)),
        ("[]a^-]+", ("]a^-",), ("b",)),
        (r"a\.b\x41\x{1F600}", ("a.bA\U0001f600",), ("axbA\U0001f600",)),
        (r".*\berror\b.*", ("an error!", "error"), ("terror", "errors")),
        (r"a\Bb", ("ab",), ("a",)),
        ("[^a]", ("b", "\n"), ("a", "")),
        ("x[^a]y", ("xby",), ("xay", "xy")),
        ("a.c", ("abc", "a.c"), ("ac", "a\nc")),
        ("[a]|b", ("a", "b"), ("c",)),
        ("(?i)1-2", ("1-2",), ("1_2",)),
        (r"\a\f\t\n\r\v", ("\a\f\t\n\r\v",), ("aftnrv",)),
        (r"[\t-\r]", ("\n",), (" ",)),
        (r"a\z|\Ab$", ("a", "b"), ("az", "ab")),
        ("(a|b){333}", ("ab" * 166 + "a",), ("ab" * 166,)),
    ],
)
def test_a_pattern_matches_whole_texts(pattern: str, matching: tuple[str, ...], other: tuple[str, ...]) -> None:
    test = whole_test(pattern)
    assert [text for text in matching if not test(text)] == []
    assert [text for text in other if test(text)] == []


@pytest.mark.parametrize("name", ["d", "w", "s", "D", "W", "S"])
def test_a_class_has_the_letters_of_ascii_that_it_names(name: str) -> None:
    for text in map(chr, range(256)):
        wanted = re.fullmatch(f"\\{name}", text, re.ASCII) is not None
        if text == "\v":
            wanted = name in "DWS"  # RE2 has no vertical tab among its spaces
        assert whole_test(f"\\{name}")(text) is whole_test(f"[\\{name}]")(text) is wanted, text


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("alnum", string.ascii_letters + string.digits),
        ("alpha", string.ascii_letters),
        ("ascii", "".join(map(chr, range(128)))),
        ("blank", " \t"),
        ("cntrl", "".join(map(chr, range(32))) + "\x7f"),
        ("digit", string.digits),
        ("graph", string.ascii_letters + string.digits + string.punctuation),
        ("lower", string.ascii_lowercase),
        ("print", string.ascii_letters + string.digits + string.punctuation + " "),
        ("punct", string.punctuation),
        ("space", string.whitespace),
        ("upper", string.ascii_uppercase),
        ("word", string.ascii_letters + string.digits + "_"),
        ("xdigit", string.hexdigits),
    ],
)
def test_a_named_class_has_its_letters(name: str, letters: str) -> None:
    for text in map(chr, range(256)):
        assert whole_test(f"[[:{name}:]]")(text) is (text in letters), text
        assert whole_test(f"[[:^{name}:]]")(text) is (text not in letters), text


def test_a_pattern_is_found_in_a_text() -> None:
    assert part_test("disk|cpu")("the cpu is hot")
    assert not part_test("^cpu")("the cpu")
    assert part_test("hot$")("the cpu is hot")
    assert part_test("c.u [a-z]+ h")("the cpu is hot")
    assert not part_test("c.u [a-z]+ x")("the cpu is hot")
    assert part_test("")("")
    assert part_test("[^a]")("ab")
    assert not part_test("[^a]")("aa")
    assert part_test("a.c")("xabcx")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "missing )"),
        ("a)", "unexpected )"),
        ("a**", "bad repetition operator: **"),
        ("*a", "no argument for repetition operator: *"),
        ("[z-a]", "invalid character class range: z-a"),
        ("[a", "missing ]"),
        ("[[:foo:]]", "invalid character class range: [:foo:]"),
        ("(?=a)", "invalid perl operator: (?="),
        ("(?<!a)", "invalid perl operator: (?<"),
        (r"\1", r"invalid escape sequence: \1"),
        ("\\", "trailing \\"),
        (r"\x{110000}", "invalid escape sequence"),
        ("a{3,1}", "invalid repetition size: {3,1}"),
        ("a{1001}", "invalid repetition size: {1001}"),
        ("((a{100}){100}){100}", "invalid repetition size"),
        (r"(\pL{100}){9}", "pattern too large"),
        ("a" * (PATTERN_MAX + 1), "it has 1001 characters, at most 1000 are taken"),
    ],
)
def test_what_is_no_pattern_is_refused_and_said(pattern: str, said: str) -> None:
    for test in (whole_test, part_test):
        with pytest.raises(PatternError) as caught:
            test(pattern)
        assert said in str(caught.value)


TEXT: Final = "a" * 100_000


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a*)*(a*)*b", "(a|a)*b", "(.*)*x", "a*a*a*a*a*a*b", "(a?){99}b{1,99}"])
def test_no_pattern_is_slow(pattern: str) -> None:
    """Each of these costs a backtracking engine more steps than anybody can wait for: the test would not end."""
    assert not whole_test(pattern)(TEXT)
    assert not part_test(pattern + "c")(TEXT)
