"""What every script here understands: `--help`, which measures nothing, and `--smoke`, which only shows that it runs.

In: the docstring of a script and what is smaller in a smoke run. Out: a parser, and what was asked for. Alone, since
some scripts measure how long their imports take.
"""

import argparse
from typing import Any


def options(about: str | None) -> argparse.ArgumentParser:
    """A parser that knows `--smoke`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="some seconds: does it run?")
    return parser


def asked(parser: argparse.ArgumentParser, **small: Any) -> argparse.Namespace:
    """The options as given, in a smoke run those of `small` instead of what nobody gave."""
    given = parser.parse_args()
    if given.smoke:
        for name, value in small.items():
            if getattr(given, name) == parser.get_default(name):
                setattr(given, name, value)
    return given
