"""`tocsin oncall`: who is on duty, who comes next, and who takes over from whom."""

from typing import IO, Any, Final
from urllib.parse import quote

import click

from tocsin.cli.client import Client, acting, remote
from tocsin.cli.exits import Ended
from tocsin.cli.oncall_grid import grid
from tocsin.cli.output import document, formatted, heading, pairs, plain, say, show, table
from tocsin.cli.suggesting import Suggesting

NOW: Final = ("schedule", "user", "by", "source", "until", "next")
SHIFT: Final = ("user", "start", "end", "by", "source", "instead_of")
LOAD: Final = ("user", "hours", "night_hours", "weekend_hours", "taken_over_hours", "shifts")
OVERRIDE: Final = ("id", "user", "replaces", "start", "end", "made_by", "reason")
TIME: Final = "2026-03-01, 2026-03-01T09:00 (by the clock of the schedule) or 2026-03-01T09:00Z"


@click.group(cls=Suggesting)
def oncall() -> None:
    """See who is on duty, and let people take over from one another."""


def _path(schedule: str, rest: str = "") -> str:
    return f"/api/v1/oncall/{quote(schedule, safe='')}{rest}"


@oncall.command("now")
@remote
@formatted
@click.argument("schedule", default="")
@click.option("--at", default="", metavar="TIME", help=f"Another time than now: {TIME}.")
def now(client: Client, output: str | None, schedule: str, at: str) -> None:
    """Say who is on call, in one SCHEDULE or in all.

    \b
    tocsin oncall now
    tocsin oncall now ops --at 2026-12-24T20:00
    tocsin oncall now ops -o name
    """
    items = [client.get(_path(schedule), at=at)] if schedule else client.get("/api/v1/oncall", at=at)["items"]
    if output in ("json", "jsonl", "yaml"):
        show(items, output=output, columns=NOW, name="user")
        return
    if output == "name":
        for user in (user for item in items for user in item["users"]):
            click.echo(plain(user))
        return
    show([_line(item) for item in items], output=output, columns=NOW, wide=("instead_of", "skipped"), name="user")


def _line(item: dict[str, Any]) -> dict[str, Any]:
    following = item["next"]
    skipped = ", ".join(f"{one['user']} ({one['reason']})" for one in item["skipped"])
    return {
        **item,
        "user": ", ".join(item["users"]) or "nobody",
        "next": f"{following['taking'] or 'nobody'} from {following['at']}" if following else "",
        "skipped": skipped,
    }


@oncall.command("calendar")
@remote
@formatted
@click.argument("schedule")
@click.option("--from", "begin", default="", metavar="TIME", help=f"Default: today. {TIME}.")
@click.option("--to", "end", default="", metavar="TIME", help="Default: 14 days later.")
@click.option("--grid", "drawn", is_flag=True, help="Draw it: a line a day, a letter an hour.")
def calendar(client: Client, output: str | None, schedule: str, begin: str, end: str, drawn: bool) -> None:
    """Show the final schedule: rotations, overrides and absences worked in.

    Tables are in the wall clock of the schedule, other formats in UTC. A shift without a user is a gap.

    \b
    tocsin oncall calendar ops --from 2026-03-23 --to 2026-03-30
    tocsin oncall calendar ops --grid
    """
    from tocsin.domain.wall import zone

    found = client.get(_path(schedule, "/shifts"), **{"from": begin, "to": end})
    place = zone(found["time_zone"])
    if drawn:
        for line in grid(found["items"], place):
            click.echo(plain(line) if line else line)
    elif output in ("json", "jsonl", "yaml"):
        show(found["items"], output=output, columns=SHIFT, name="user")
    else:
        items = [_by_clock(one, found["time_zone"]) for one in found["items"]]
        show(items, output=output, columns=SHIFT, name="user")
    if output not in ("json", "jsonl", "yaml", "name"):
        say(f"times of {found['time_zone']}")


