"""`tocsin topics`: the log as it is, and on Kafka what makes it as it has to be.

`plan` and `apply` talk to the cluster and work without a running tocsin; the others ask a running one over HTTP.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from tocsin.cli.client import Client, remote
from tocsin.cli.config import file_option, settings_from
from tocsin.cli.exits import Ended
from tocsin.cli.output import formatted, json_text, say, show
from tocsin.cli.suggesting import Suggesting

PAGE: Final = 1000
WAIT_SECONDS: Final = 2.0
"""One round over all partitions when nothing comes; Ctrl-C is felt at once, a record within the round."""


@click.group(cls=Suggesting)
def topics() -> None:
    """Look at the topics of the log; on Kafka, create and check them."""


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


@topics.command()
@file_option
@formatted
def plan(path: Path | None, output: str | None) -> None:
    """Say what `apply` would do to the topics on Kafka; change nothing.

    Exit 0: nothing to do. 5: something. 1: a topic cannot be used as it is, with what to do instead.

    \b
    tocsin topics plan -c tocsin.yaml
    """
    from tocsin.cli.topic_plan import code_of, look

    found = look(settings_from(path))
    _planned(found, output)
    if found is not None and (code := code_of(found)):
        if found.refused:
            raise Ended("some topics cannot be used as they are")
        say(f"{len(found.todo)} of {len(found.steps)} topics are to be made or changed: tocsin topics apply")
        sys.exit(code)


@topics.command()
@file_option
@formatted
def apply(path: Path | None, output: str | None) -> None:
    """Create what is missing on Kafka and correct settings; then look again.

    Nothing is deleted and no number of partitions is changed. When one topic is refused, none is touched.

    \b
    tocsin topics apply -c tocsin.yaml
    """
    from tocsin.cli.topic_plan import apply as apply_plan

    left = apply_plan(settings_from(path), say)
    _planned(left, output)
    if left is not None and left.refused:
        raise Ended("nothing was changed: some topics cannot be used as they are")
    if left is not None and left.todo:
        raise Ended("the cluster does not show all changes yet; look again: tocsin topics plan")


def _planned(found: Any, output: str | None) -> None:
    from tocsin.cli.topic_plan import COLUMNS, items

    if found is None:
        say("the embedded log makes its topics itself: nothing to do")
    show([] if found is None else items(found), output=output, columns=COLUMNS, name="topic")


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
