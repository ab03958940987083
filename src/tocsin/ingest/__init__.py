"""ingest: raw bytes of any supported format in, normalized alerts out; stateless.

`document` reads JSON, `formats/` know the foreign shapes, `limits` refuses or cuts, `normalise` says what identifies an
alert and where it goes, `map` is the stage, `intake` is what the HTTP edge asks before it publishes.
"""
