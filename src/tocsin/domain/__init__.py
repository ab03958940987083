"""What the words mean. Pure: no I/O, no clock, no randomness; standard library and msgspec structs only."""
