"""Matchers as Alertmanager and amtool write them: `{alertname="DiskFull", instance=~"db-.*"}`.

In: text. Out: `LabelMatch`es, or the text of some. Names and values need quotes only where they hold white space or
one of `RESERVED`. Source: Alertmanager's manual, "Matcher"; as its older parser, an unknown escape stays as it is.
"""

from collections.abc import Iterable
from typing import Final

from tocsin.domain.rules.condition import LabelMatch

TEXT_MAX: Final = 16_384
"""Letters of a list of matchers; no person writes more."""
MATCHERS_MAX: Final = 128
"""Twice as many as an alert has labels."""
RESERVED: Final = "{}!=~,\\\"'`"

_SIGNS: Final = {"=": (True, False), "!=": (False, False), "=~": (True, True), "!~": (False, True)}
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_HEX: Final = {"x": 2, "u": 4}
_QUOTED: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


class MatcherError(ValueError):
    """The text is no list of matchers. `column` counts from 1."""

    def __init__(self, message: str, text: str, at: int) -> None:
        super().__init__(f"{message} at column {at + 1} of {text if len(text) <= 200 else text[:199] + '…'}")
        self.column = at + 1


def read_matchers(text: str) -> tuple[LabelMatch, ...]:
    """The matchers of `{a="b", c!~"d.*"}`; the braces may be left out, a comma may end the list.

    Raises:
        MatcherError: with the place where it went wrong.
    """
    return _Reader(text).several()


def read_matcher(text: str) -> LabelMatch:
    """The one matcher of `a=b`.

    Raises:
        MatcherError: it is none, or more than one.
    """
    found = read_matchers(text)
    if len(found) != 1:
        raise MatcherError(f"one matcher is expected, {len(found)} are there,", text, 0)
    return found[0]


def written(matchers: Iterable[LabelMatch]) -> str:
    """The text of `matchers`, in braces; `read_matchers` gives them back."""
    return "{" + ",".join(map(_written, matchers)) + "}"


def _written(matcher: LabelMatch) -> str:
    sign = next(sign for sign, means in _SIGNS.items() if means == (matcher.is_equal, matcher.is_regex))
    plain = all(letter.isascii() and (letter.isalnum() or letter in "_:") for letter in matcher.name)
    return f"{matcher.name if plain else _quoted(matcher.name)}{sign}{_quoted(matcher.value)}"


def _quoted(text: str) -> str:
    return '"' + "".join(_QUOTED.get(letter, letter) for letter in text) + '"'


class _Reader:
    def __init__(self, text: str) -> None:
        if len(text) > TEXT_MAX:
            raise MatcherError(f"a list of matchers has at most {TEXT_MAX} characters; it goes on", text, TEXT_MAX)
        self.text = text
        self.at = 0

    def wrong(self, message: str, at: int | None = None) -> MatcherError:
        return MatcherError(message, self.text, self.at if at is None else at)

    def peek(self) -> str:
        """The next letter that is no white space; empty at the end."""
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def several(self) -> tuple[LabelMatch, ...]:
        opened = self.peek() == "{"
        self.at += opened
        found: list[LabelMatch] = []
        while (letter := self.peek()) and letter != "}":
            if len(found) >= MATCHERS_MAX:
                raise self.wrong(f"more than {MATCHERS_MAX} matchers")
            found.append(self.matcher())
            if self.peek() == ",":
                self.at += 1
            elif self.peek() not in ("", "}"):
                raise self.wrong("a comma is expected")
        if opened and self.peek() != "}":
            raise self.wrong("'{' is not closed")
        if not opened and self.peek() == "}":
            raise self.wrong("'}' without '{'")
        self.at += opened
        if self.peek():
            raise self.wrong("nothing more is expected")
        return tuple(found)

    def matcher(self) -> LabelMatch:
        self.peek()
        begin = self.at
        name = self.word("the name of a label is")
        self.peek()
        sign = next((sign for sign in ("=~", "!~", "!=", "=") if self.text.startswith(sign, self.at)), None)
        if sign is None:
            raise self.wrong("one of = != =~ !~ is expected")
        self.at += len(sign)
        is_equal, is_regex = _SIGNS[sign]
        value = self.word("a value is")
        try:
            return LabelMatch(name=name, value=value, is_equal=is_equal, is_regex=is_regex)
        except ValueError as error:
            raise self.wrong(str(error), begin) from None

    def word(self, what: str) -> str:
        if self.peek() == '"':
            return self.quoted()
        begin = self.at
        while (letter := self.text[self.at : self.at + 1]) and letter not in RESERVED and not letter.isspace():
            self.at += 1
        if self.at == begin:
            raise self.wrong(f"{what} expected")
        return self.text[begin : self.at]

    def quoted(self) -> str:
        begin = self.at
        self.at += 1
        found: list[str] = []
        while (letter := self.text[self.at : self.at + 1]) != '"':
            if not letter:
                raise self.wrong("the quote is not closed", begin)
            self.at += 1
            found.append(self.escaped() if letter == "\\" else letter)
        self.at += 1
        return "".join(found)

    def escaped(self) -> str:
        """What a backslash and the letters after it stand for."""
        kind = self.text[self.at : self.at + 1]
        if kind in _ESCAPES and kind:
            self.at += 1
            return _ESCAPES[kind]
        digits = self.text[self.at + 1 : self.at + 1 + _HEX.get(kind, 0)]
        if len(digits) == _HEX.get(kind) and all(digit in "0123456789abcdefABCDEF" for digit in digits):
            self.at += 1 + len(digits)
            return chr(int(digits, 16))
        return "\\"
