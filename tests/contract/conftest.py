"""A real Kafka for the tests that ask for one."""

from kafka.fixtures import kafka, prefix, secure_kafka, three_kafkas  # noqa: F401
