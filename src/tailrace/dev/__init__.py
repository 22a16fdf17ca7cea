"""Emulator and gateway in one process, reloaded when files change: `tailrace dev`."""

from tailrace.dev.service import Dev
from tailrace.dev.settings import DevSettings, Transport, Wanted

__all__ = ["Dev", "DevSettings", "Transport", "Wanted"]
