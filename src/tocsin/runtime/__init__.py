"""Batches, ownership, claim, load, commits, positions, deadlines, effects, metrics, shutdown: once, for all stages."""
