"""ingest: raw bytes of any supported format in, normalized alerts out; stateless."""