def _by_clock(item: dict[str, Any], time_zone: str) -> dict[str, Any]:
    from datetime import datetime

    from tocsin.domain.wall import reading_of, zone

    def shown(text: str) -> str:
        return f"{reading_of(datetime.fromisoformat(text), zone(time_zone)):%a %Y-%m-%d %H:%M}"

    return {**item, "user": item["user"] or "nobody", "start": shown(item["start"]), "end": shown(item["end"])}


@oncall.command("next")
@remote
@formatted
@click.argument("user")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 100))
def next_(client: Client, output: str | None, user: str, limit: int) -> None:
    """Show the next shifts of a USER, in all schedules.

    \b
    tocsin oncall next ana
    """
    found = client.get(f"/api/v1/oncall/users/{quote(user, safe='')}/shifts", limit=limit)
    columns = ("schedule", "start", "end", "by", "source", "instead_of")
    show(found["items"], output=output, columns=columns, name="schedule")


@oncall.command("override")
@remote
@acting
@formatted
@click.argument("schedule")
@click.argument("user")
@click.option("--from", "begin", required=True, metavar="TIME", help=f"{TIME}.")
@click.option("--to", "end", required=True, metavar="TIME", help="Until when.")
@click.option("--replaces", default="", metavar="USER", help="Take only the shifts of this user.")
@click.option("--reason", default="", help="Why; stands in the history.")
def override(
    client: Client,
    output: str | None,
    schedule: str,
    user: str,
    begin: str,
    end: str,
    replaces: str,
    reason: str,
) -> None:
    """Let a USER take the duty of a SCHEDULE for a while. The override made last counts.

    \b
    tocsin oncall override ops bo --from 2026-03-29T09:00 --to 2026-03-29T18:00 --reason dentist
    """
    body = {"user": user, "from": begin, "to": end, "replaces": replaces, "reason": reason}
    _shown([_sent(client, _path(schedule, "/overrides"), body)], output)


@oncall.command("swap")
@remote
@acting
@formatted
@click.argument("schedule")
@click.argument("user")
@click.argument("other")
@click.option("--at", "first", default="", metavar="TIME", help="A time within the shift of USER; default: the next.")
@click.option("--for", "second", default="", metavar="TIME", help="A time within that of OTHER; default: the next.")
@click.option("--reason", default="", help="Why; stands in the history.")
def swap(
    client: Client, output: str | None, schedule: str, user: str, other: str, first: str, second: str, reason: str
) -> None:
    """Let two users take one shift of each other.

    \b
    tocsin oncall swap ops ana bo
    tocsin oncall swap ops ana bo --at 2026-12-24T12:00 --for 2026-12-31T12:00
    """
    body = {"users": [user, other], "at": [first, second], "reason": reason}
    _shown(_sent(client, _path(schedule, "/swap"), body)["items"], output)


def _sent(client: Client, path: str, body: dict[str, Any]) -> Any:
    import orjson

    return client.send("POST", path, content=orjson.dumps(body))


def _shown(items: list[dict[str, Any]], output: str | None) -> None:
    show(items, output=output, columns=OVERRIDE, name="id")


@oncall.command("overrides")
@remote
@formatted
@click.argument("schedule")
@click.option("--ended", is_flag=True, help="Those that are over, too.")
def overrides(client: Client, output: str | None, schedule: str, ended: bool) -> None:
    """List the overrides of a SCHEDULE.

    \b
    tocsin oncall overrides ops
    """
    found = client.get(_path(schedule, "/overrides"), ended="true" if ended else "")
    _shown(found["items"], output)


@oncall.command("cancel")
@remote
@acting
@click.argument("override_id", metavar="OVERRIDE")
@click.option("--reason", default="", help="Why; stands in the history.")
def cancel(client: Client, override_id: str, reason: str) -> None:
    """Take an OVERRIDE back, by its id.

    \b
    tocsin oncall cancel 20260329-bo-1f2e3d4c
    """
    path = f"/api/v1/settings/override/{quote(override_id, safe='')}"
    client.send("DELETE", path, parameters={"reason": reason})
    say(f"override {plain(override_id)} is taken back")


