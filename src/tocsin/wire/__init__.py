"""How our records look in the log: event values, CloudEvents headers, normalized batches, commands, schemas. Pure."""
