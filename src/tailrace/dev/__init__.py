"""Emulator and gateway in one process, reloaded when files change: `tailrace dev`."""

from tailrace.dev.service import Dev

__all__ = ["Dev"]
