"""`tocsin acceptance`: eleven scenarios against a running tocsin, from outside."""

from typing import Any, Final

import click

from tocsin.cli.client import token_of
from tocsin.cli.exits import FAILED, UNREACHABLE, Ended
from tocsin.cli.output import document, formatted, plain, say

FIGURES: Final = (
    "total_tests",
    "passed_tests",
    "failed_tests",
    "success_rate",
    "created_incidents",
    "processed_alerts",
)


@click.command()
@click.argument("url", envvar="TOCSIN_URL", default="http://127.0.0.1:9393")
@click.option(
    "--token", envvar="TOCSIN_TOKEN", show_envvar=True, default="", help="Token, when the API wants one, or file:/path."
)
@click.option(
    "--wait", default=20.0, show_default=True, type=click.FloatRange(0.5, 30), help="Seconds anything may take."
)
@formatted
def acceptance(url: str, token: str, wait: float, output: str | None) -> None:
    """Run eleven scenarios against the tocsin at URL; exit 0 when all of them passed.

    Incidents are opened and people are told for real, up to severity emergency; everything carries the label
    tocsin_test=true, and is resolved and voided at the end.

    \b
    tocsin acceptance http://127.0.0.1:9393
    tocsin acceptance -o json | jq .success_rate
    """
    import httpx

    from tocsin.testing.acceptance import AcceptanceTester, Result

    def told(result: Result) -> None:
        mark = "passed" if result.passed else "FAILED"
        say(f"{mark}  {result.name:<32} {result.seconds:6.2f} s  {plain(result.detail)}")

    try:
        tester = AcceptanceTester(url, token_of(token), wait=wait)
        tester.check_reachable()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise Ended(f"cannot reach {url}: {error} (is `tocsin run` running?)", UNREACHABLE) from None
    report: dict[str, Any] = tester.run_all_tests(told)
    if not document(report, output):
        for name in FIGURES:
            click.echo(f"{name:<20} {report[name]}")
    if report["failed_tests"]:
        raise Ended(f"{report['failed_tests']} of {report['total_tests']} scenarios failed", FAILED)
