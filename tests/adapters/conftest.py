"""What the tests of all adapters share."""

import logging
from contextlib import contextmanager

import pytest


@pytest.fixture
def bare_root_logger():
    """A context with the root logger without handlers, put back afterwards as it was.

    Pytest adds handlers of its own between the fixtures and the test.
    """

    @contextmanager
    def bare():
        root = logging.getLogger()
        level, handlers = root.level, root.handlers[:]
        root.handlers.clear()
        try:
            yield root
        finally:
            for handler in root.handlers:
                handler.close()
            root.handlers[:] = handlers
            root.setLevel(level)

    return bare
