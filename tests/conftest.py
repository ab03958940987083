"""What holds for every test: nothing is skipped where nothing may be, and chance has a seed that is printed.

Environment:
    TOCSIN_TEST_NOTHING_SKIPPED=1  a skip is a failure: a machine that misses a program must not look green
    TOCSIN_TEST_SEED=<number>      repeats a run; without it a new seed is drawn, but not with CI=true
    CI=true                        more examples a property, and always the same seed: a change is stopped for what
                                   it does and not for what is drawn; who looks for something new draws at a desk
"""

import os
import secrets
from collections.abc import Iterator

import pytest
from hypothesis import settings

SEED_WAS_GIVEN = "TOCSIN_TEST_SEED" in os.environ
PROFILE = "ci" if os.environ.get("CI") == "true" else "default"
CI_SEED = 20_261_122
# In the environment, so that the workers of pytest-xdist draw no seeds of their own.
SEED = int(os.environ.setdefault("TOCSIN_TEST_SEED", str(CI_SEED if PROFILE == "ci" else secrets.randbelow(2**32))))

# No deadline: a timed assertion fails on a busy machine and on nothing else.
settings.register_profile("default", deadline=None, print_blob=True, max_examples=40)
settings.register_profile("ci", deadline=None, print_blob=True, max_examples=300)
settings.load_profile(PROFILE)


@pytest.fixture
def seed() -> int:
    """The seed of this run, for tests that draw by chance."""
    return SEED


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # With a fixed seed hypothesis keeps no failing examples between runs, so at a desk it stays free.
    if config.option.hypothesis_seed is None and (SEED_WAS_GIVEN or PROFILE == "ci"):
        config.option.hypothesis_seed = str(SEED)


INTEGRATION_SECONDS = 300
"""For a test with real programs that says nothing else: where everything is started at once, a minute is soon over."""
LONGEST = (
    *("test_kafka_kills", "test_deadlines", "test_monitoring", "test_kafka_steps", "test_escalation"),
    *("test_kafka_broker_loss", "test_kafka_remedies", "test_kill", "test_alertmanager_alike", "test_kafka_members"),
    *("test_on_kafka", "test_kafka_node", "test_situations", "test_kafka_faults", "test_compose", "test_mutations"),
    *("test_order", "test_simulation"),
)
"""Modules that begin first, so that none is alone in the end; those that mostly wait between those that work."""
PLAIN_FOLDERS = ("unit", "property")
"""Below `tests`: deploy/test looks for tests that need other programs or minutes in the other ones only."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    tests = config.rootpath / "tests"
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        if "integration" in marks and "timeout" not in marks:
            item.add_marker(pytest.mark.timeout(INTEGRATION_SECONDS))
        if marks & {"integration", "simulation_long", "slow"} and any(
            item.path.is_relative_to(tests / folder) for folder in PLAIN_FOLDERS
        ):
            raise pytest.UsageError(f"{item.nodeid}: deploy/test looks for such tests in other folders")
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_report_header() -> str:
    return f"seed: TOCSIN_TEST_SEED={SEED}, hypothesis profile: {PROFILE}"


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("TOCSIN_TEST_NOTHING_SKIPPED") != "1":
        return
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"nothing may be skipped here, but this was. {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    report = yield
    _fail_if_skipped(report)
    return report
