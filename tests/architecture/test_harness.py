"""The rules of tests/conftest.py, tried out on small test files in processes of their own."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # each starts pytest anew

CONFTEST = (Path(__file__).parents[1] / "conftest.py").read_text(encoding="utf-8")

SKIPS = {
    "test_in_a_test": "import pytest\ndef test_it():\n    pytest.skip('no broker')",
    "test_by_a_mark": "import pytest\n@pytest.mark.skip(reason='no broker')\ndef test_it(): pass",
    "test_of_a_module": "import pytest\npytest.skip('no broker', allow_module_level=True)",
    "test_of_an_import": "import pytest\npytest.importorskip('no_broker', reason='no broker')",
}


@pytest.fixture
def harness(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for name in ("CI", "TOCSIN_TEST_SEED", "TOCSIN_TEST_NOTHING_SKIPPED"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeconftest(CONFTEST)
    return pytester


def test_a_skip_is_a_failure_where_nothing_may_be_skipped(
    harness: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.makepyfile(**SKIPS)
    harness.runpytest_subprocess().assert_outcomes(skipped=len(SKIPS))
    monkeypatch.setenv("TOCSIN_TEST_NOTHING_SKIPPED", "1")
    result = harness.runpytest_subprocess("--continue-on-collection-errors")
    result.assert_outcomes(failed=1, errors=3)
    assert result.stdout.str().count("nothing may be skipped here, but this was.") >= len(SKIPS)


def test_an_expected_failure_is_no_skip(harness: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_TEST_NOTHING_SKIPPED", "1")
    harness.makepyfile("import pytest\n@pytest.mark.xfail(reason='known')\ndef test_it(): assert False")
    harness.runpytest_subprocess().assert_outcomes(xfailed=1)


def test_the_printed_seed_repeats_the_run(harness: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.makepyfile("def test_it(seed): print('drawn', seed)")
    printed = re.search(r"TOCSIN_TEST_SEED=(\d+)", harness.runpytest_subprocess("-s").stdout.str())
    assert printed is not None
    monkeypatch.setenv("TOCSIN_TEST_SEED", printed[1])
    harness.runpytest_subprocess("-s").stdout.fnmatch_lines([f"*drawn {printed[1]}*"])


def test_a_given_seed_fixes_what_hypothesis_draws(harness: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.makepyfile(
        "from hypothesis import given, strategies as st\n"
        "@given(st.integers())\n"
        "def test_it(number): print('drawn', number)"
    )

    def drawn(seed: str) -> list[str]:
        monkeypatch.setenv("TOCSIN_TEST_SEED", seed)
        return [line for line in harness.runpytest_subprocess("-s").outlines if line.startswith("drawn")]

    assert drawn("1") == drawn("1") != drawn("2")


def test_long_modules_begin(harness: pytest.Pytester) -> None:
    harness.makepyfile(test_alone="def test_it(): pass", test_kill="def test_it(): pass")
    harness.runpytest_subprocess("-v").stdout.fnmatch_lines(["test_kill.py::*", "test_alone.py::*"])


def test_a_test_that_would_never_run_is_refused(harness: pytest.Pytester) -> None:
    folder = harness.mkdir("tests") / "unit"
    folder.mkdir()
    (folder / "test_slow.py").write_text("import pytest\n@pytest.mark.slow\ndef test_it(): pass")
    result = harness.runpytest_subprocess("-m", "not slow")
    result.stderr.fnmatch_lines(["*test_slow.py::test_it: deploy/test looks for such tests in other folders"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR
