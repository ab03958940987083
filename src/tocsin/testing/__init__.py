"""The public kit for tests: clock, in-memory broker, builders, given/when/then, simulator."""
