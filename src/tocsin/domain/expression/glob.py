"""Globs: `*` any letters, `?` one letter, `[a-z]` one of these, `[!a-z]` one that is not. They match whole texts."""


def pattern_of(glob: str) -> str:
    """The pattern (`domain.pattern`) that matches what `glob` does. A `[` that is not closed is a letter."""
    found, at = ["(?s)"], 0
    while at < len(glob):
        letter = glob[at]
        at += 1
        end = glob.find("]", at + 1 + glob.startswith("!", at)) if letter == "[" else -1
        if end >= 0:
            found.append(_letters(glob[at:end]))
            at = end + 1
        elif letter in "*?":
            found.append(".*" if letter == "*" else ".")
        else:
            found.append(letter if letter.isalnum() else f"\\x{{{ord(letter):x}}}")
    return "".join(found)


def _letters(inside: str) -> str:
    """A class of a glob as one of a pattern: only `!` in front and `-` between two have a meaning."""
    negated = inside.startswith("!")
    letters = inside[1:] if negated else inside
    return f"[{'^' if negated else ''}{''.join(_plain(letter) for letter in letters)}]"


def _plain(letter: str) -> str:
    return letter if letter == "-" or letter.isalnum() else f"\\x{{{ord(letter):x}}}"
