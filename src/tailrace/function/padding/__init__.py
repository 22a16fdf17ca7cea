"""Padding: bytes that a content type ignores, and the places where it does."""
