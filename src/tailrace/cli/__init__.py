"""The command line."""

from tailrace.cli.entry import main

__all__ = ["main"]
