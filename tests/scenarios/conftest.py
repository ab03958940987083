"""The stories are no test modules; their assertions show values all the same."""

import pytest

from kafka.fixtures import kafka, prefix  # noqa: F401 - a real Kafka for the tests that ask for one

pytest.register_assert_rewrite("scenarios.grouping", "scenarios.answering", "scenarios.sources", "scenarios.sending")
