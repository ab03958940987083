"""`tocsin settings`: documents that hold while tocsin runs: people, schedules, silences, rules, with their history."""

from typing import IO, Any, Final
from urllib.parse import quote

import click

from tocsin.cli.client import Client, acting, remote
from tocsin.cli.exits import USAGE, Ended
from tocsin.cli.output import document, formatted, plain, say, show, yaml_text
from tocsin.cli.suggesting import Suggesting

COLUMNS: Final = ("key", "version", "origin", "actor", "changed_at", "reason")
VERSIONS: Final = ("version", "changed_at", "actor", "origin", "change", "reason")
BYTES_MAX: Final = 1024 * 1024
"""Of a file to read: more than the API takes, so that it says what it takes."""

key_argument = click.argument("key", metavar="KIND/NAME")
reason_option = click.option("--reason", default="", help="Why; stands in the history.")
version_option = click.option(
    "--version", "expected", type=click.IntRange(0), help="Only if this is the version that is there."
)


@click.group(cls=Suggesting)
def settings() -> None:
    """Look at settings documents and change them; they hold at once.

    What stands in the settings file is changed there only.
    """


@settings.command("list")
@remote
@formatted
@click.argument("kind", default="")
def list_(client: Client, output: str | None, kind: str) -> None:
    """List the documents, all or those of one KIND (user, team, service, schedule, silence, …).

    \b
    tocsin settings list
    tocsin settings list team -o name
    """
    items = client.get("/api/v1/settings", kind=kind)["items"]
    show(items, output=output, columns=COLUMNS, wide=("read_only",), name="key")


@settings.command()
@remote
@formatted
@key_argument
def get(client: Client, output: str | None, key: str) -> None:
    """Print one document, as YAML unless -o says otherwise: ready to be changed and given to `put`.

    \b
    tocsin settings get team/dba > dba.yaml
    tocsin settings get notify/settings -o json
    """
    found = client.get(path_of(key))
    if output == "name":
        click.echo(plain(found["key"]))
    elif not document(found["document"], output):
        click.echo(yaml_text(found["document"]), nl=False)
    by = f" by {plain(found['actor'])} at {plain(found['changed_at'])}" if "actor" in found else ""
    say(f"version {found['version']} ({found['origin']}){by}")


@settings.command()
@remote
@acting
@formatted
@key_argument
@click.option("-f", "--file", type=click.File("rb"), default="-", help="YAML or JSON; default: standard input.")
@reason_option
@version_option
@click.option("--new", is_flag=True, help="Only if there is none yet.")
def put(
    client: Client,
    output: str | None,
    key: str,
    file: IO[bytes],
    reason: str,
    expected: int | None,
    new: bool,
) -> None:
    """Write one document, whole; it holds when the command ends.

    \b
    tocsin settings put team/dba -f dba.yaml --reason "Ana leads now"
    echo 'name: Ana' | tocsin settings put user/ana --new
    """
    import orjson

    if new and expected is not None:
        raise click.UsageError("--new and --version exclude each other")
    try:
        content = orjson.dumps(read_document(file), option=orjson.OPT_NON_STR_KEYS)
    except TypeError as error:  # what YAML has and JSON has not
        raise Ended(str(error), USAGE) from None
    condition = {"If-None-Match": "*"} if new else _if_match(expected)
    found = client.send("PUT", path_of(key), content=content, parameters={"reason": reason}, condition=condition)
    show([found], output=output, columns=COLUMNS, name="key")


@settings.command()
@remote
@acting
@formatted
@key_argument
@reason_option
@version_option
def delete(client: Client, output: str | None, key: str, reason: str, expected: int | None) -> None:
    """Delete one document. A single one, such as notify/settings, goes back to its default.

    \b
    tocsin settings delete user/ana --reason "left the company"
    """
    found = client.send("DELETE", path_of(key), parameters={"reason": reason}, condition=_if_match(expected))
    show([found], output=output, columns=("key", "version", "deleted"), name="key")


@settings.command()
@remote
@formatted
@click.argument("key", metavar="[KIND/NAME]", default="")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
@click.option("--before", type=click.IntRange(0), help="Only versions below: where the page before ended.")
def history(client: Client, output: str | None, key: str, limit: int, before: int | None) -> None:
    """Who changed a document, when, and why, newest first; without KIND/NAME every document.

    \b
    tocsin settings history team/dba
    tocsin settings history -o json --limit 1      with the document and what it replaced
    """
    path = f"{path_of(key)}/history" if key else "/api/v1/settings/history"
    page = client.get(path, limit=limit, before=before)
    items = (
        page["items"]
        if output in ("json", "jsonl", "yaml")
        else [{**one, "change": _change(one)} for one in page["items"]]
    )
    show(items, output=output, columns=VERSIONS if key else (*VERSIONS[:1], "key", *VERSIONS[1:]), name="version")
    if page["next"]:
        say(f"{len(page['items'])} of {page['total']} shown; the next: --before {page['next']}")


def _change(version: dict[str, Any]) -> str:
    """In one line: `created`, `deleted`, or the fields that differ."""
    new, old = version["document"], version["replaced"]
    if new is None:
        return "deleted"
    if old is None:
        return "created"
    if not isinstance(new, dict) or not isinstance(old, dict):
        return "changed"
    return ", ".join(sorted(name for name in {*new, *old} if new.get(name) != old.get(name))) or "changed"


def path_of(key: str) -> str:
    """The address of a document."""
    kind, slash, name = key.partition("/")
    if not (kind and slash and name) or "/" in name:
        raise click.UsageError(f"{key!r} is no KIND/NAME such as team/dba or notify/settings")
    return f"/api/v1/settings/{quote(kind, safe='')}/{quote(name, safe='')}"


def _if_match(expected: int | None) -> dict[str, str]:
    return {} if expected is None else {"If-Match": f'"{expected}"'}


def read_document(file: IO[bytes]) -> Any:
    """The JSON-ready value of a YAML or JSON file.

    Raises:
        Ended: it is too large, or neither.
    """
    import yaml

    content, name = file.read(BYTES_MAX + 1), getattr(file, "name", "<stdin>")
    if len(content) > BYTES_MAX:
        raise Ended(f"{name} has more than {BYTES_MAX} bytes", USAGE)
    try:
        found = yaml.load(content, Loader=_plain_loader())  # noqa: S506 a safe loader
    except yaml.YAMLError as error:
        raise Ended(f"{name}: {error}", USAGE) from None
    if found is None:
        raise Ended(f"{name} is empty; `settings delete` deletes a document", USAGE)
    return found


def _plain_loader() -> Any:
    """YAML without dates: an instant stays the text that the API reads."""
    import yaml

    class Plain(yaml.SafeLoader):
        """Ours, so that nobody else's is changed."""

    timestamp = "tag:yaml.org,2002:timestamp"
    Plain.yaml_implicit_resolvers = {
        letter: [(tag, pattern) for tag, pattern in found if tag != timestamp]
        for letter, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Plain
