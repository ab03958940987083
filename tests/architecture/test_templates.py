"""The handbook's tables of variables, filters and tests of templates are what templates have.

After a change that is meant: `TOCSIN_GOLDEN=write pytest <this file>` writes the table of variables.
"""

import os
import re
from pathlib import Path

import yaml

from tocsin.domain.rules import Template
from tocsin.notify.wording import problems
from tocsin.notify.wording_filters import FILTERS, TESTS
from tocsin.notify.wording_variables import variables

PAGE = Path(__file__).parents[2] / "src/tocsin/docs/templates.md"
BEGIN = "<!-- generated: variables -->\n"
END = "<!-- end -->"


def table() -> str:
    """The table of variables, as it stands in the handbook."""
    rows = [f"| `{one.name}` | {one.kind} | {one.help} |" for one in variables()]
    return "\n".join(["| variable | kind | |", "|---|---|---|", *rows]) + "\n"


def test_the_table_of_variables_is_that_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    if os.environ.get("TOCSIN_GOLDEN") == "write":
        PAGE.write_text(f"{before}{BEGIN}{table()}{END}{after}", encoding="utf-8")
        text = PAGE.read_text(encoding="utf-8")
    assert f"{BEGIN}{table()}{END}" in text


def test_every_variable_has_a_word_of_help() -> None:
    assert [one.name for one in variables() if not one.help and not one.name.startswith("incident.")] == []


def test_every_filter_and_test_is_named() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z0-9]+)`", text.partition("## Filters")[2].partition("\n## ")[0]))
    assert named >= {name for name in (*FILTERS, *TESTS) if not name.startswith(" ")}


def test_the_templates_in_the_page_are_sound() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    found = [
        {field: one[field] for field in ("subject_template", "body_template") if field in one}
        for block in blocks
        for one in (yaml.safe_load(block)["notify"].get("templates") or {}).values()
    ]
    assert len(found) >= 3
    for one in found:
        assert problems(Template(**one)) == []
