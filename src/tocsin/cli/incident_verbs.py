"""One command of `tocsin incidents` for each verb, made from the table of verbs (`domain.command`).

In: the words of a command line. Out: one command of the API per incident, or a bulk of them for several and for
`--where`; the outcomes as a table. The worst outcome is the exit code.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import click

from tocsin.cli.client import Client, acting, remote
from tocsin.cli.exits import FAILED, NOT_FOUND, Ended
from tocsin.cli.output import formatted, plain, say, show
from tocsin.domain.command import TABLE, VERBS, Argument, Kind, Verb

DONE: Final = ("number", "status", "outcome", "message")
DONE_WIDE: Final = ("title", "actor", "reason", "command_id", "incident")
UNKNOWN: Final = "unknown_incident"
BULK: Final = "/api/v1/commands/bulk"

WORDS: Final = {"acknowledge": "ack"}
"""What a verb is called here; the rest are called as they are, with hyphens."""
POSITIONAL: Final = {"text": "TEXT", "title": "TITLE", "follow_up": "FOLLOW_UP"}
"""Arguments that are given without their name, behind the incident: then it is one incident."""
SPAN: Final = "minutes"
"""Given as `--for 2h30m`."""
EXAMPLES: Final = {
    "acknowledge": (
        "ack INC-2026-11-21-007 --reason 'on it'",
        "ack --where service=shop --where status=open",
    ),
    "assign": ("assign INC-2026-11-21-007 --to ada",),
    "note": ('note INC-2026-11-21-007 "rolled back to 4.2"',),
    "declare": ('declare "Checkout is slow" --severity high --service checkout',),
    "change": (
        "change INC-2026-11-21-007 --severity low --category database",
        "change INC-2026-11-21-007 --users-affected 1200 --region eu-1 --region us-2",
        "change INC-2026-11-21-007 --root-cause 'a full disk' --root-cause-category capacity",
    ),
    "set_roles": ("set-roles INC-2026-11-21-007 --commander ada --expert linus --expert grace",),
    "link": ("link INC-2026-11-21-007 --to INC-2026-11-21-004",),
    "unlink": ("unlink INC-2026-11-21-007 --to INC-2026-11-21-004",),
    "merge": ("merge INC-2026-11-21-007 INC-2026-11-21-009 --into INC-2026-11-21-004",),
    "snooze": ("snooze INC-2026-11-21-007 --for 2h --reason 'the vendor calls back'",),
    "watch": ("watch INC-2026-11-21-007 --for 1h30m",),
    "evidence": ('evidence INC-2026-11-21-007 "98 % full at 03:10" --link https://dashboards.example/disk',),
    "follow_up": ('follow-up INC-2026-11-21-007 "alert on it earlier" --owner grace --due 2026-12-01T09:00:00Z',),
    "follow_up_done": ("follow-up-done INC-2026-11-21-007 f1",),
    "escalate": ("escalate INC-2026-11-21-007 --level 2 --reason 'we need the storage team'",),
    "post_update": ('post-update INC-2026-11-21-007 "Orders are taken again." --audience customers',),
    "playbook_start": ("playbook-start INC-2026-11-21-007 --playbook database-connection-failure",),
    "playbook_step": ("playbook-step INC-2026-11-21-007 --outcome done --note 'the pool was full'",),
}
_SPAN: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?")
_WHERE: Final = ("status", "severity", "category", "service", "team", "q")


def word_of(verb: str) -> str:
    """What a verb is called on the command line."""
    return WORDS.get(verb, verb.replace("_", "-"))


def add_verbs(group: click.Group) -> None:
    """Add a command for every verb that people have."""
    for verb in VERBS:
        group.add_command(_command_of(word_of(verb), verb, TABLE[verb]))
    spelled = _command_of("acknowledge", "acknowledge", TABLE["acknowledge"])
    spelled.hidden = True  # people who know the API type it
    group.add_command(spelled)


def _command_of(word: str, verb: str, what: Verb) -> click.Command:
    alone = [name for name in what.arguments if name in POSITIONAL and what.arguments[name].required]
    opens = verb == "declare"
    several = not alone and not opens

    def run(
        client: Client,
        output: str | None,
        reason: str,
        references: tuple[str, ...] = (),
        incident: str = "",
        where: tuple[str, ...] = (),
        **options: Any,
    ) -> None:
        arguments = _given(what.arguments, options)
        if where or len(references) > 1:
            if bool(where) == bool(references):
                raise click.UsageError("name the incidents, or say which by --where")
            results = _in_bulk(client, verb, references, _filter(where), reason, arguments)
        elif opens or incident or references:
            results = [_one(client, verb, incident or "".join(references), reason, arguments)]
        else:
            raise click.UsageError("name the incidents, or say which by --where")
        _report(client, results, output)

    command: Callable[..., Any] = run
    for name in reversed(alone):
        command = click.argument(name, metavar=POSITIONAL[name])(command)
    if several:
        command = click.argument("references", nargs=-1, metavar="INCIDENT…")(command)
        command = click.option(
            "--where", multiple=True, metavar="NAME=VALUE", help=f"Instead of INCIDENT: {', '.join(_WHERE)}."
        )(command)
    elif not opens:
        command = click.argument("incident")(command)
    command = click.option("--reason", default="", help="Why; stands in the timeline.")(command)
    for name, argument in reversed(list(what.arguments.items())):
        if name not in alone:
            command = _options(name, argument, command)
    text = "\n".join([f"{what.help}.", "", "\b", *(f"tocsin incidents {line}" for line in _examples(verb, word))])
    return click.command(word, help=text)(remote(acting(formatted(command))))


def _examples(verb: str, word: str) -> Sequence[str]:
    lines = EXAMPLES.get(verb, (f"{word} INC-2026-11-21-007",))
    return [line.replace(word_of(verb), word, 1) for line in lines]


def _options(name: str, argument: Argument, command: Callable[..., Any]) -> Callable[..., Any]:
    """`command` with the options of one argument; an object has one for each of its fields."""
    if argument.kind is Kind.OBJECT:
        for field, part in reversed(list(argument.fields.items())):
            command = _option(f"{name}__{field}", "impact-level" if field == "level" else field, part, command)
        return command
    return _option(name, "for" if name == SPAN else name, argument, command)


def _option(name: str, word: str, argument: Argument, command: Callable[..., Any]) -> Callable[..., Any]:
    shown = "--" + (argument.name or word).replace("_", "-")
    kind: Any = str
    if argument.words:
        kind = click.Choice(argument.words)
    elif name != SPAN and argument.kind in (Kind.NUMBER, Kind.WHOLE):
        kind = float if argument.kind is Kind.NUMBER else int
    many = argument.kind in (Kind.TEXTS, Kind.LABELS)
    metavar = {Kind.LABELS: "NAME=TEXT", Kind.INSTANT: "INSTANT"}.get(argument.kind)
    help = "For how long: 30m, 2h, 1d." if name == SPAN else f"{argument.help}."
    return click.option(shown, name, type=kind, multiple=many, metavar=metavar, help=help, required=argument.required)(
        command
    )


def _given(arguments: Mapping[str, Argument], options: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, as the API takes it. An empty text is given, an option that was left out is not."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        if value is None or value == ():
            continue
        whole, _, field = name.partition("__")
        if field:
            found.setdefault(whole, {})[field] = value
        elif name == SPAN:
            found[name] = minutes_of(value)
        elif arguments[name].kind is Kind.LABELS:
            found[name] = dict(_pair(one, f"--{name}") for one in value)
        else:
            found[name] = value
    return found


def minutes_of(text: str) -> int:
    """Minutes of `2h30m`.

    Raises:
        click.BadParameter: it is no such text.
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise click.BadParameter(f"{text!r} is no time like 30m, 2h or 1d", param_hint="--for")
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return (days * 24 + hours) * 60 + minutes