@oncall.command("report")
@remote
@formatted
@click.argument("schedule")
@click.option("--from", "begin", default="", metavar="TIME", help=f"Default: today. {TIME}.")
@click.option("--to", "end", default="", metavar="TIME", help="Default: 14 days later.")
def report(client: Client, output: str | None, schedule: str, begin: str, end: str) -> None:
    """Show the load of each user: hours, nights (22 to 6) and weekends, by the user's own clock.

    \b
    tocsin oncall report ops --from 2026-01-01 --to 2026-04-01
    """
    found = client.get(_path(schedule, "/report"), **{"from": begin, "to": end})
    items = found["items"] if output in ("json", "jsonl", "yaml") else [_named(one) for one in found["items"]]
    show(items, output=output, columns=LOAD, name="user")


def _named(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "user": item["user"] or "nobody"}


@oncall.command("handover")
@remote
@formatted
@click.argument("schedule")
@click.option("--at", default="", metavar="TIME", help="The first handover after this time; default: now.")
def handover(client: Client, output: str | None, schedule: str, at: str) -> None:
    """Say who hands over to whom next, and what is open.

    \b
    tocsin oncall handover ops
    """
    found = client.get(_path(schedule, "/handover"), at=at)
    if document(found, output):
        return
    following = found["handover"]
    if following is None:
        say(f"nobody hands over in {schedule}")
    elif output == "name":
        click.echo(plain(following["taking"]))
    else:
        pairs({name: following[name] or "nobody" for name in ("at", "giving", "taking")}, ("at", "giving", "taking"))
        heading(f"Open incidents ({found['total']})")
        table(found["incidents"], ("number", "severity", "status", "title", "service", "opened_at"))


@oncall.command("export-ics")
@remote
@click.argument("schedule", default="")
@click.option("--user", default="", help="The shifts of one user in all schedules, instead of a schedule.")
@click.option("--into", type=click.File("wb"), default="-", help="File; default: standard output.")
def export_ics(client: Client, schedule: str, user: str, into: IO[bytes]) -> None:
    """Write a SCHEDULE, or the shifts of a user, as an iCalendar file: a month back, half a year ahead.

    Calendar programs can subscribe to the same by HTTP: /api/v1/oncall/SCHEDULE.ics.

    \b
    tocsin oncall export-ics ops --into ops.ics
    tocsin oncall export-ics --user ana > ana.ics
    """
    if bool(schedule) == bool(user):
        raise click.UsageError("name a schedule or --user, one of both")
    path = f"/api/v1/oncall/users/{quote(user, safe='')}.ics" if user else _path(schedule, ".ics")
    into.write(client.text(path).encode())


@oncall.command("import-ics")
@remote
@acting
@formatted
@click.argument("schedule")
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--reason", default="", help="Why; stands in the history.")
def import_ics(client: Client, output: str | None, schedule: str, file: IO[bytes], dry_run: bool, reason: str) -> None:
    """Take the events of an iCalendar FILE as overrides of a SCHEDULE.

    Events that say what holds anyway are left out. What cannot be taken exactly is said, and taken by nobody.

    \b
    tocsin oncall import-ics ops holidays.ics --dry-run
    """
    found = client.send(
        "POST",
        _path(schedule, "/import"),
        content=file.read(),
        content_type="text/calendar",
        parameters={"dry_run": "true" if dry_run else "", "reason": reason},
    )
    if not document(found, output):
        _shown(found["items"], output)
    for problem in found["problems"]:
        say(plain(problem))
    words = "would be taken" if dry_run else "taken"
    say(f"{len(found['items'])} {words}, {found['unchanged']} hold anyway, {len(found['problems'])} cannot be taken")
    if found["problems"]:
        raise Ended("not every event was taken")
