"""Reads a pattern: letters, `.`, classes, groups, `|`, repeats, `^ $ \\b \\A \\z`, flags `i` and `s`.

In: text. Out: a `tree.Node`. Everything RE2 refuses is refused; of what RE2 takes, `\\p{…}`, `\\Q…\\E`, `\\C` and the
flags `m` and `U` are not read. Source: the page "Syntax" of RE2.
"""

from typing import Final

from tocsin.domain.pattern.tree import (
    ANY,
    ANY_AT_ALL,
    PROGRAM_MAX,
    Choice,
    Edge,
    Letters,
    Node,
    PatternError,
    Repeat,
    Sequence,
)

PATTERN_MAX: Final = 1000
"""Letters of a pattern: a list of a hundred host names is still one."""
DEPTH_MAX: Final = 50
"""Groups in one another; stops recursion on hostile text."""

Ranges = tuple[tuple[int, int], ...]

_DIGIT: Final[Ranges] = ((48, 57),)
_WORD: Final[Ranges] = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: Final[Ranges] = ((9, 10), (12, 13), (32, 32))
_NAMED: Final[dict[str, Ranges]] = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": _DIGIT,
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": _WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
_CLASSES: Final = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_CONTROLS: Final = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_EDGES: Final = {"A": "begin", "z": "end", "b": "word", "B": "inside"}
_LAST: Final = 0x10FFFF


def read(text: str) -> Node:
    """The tree of a pattern.

    Raises:
        PatternError: it is not a pattern, or too large.
    """
    if len(text) > PATTERN_MAX:
        raise PatternError(f"a pattern has at most {PATTERN_MAX} characters, this one has {len(text)}", PATTERN_MAX)
    reader = _Reader(text)
    node = reader.choice()
    if reader.at < len(text):
        raise PatternError("')' without '('", reader.at)
    return node


