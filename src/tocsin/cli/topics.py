"""`tocsin topics`: the log as it is."""

from collections.abc import Iterator
from typing import Any, Final

import click

from tocsin.cli.client import Client, remote
from tocsin.cli.output import formatted, json_text, show
from tocsin.cli.suggesting import Suggesting

PAGE: Final = 1000
WAIT_SECONDS: Final = 2.0
"""One round over all partitions when nothing comes; Ctrl-C is felt at once, a record within the round."""


@click.group(cls=Suggesting)
def topics() -> None:
    """Look at the topics of the log."""


@topics.command("list")
@remote
@formatted
def list_(client: Client, output: str | None) -> None:
    """List the topics.

    \b
    tocsin topics list -o json
    """
    items = client.get("/api/v1/topics")["items"]
    if output not in ("json", "jsonl", "yaml"):
        items = [{**item, "partitions": len(item["partitions"])} for item in items]
    show(items, output=output, columns=("topic", "kind", "partitions", "records", "retention_days"), name="topic")


@topics.command()
@remote
@click.argument("topic")
@click.option("--partition", type=click.IntRange(0), default=None, help="Default: all.")
@click.option("--from", "start", type=int, default=None, help="First offset; default: the oldest record.")
def export(client: Client, topic: str, partition: int | None, start: int | None) -> None:
    """Print the records of TOPIC as JSON lines, exactly as they are, and end.

    \b
    tocsin topics export incidents.events.v1 > incidents.jsonl
    """
    for number in _partitions(client, topic, partition):
        offset, end = start, None
        while end is None or (offset or 0) < end:
            page = _page(client, topic, number, offset)
            for record in page["records"]:
                click.echo(json_text(record))
            end = page["end"] if end is None else end
            offset = page["next"]
            if not page["records"]:
                break


@topics.command()
@remote
@click.argument("topic")
@click.option("--partition", type=click.IntRange(0), default=None, help="Default: all.")
@click.option("-n", "--last", default=10, show_default=True, type=click.IntRange(0, PAGE), help="Records before now.")
@click.option("--no-follow", is_flag=True, help="End instead of waiting for more.")
def tail(client: Client, topic: str, partition: int | None, last: int, no_follow: bool) -> None:
    """Print the last records of TOPIC as JSON lines, then those that come, until Ctrl-C.

    \b
    tocsin topics tail notifications.events.v1
    """
    offsets = {}
    for number in _partitions(client, topic, partition):
        page = _page(client, topic, number, -last) if last else _page(client, topic, number, -1)
        _print(page["records"] if last else [])
        offsets[number] = page["next"]
    try:
        while not no_follow:
            for number in offsets:
                page = _page(client, topic, number, offsets[number], WAIT_SECONDS / len(offsets))
                _print(page["records"])
                offsets[number] = page["next"]
    except KeyboardInterrupt:
        return


def _print(records: list[dict[str, Any]]) -> None:
    for record in records:
        click.echo(json_text(record))


def _partitions(client: Client, topic: str, only: int | None) -> Iterator[int]:
    if only is not None:
        yield only
        return
    found = {item["topic"]: item for item in client.get("/api/v1/topics")["items"]}
    # An unknown topic is left to the server, which names the nearest one.
    yield from (one["partition"] for one in found.get(topic, {"partitions": [{"partition": 0}]})["partitions"])


def _page(client: Client, topic: str, partition: int, start: int | None, wait: float = 0.0) -> dict[str, Any]:
    parameters = {"from": start, "limit": PAGE, "wait": wait or None}
    page: dict[str, Any] = client.send("GET", f"/api/v1/topics/{topic}/{partition}/records", parameters=parameters)
    return page
