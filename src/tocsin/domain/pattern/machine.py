"""Runs a pattern: all its possible places at once, letter by letter, so that no text is read twice.

In: a tree. Out: whether a text matches. Invariants: a letter costs at most the steps of the program; what was found
out about a set of places and a letter is remembered (`REMEMBERED_MAX`), so that common texts cost one look-up a
letter. Nothing that is remembered changes an answer.
"""

from typing import Final

from tocsin.domain.pattern.tree import ANY_AT_ALL, Choice, Edge, Letters, Node, Repeat, Sequence

TEXT_MAX: Final = 4096
"""Letters of a text that are read: as long as the longest label."""
REMEMBERED_MAX: Final = 5000
"""Moves of one machine and places in the sets they lead to, of about 100 bytes each; then it begins to remember anew.
Ordinary labels need some hundred."""

_BEGIN, _WORD, _OTHER = range(3)
"""What stands before a place: nothing, a letter of a word, another letter."""

# A step of the program: a letter, a fork, an edge, or the end. (what, next, other)
_Step = tuple[Letters | Edge | None, int, int]
_DONE: Final = -1


class _Stand:
    """A set of places in the program that are possible at one point of a text, and the moves from there."""

    __slots__ = ("at_end", "before", "moves", "over", "places")

    def __init__(self, places: frozenset[int], before: int, over: bool | None = None) -> None:
        self.places = places
        self.before = before
        self.moves: dict[str, _Stand] = {}
        self.at_end: bool | None = None
        self.over = over
        """The answer, where no further letter can change it."""


_FOUND: Final = _Stand(frozenset(), _OTHER, over=True)
_LOST: Final = _Stand(frozenset(), _OTHER, over=False)


class Machine:
    """The test of one pattern, over the whole text or any part of it."""

    __slots__ = ("_entry", "_program", "_remembered", "_stands", "_whole")

    def __init__(self, node: Node, *, whole: bool) -> None:
        self._whole = whole
        self._program: list[_Step] = []
        start = self._build(node, _DONE)
        if not whole:
            start = self._build(Repeat(ANY_AT_ALL, 0, None, 2), start)
        self._entry = _Stand(frozenset((start,)), _BEGIN)
        self._stands: dict[tuple[frozenset[int], int], _Stand] = {}
        self._remembered = 0

    def matches(self, text: str) -> bool:
        stand = self._entry
        for letter in text if len(text) <= TEXT_MAX else text[:TEXT_MAX]:
            stand = stand.moves.get(letter) or self._move(stand, letter)
            if stand.over is not None:
                return stand.over
        if stand.at_end is None:
            stand.at_end = self._reach(stand, None)[1]
        return stand.at_end

    def _add(self, what: Letters | Edge | None, following: int, other: int = _DONE) -> int:
        self._program.append((what, following, other))
        return len(self._program) - 1

    def _build(self, node: Node, after: int) -> int:
        """Write the program of `node`, which goes on at `after`; returns where it begins."""
        if isinstance(node, Letters | Edge):
            return self._add(node, after)
        if isinstance(node, Sequence):
            for part in reversed(node.parts):
                after = self._build(part, after)
            return after
        if isinstance(node, Choice):
            *others, last = node.branches
            begin = self._build(last, after)
            for branch in reversed(others):
                begin = self._add(None, self._build(branch, after), begin)
            return begin
        if node.most is None:
            fork = self._add(None, after, after)
            self._program[fork] = (None, self._build(node.part, fork), after)
            begin = fork
        else:
            begin = after
            for _ in range(node.most - node.least):
                begin = self._add(None, self._build(node.part, begin), after)
        for _ in range(node.least):
            begin = self._build(node.part, begin)
        return begin

    def _reach(self, stand: _Stand, letter: str | None) -> tuple[list[_Step], bool]:
        """The letters that could come next where `letter` (None = nothing) does, and whether the end is reached."""
        waiting, seen = list(stand.places), set(stand.places)
        letters: list[_Step] = []
        while waiting:
            place = waiting.pop()
            if place == _DONE:
                continue
            step = self._program[place]
            what, following, other = step
            if isinstance(what, Letters):
                letters.append(step)
                continue
            if isinstance(what, Edge) and not _is_edge(what.kind, stand.before, letter):
                continue
            for onward in (following, other) if what is None else (following,):
                if onward not in seen:
                    seen.add(onward)
                    waiting.append(onward)
        return letters, _DONE in seen

    def _move(self, stand: _Stand, letter: str) -> _Stand:
        letters, done = self._reach(stand, letter)
        if done and not self._whole:
            onward = _FOUND
        else:
            places = frozenset(following for what, following, _ in letters if what and _letter(what, letter))
            onward = self._stand(places, _WORD if _is_word(letter) else _OTHER)
        self._remembered += 1
        if self._remembered > REMEMBERED_MAX:
            self._remembered = 0
            self._stands.clear()
            self._entry.moves.clear()
        stand.moves[letter] = onward
        return onward

    def _stand(self, places: frozenset[int], before: int) -> _Stand:
        if not places:
            return _LOST
        found = self._stands.get((places, before))
        if found is None:
            found = self._stands[places, before] = _Stand(places, before)
            self._remembered += len(places)
        return found


def _letter(what: Letters | Edge, letter: str) -> bool:
    return isinstance(what, Letters) and what.holds(letter)


def _is_edge(kind: str, before: int, letter: str | None) -> bool:
    if kind == "begin":
        return before == _BEGIN
    if kind == "end":
        return letter is None
    boundary = (before == _WORD) is not (letter is not None and _is_word(letter))
    return boundary if kind == "word" else not boundary


def _is_word(letter: str) -> bool:
    return letter == "_" or (letter.isascii() and letter.isalnum())
