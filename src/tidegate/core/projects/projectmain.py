"""Run a pipeline in the background: ``python -m tidegate.core.projects.projectmain``."""

from __future__ import annotations

import sys
from pathlib import Path

from tidegate.core.errors import TidegateError
from tidegate.core.projects.projectfile import read_project
from tidegate.core.projects.projectrun import run_project

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Run the pipeline of a folder; 0 done or stopped, 1 failed (one line says why)."""
    folder, *rest = arguments
    try:
        run_project(read_project(Path(folder)), fresh="--fresh" in rest)
    except TidegateError as error:
        print(str(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
