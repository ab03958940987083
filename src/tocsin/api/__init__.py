"""The outside surface over HTTP: intake, queries, commands, health, metrics."""
