"""What holds for every test."""

import gc
import logging
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Processes of tests inherit what the tests were started with: in the background of a shell, or
# under nohup, these signals are ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# How long an example takes says how busy the machine is.
settings.register_profile("tailrace", deadline=None)
settings.load_profile("tailrace")


@pytest.fixture(scope="module", autouse=True)
def _out_of_the_collectors_sight() -> None:
    """Keep what is here before a module's first test out of each collection.

    Many tests collect garbage to see what they have left behind; with all modules, plugins and
    reports in the heap that would be a third of the suite's time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Take back what a command that ran in this process did to the loggers."""
    root, ours = logging.getLogger(), logging.getLogger("tailrace")
    handlers, level, our_level = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    ours.setLevel(our_level)
