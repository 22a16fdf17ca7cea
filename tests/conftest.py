"""What holds for every test."""

import gc

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is.
settings.register_profile("tailrace", deadline=None)
settings.load_profile("tailrace")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Put what is here before the first test out of the collector's sight.

    Many tests collect garbage to see what they have left behind; with all modules and plugins in
    the heap that would be a third of the suite's time.
    """
    gc.collect()
    gc.freeze()
