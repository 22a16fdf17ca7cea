"""Streams of values: server-sent events, lines of JSON, one JSON array."""
