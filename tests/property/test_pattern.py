"""Patterns give the answers of the standard library's engine, wherever that one is safe to run."""

import re

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.pattern import part_test, whole_test

LETTERS = "abAB1_- \n"
ATOMS = st.one_of(
    st.sampled_from([*"abA1_-", ".", r"\d", r"\w", r"\s", r"\W", r"\b", r"\B", "[ab]", "[^a]", "[a-z1]", r"[^\d-]"]),
    st.just("^"),
    st.just(r"\z"),
)
REPEATS = st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,1}", "{1,}", "*?", "+?"])


def _more(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    group = inner.map(lambda text: f"(?:{text})")
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.tuples(group, REPEATS).map("".join),
        inner.map(lambda text: f"(?i:{text})"),
    )


PATTERNS = st.recursive(ATOMS, _more, max_leaves=6)


@given(PATTERNS, st.lists(st.text(LETTERS, max_size=8), min_size=1, max_size=6))
def test_the_answers_are_those_of_the_standard_library(pattern: str, texts: list[str]) -> None:
    peer = re.compile(pattern.replace(r"\z", r"\Z"), re.ASCII)
    whole, part = whole_test(pattern), part_test(pattern)
    for text in texts:
        if not text and r"\B" in pattern:
            continue  # Python before 3.14 finds no place there, RE2 does
        assert whole(text) is (peer.fullmatch(text) is not None), text
        assert part(text) is (peer.search(text) is not None), text
