"""The stories are no test modules; their assertions show values all the same."""

import pytest

pytest.register_assert_rewrite("scenarios.grouping", "scenarios.answering", "scenarios.sources", "scenarios.sending")
