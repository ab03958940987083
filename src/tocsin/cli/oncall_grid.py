"""A schedule drawn as text: a line a day, a letter an hour.

In: shifts as the API gives them, and a zone. Out: lines. The hours are those of the wall clock: one that comes twice
is shown as its first, one that does not exist as a blank.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from tocsin.domain.wall import instant_of, reading_of

LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
NOBODY: Final = "."
OTHERS: Final = "*"
"""Who comes after the letters are used up."""
_HEAD: Final = "0     6     12    18"
_DAY: Final = timedelta(days=1)


def grid(shifts: Sequence[Mapping[str, Any]], place: tzinfo) -> Iterator[str]:
    """The lines, a legend last. `shifts` follow one another; the first and last day may be shown in part."""
    if not shifts:
        return
    users = list(dict.fromkeys(one["user"] for one in shifts if one["user"]))
    letters = {user: LETTERS[number] if number < len(LETTERS) else OTHERS for number, user in enumerate(users)}
    spans = [
        (datetime.fromisoformat(one["start"]), datetime.fromisoformat(one["end"]), letters.get(one["user"], NOBODY))
        for one in shifts
    ]
    last = reading_of(spans[-1][1], place)
    day = datetime.combine(reading_of(spans[0][0], place).date(), datetime.min.time())
    yield f"{'':16}{_HEAD}"
    number = 0
    while day < last:
        line = ""
        for hour in range(24):
            shown = day + timedelta(hours=hour)
            at = instant_of(shown, place)
            while number < len(spans) - 1 and spans[number][1] <= at:
                number += 1
            inside = spans[number][0] <= at < spans[number][1]
            line += spans[number][2] if inside and reading_of(at, place) == shown else " "
        yield f"{day:%a %Y-%m-%d}  {line}".rstrip()
        day += _DAY
    yield ""
    yield from (f"{letter}  {user}" for user, letter in letters.items())
    if any(letter == NOBODY for _, _, letter in spans):
        yield f"{NOBODY}  nobody"
