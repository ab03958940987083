"""Cuts the text of an expression into words, signs, texts, numbers and durations.

In: text. Out: `Token`s, the last of kind `end`. Invariant: each has the place where it begins.
"""

from datetime import timedelta
from typing import Final, NamedTuple

from tocsin.domain.expression.error import ExpressionError
from tocsin.domain.expression.tree import Value

TEXT_MAX: Final = 4000
"""Characters of an expression: longer than anything that people can read in a rule."""
DIGITS_MAX: Final = 15
"""Digits of a number: what a float holds exactly."""
DURATION_MAX: Final = timedelta(days=36_500)
"""A hundred years, far from where instants end."""

SIGNS: Final = ("==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "(", ")", "[", "]", ",", ".")
_INSTEAD: Final = {
    "=": "write ==",
    "&": "write && or AND",
    "|": "write || or OR",
    "`": "write '",
    "-": "a label with other signs is written labels['a-b']",
}
_KEYWORDS: Final = {
    word.lower(): word
    for word in ("AND", "OR", "NOT", "in", "contains", "startsWith", "endsWith", "glob", "matches", "true", "false")
}
_ESCAPES: Final = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "t": "\t", "r": "\r"}
_HEX: Final = {"x": 2, "u": 4}
_UNITS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
"""Milliseconds."""


class Token(NamedTuple):
    """`kind`: `word` (a keyword in the spelling of `_KEYWORDS`), `name`, `sign`, `literal`, `end`."""

    kind: str
    text: str
    at: int
    value: Value = ""


def tokens(text: str) -> list[Token]:
    """The tokens of `text`.

    Raises:
        ExpressionError: a sign is not known, a quote not closed, a number or duration is none.
    """
    if len(text) > TEXT_MAX:
        raise ExpressionError(f"an expression has at most {TEXT_MAX} characters, this one has {len(text)}", text, 0)
    found: list[Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        token, at = _token(text, at)
        found.append(token)
    return [*found, Token("end", "", len(text))]


def _token(text: str, at: int) -> tuple[Token, int]:
    letter, following = text[at], text[at + 1 : at + 2]
    if letter in "'\"":
        return _quoted(text, at)
    if letter == "r" and following in ("'", '"') and following:
        return _raw(text, at)
    if _is_name(letter):
        end = at
        while end < len(text) and (_is_name(text[end]) or _is_digit(text[end])):
            end += 1
        word = text[at:end]
        if keyword := _KEYWORDS.get(word.lower()):
            return Token("word", keyword, at), end
        return Token("name", word, at), end
    if _is_digit(letter) or (letter == "-" and _is_digit(following)):
        return _number(text, at)
    for sign in SIGNS:
        if text.startswith(sign, at):
            return Token("sign", sign, at), at + len(sign)
    hint = f"; {_INSTEAD[letter]}" if letter in _INSTEAD else ""
    raise ExpressionError(f"{letter!r} is not understood here{hint}", text, at)


def _is_name(letter: str) -> bool:
    return letter == "_" or (letter.isascii() and letter.isalpha())


def _is_digit(letter: str) -> bool:
    return letter.isascii() and letter.isdigit()


def _quoted(text: str, begin: int) -> tuple[Token, int]:
    quote, at = text[begin], begin + 1
    found: list[str] = []
    while text[at : at + 1] != quote:
        letter = text[at : at + 1]
        if not letter:
            raise ExpressionError("the quote is not closed", text, begin)
        if letter != "\\":
            found.append(letter)
            at += 1
            continue
        kind = text[at + 1 : at + 2]
        digits = text[at + 2 : at + 2 + _HEX.get(kind, 0)]
        if kind in _ESCAPES and kind:
            found.append(_ESCAPES[kind])
        elif len(digits) == _HEX.get(kind) and all(digit in "0123456789abcdefABCDEF" for digit in digits):
            found.append(chr(int(digits, 16)))
        else:
            raise ExpressionError(f"\\{kind} is no escape; write \\\\{kind}, or r{quote}…{quote}", text, at)
        at += 2 + len(digits)
    value = "".join(found)
    return Token("literal", text[begin : at + 1], begin, value), at + 1


def _raw(text: str, begin: int) -> tuple[Token, int]:
    """`r'…'`: what stands between the quotes, without escapes."""
    end = text.find(text[begin + 1], begin + 2)
    if end < 0:
        raise ExpressionError("the quote is not closed", text, begin)
    return Token("literal", text[begin : end + 1], begin, text[begin + 2 : end]), end + 1


def _number(text: str, begin: int) -> tuple[Token, int]:
    end = begin + 1
    while end < len(text) and (
        _is_digit(text[end]) or (text[end] == "." and _is_digit(text[end + 1 : end + 2] or " "))
    ):
        end += 1
    if end < len(text) and _is_name(text[end]):
        return _duration(text, begin)
    word = text[begin:end]
    if word.count(".") > 1 or sum(map(_is_digit, word)) > DIGITS_MAX:
        raise ExpressionError(f"a number has one point at most and {DIGITS_MAX} digits", text, begin)
    value = float(word) if "." in word else int(word)
    return Token("literal", word, begin, value), end


def _duration(text: str, begin: int) -> tuple[Token, int]:
    at, milliseconds = begin, 0
    while at < len(text) and _is_digit(text[at]):
        digits = at
        while at < len(text) and _is_digit(text[at]):
            at += 1
        unit = at
        while at < len(text) and _is_name(text[at]):
            at += 1
        word = text[unit:at]
        if word not in _UNITS or unit - digits > DIGITS_MAX:
            raise ExpressionError("a duration is whole numbers with units ms, s, m, h, d, w: 2h30m", text, begin)
        milliseconds += int(text[digits:unit]) * _UNITS[word]
    if at == begin or (at < len(text) and text[at] == "."):
        raise ExpressionError("a duration is whole numbers with units ms, s, m, h, d, w: 2h30m", text, begin)
    if milliseconds > DURATION_MAX // timedelta(milliseconds=1):
        raise ExpressionError(f"a duration is at most {DURATION_MAX.days}d", text, begin)
    return Token("literal", text[begin:at], begin, timedelta(milliseconds=milliseconds)), at
