"""Cutting a callback at every byte: no client takes the response for complete."""
