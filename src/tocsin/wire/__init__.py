"""How our records look in the log: event values and CloudEvents headers, normalized batches, commands, schemas. Pure."""