def _outside(ranges: Ranges) -> Ranges:
    """The code points that are not in `ranges`."""
    found, low = [], 0
    for first, last in sorted(ranges):
        if low < first:
            found.append((low, first - 1))
        low = max(low, last + 1)
    return (*found, (low, _LAST)) if low <= _LAST else tuple(found)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.fold = False
        self.dot_all = False

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self, word: str) -> bool:
        if self.text.startswith(word, self.at):
            self.at += len(word)
            return True
        return False

    def bounded(self, size: int, begin: int) -> int:
        if size > PROGRAM_MAX:
            raise PatternError(f"the repeats make more than {PROGRAM_MAX} steps", begin)
        return size

    def choice(self) -> Node:
        begin = self.at
        branches = [self.sequence()]
        while self.take("|"):
            branches.append(self.sequence())
        if len(branches) == 1:
            return branches[0]
        size = sum(branch.size for branch in branches) + len(branches) - 1
        return Choice(tuple(branches), self.bounded(size, begin))

    def sequence(self) -> Node:
        begin = self.at
        parts: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            start = self.at
            if (part := self.atom()) is not None:
                parts.append(self.repeated(part, start))
        if len(parts) == 1:
            return parts[0]
        return Sequence(tuple(parts), self.bounded(sum(part.size for part in parts), begin))

    def repeated(self, part: Node, begin: int) -> Node:
        bounds = self.bounds()
        if bounds is None:
            return part
        self.take("?")  # which of several matches is preferred makes no difference to whether there is one
        if self.bounds() is not None:
            raise PatternError("a repeat of a repeat; put the first into a group", self.at - 1)
        least, most = bounds
        size = part.size * least + (part.size + 1) * (1 if most is None else most - least)
        return Repeat(part, least, most, self.bounded(max(size, 1), begin))

    def bounds(self) -> tuple[int, int | None] | None:
        """The repeat that stands here, taken; None = none does, `{` without numbers included."""
        begin = self.at
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self.take(sign):
                return bounds
        if not self.take("{"):
            return None
        inside, closed, _ = self.text[self.at :].partition("}")
        first, comma, second = inside.partition(",")
        if not closed or not _is_number(first) or (second and not _is_number(second)):
            self.at = begin
            return None
        self.at += len(inside) + 1
        least = int(first)
        most = (int(second) if second else None) if comma else least
        if max(least, most or 0) > PROGRAM_MAX or (most is not None and most < least):
            raise PatternError(f"{{{inside}}} is no number of times", begin)
        return least, most

    def atom(self) -> Node | None:
        """One part without its repeat; None where only flags stand."""
        begin, letter = self.at, self.peek()
        self.at += 1
        if letter == "(":
            return self.group(begin)
        if letter == "[":
            return self.letters(begin)
        if letter == "\\":
            return self.escaped(begin)
        if letter == ".":
            return ANY_AT_ALL if self.dot_all else ANY
        if letter in "^$":
            return Edge("begin" if letter == "^" else "end")
        self.at = begin
        if letter in "*+?" or (letter == "{" and self.bounds() is not None):
            raise PatternError("nothing to repeat", begin)
        self.at = begin + 1
        return self.letter(ord(letter))

    def letter(self, code: int) -> Letters:
        return Letters(((code, code),), fold=self.fold)

    def group(self, begin: int) -> Node | None:
        flags = self.fold, self.dot_all
        if self.take("?") and self.flags(begin):
            return None
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise PatternError(f"more than {DEPTH_MAX} groups in one another", begin)
        node = self.choice()
        if not self.take(")"):
            raise PatternError("'(' without ')'", begin)
        self.depth -= 1
        self.fold, self.dot_all = flags
        return node

    def flags(self, begin: int) -> bool:
        """What follows `(?`; True when the group is nothing but flags, which count for the rest of what encloses it."""
        if self.take("P<") or (self.text[self.at + 1 : self.at + 2] not in ("=", "!") and self.take("<")):
            name, closed, _ = self.text[self.at :].partition(">")
            if not closed or not name.isidentifier():
                raise PatternError("the name of a group is not closed", begin)
            self.at += len(name) + 1
            return False
        wanted = True
        while (sign := self.peek()) and sign in "is-":
            self.at += 1
            if sign == "-":
                wanted = False
            elif sign == "i":
                self.fold = wanted
            else:
                self.dot_all = wanted
        if self.take(":"):
            return False
        if self.take(")"):
            return True
        raise PatternError("(? is followed by something that is not read; there is no look-around", begin)

    def escaped(self, begin: int) -> Node:
        kind = self.peek()
        if kind in _EDGES and kind:
            self.at += 1
            return Edge(_EDGES[kind])
        if kind.lower() in _CLASSES and kind:
            self.at += 1
            return Letters(_CLASSES[kind.lower()], negated=kind.isupper())
        return self.letter(self.code(begin))

    def code(self, begin: int) -> int:
        """The code point that stands after a backslash."""
        kind = self.peek()
        self.at += 1
        if kind in _CONTROLS and kind:
            return _CONTROLS[kind]
        if kind == "x":
            if self.take("{"):
                digits, closed, _ = self.text[self.at :].partition("}")
                self.at += len(digits) + 1
            else:
                digits, closed = self.text[self.at : self.at + 2], "}"
                self.at += 2
            good = closed and 1 <= len(digits) <= 6 and all(digit in "0123456789abcdefABCDEF" for digit in digits)
            if good and (code := int(digits, 16)) <= _LAST:
                return code
            raise PatternError("\\x is followed by no code point", begin)
        if not kind or (kind.isascii() and kind.isalnum()):
            what = "there are no back-references" if kind.isdigit() else f"\\{kind} is not known"
            raise PatternError(what, begin)
        return ord(kind)

    def letters(self, begin: int) -> Letters:
        """A class: what stands after `[`."""
        negated = self.take("^")
        ranges: list[tuple[int, int]] = []
        while not (self.peek() == "]" and ranges):
            if not self.peek():
                raise PatternError("'[' without ']'", begin)
            found = self.several()
            if found is not None:
                ranges.extend(found)
                continue
            start = self.at
            low = high = self.one()
            if self.peek() == "-" and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self.one()
            if high < low:
                raise PatternError("a range that ends before it begins", start)
            ranges.append((low, high))
        self.at += 1
        return Letters(tuple(ranges), negated=negated, fold=self.fold)

    def several(self) -> Ranges | None:
        """A class inside a class: `\\d`, `[:alpha:]`."""
        begin = self.at
        if self.take("[:"):
            name, closed, _ = self.text[self.at :].partition(":]")
            ranges = _NAMED.get(name.removeprefix("^"))
            if not closed or ranges is None:
                raise PatternError("an unknown class of letters", begin)
            self.at += len(name) + 2
            return _outside(ranges) if name.startswith("^") else ranges
        kind = self.text[self.at + 1 : self.at + 2]
        if self.peek() == "\\" and kind.lower() in _CLASSES and kind:
            self.at += 2
            return _outside(_CLASSES[kind.lower()]) if kind.isupper() else _CLASSES[kind]
        return None

    def one(self) -> int:
        """One letter inside a class."""
        begin, letter = self.at, self.peek()
        if not letter:
            raise PatternError("'[' without ']'", begin)
        self.at += 1
        return self.code(begin) if letter == "\\" else ord(letter)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4
