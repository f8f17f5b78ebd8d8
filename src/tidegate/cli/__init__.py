"""The command line: `tidegate COMMAND`."""

from tidegate.cli.base import main

__all__ = ["main"]
