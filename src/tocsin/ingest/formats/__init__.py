"""One file per foreign format: bytes in, alerts or a precise reason out. Nothing else knows the format."""