def _pair(text: str, option: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
    return name.strip(), value


def _filter(where: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in (_pair(one, "--where") for one in where):
        if name not in _WHERE:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(_WHERE)}", param_hint="--where")
        if name in ("status", "severity", "category"):
            found.setdefault(name, []).extend(value.split(","))
        else:
            found[name] = value
    return found


# ---- asking ---------------------------------------------------------------------------------------------------------


def _one(client: Client, verb: str, reference: str, reason: str, arguments: dict[str, Any]) -> dict[str, Any]:
    import orjson

    body = {"verb": verb, "incident": reference, "reason": reason, "arguments": arguments}
    answer = client.send("POST", "/api/v1/commands", content=orjson.dumps(body), also=frozenset({409}))
    return {**answer, "incident": answer.get("incident") or reference}


def _in_bulk(
    client: Client,
    verb: str,
    references: Sequence[str],
    wanted: dict[str, Any],
    reason: str,
    arguments: dict[str, Any],
) -> list[dict[str, Any]]:
    import orjson

    which = {"filter": wanted} if wanted else {"incidents": list(references)}
    body = {"verb": verb, "reason": reason, "arguments": arguments, **which}
    answer = client.send("POST", BULK, content=orjson.dumps(body))
    return [{**item, "incident": item.get("incident") or item["asked"]} for item in answer["items"]]


def _report(client: Client, results: list[dict[str, Any]], output: str | None) -> None:
    plainly = output not in ("json", "jsonl", "yaml")
    shown = [_named(client, one) for one in results] if plainly else results
    show(shown, output=output, columns=DONE, wide=DONE_WIDE, name="number")
    for result in results:
        if "told_over" in result:
            told = f"told over {', '.join(result['told_over'])}"
            say(plain(told if result["told_over"] else result["message"]))
    if any(result["outcome"] == "pending" for result in results):
        say("pending: it is in the log and will be decided; ask again with `incidents show`")
    rejected = [result for result in results if result["outcome"] == "rejected"]
    if rejected:
        unknown = all(result["reason"] == UNKNOWN for result in rejected)
        raise Ended(
            f"rejected: {plain(rejected[0].get('message') or rejected[0]['reason'])}", NOT_FOUND if unknown else FAILED
        )


def _named(client: Client, result: dict[str, Any]) -> dict[str, Any]:
    """The outcome with what its incident is now; outcomes know only its id."""
    if result["outcome"] not in ("applied", "unchanged"):
        return {**result, "number": result["incident"]}
    found = client.get(f"/api/incident_response/{result['incident']}")
    return {**result, **{name: found[name] for name in ("number", "status", "title")}}
