"""New folders with a pipeline that runs: whole, or not there at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from string import Template

from tidegate.core.errors import ProjectError, SinkError
from tidegate.core.projects.projectfile import PROJECT_FILE

__all__ = ["filled", "make_project"]


def filled(files: Mapping[str, str], **words: str) -> dict[str, str]:
    """Put words in place of ``$word`` in the texts of files.

    Examples
    --------
    >>> filled({"README.md": "# $name"}, name="pump")
    {'README.md': '# pump'}
    """
    return {path: Template(text).substitute(words) for path, text in files.items()}


def make_project(folder: Path, files: Mapping[str, str]) -> bool:
    """Make a folder of files.

    Parameters
    ----------
    folder : Path
        Where; the folders above it are made too.
    files : mapping of str to str
        Names to contents.

    Returns
    -------
    bool
        False if there is a pipeline already; all of it is left as it is.

    Raises
    ------
    ProjectError
        If something else is there.
    SinkError
        If it cannot be written.
    """
    if (folder / PROJECT_FILE).is_file():
        return False
    if os.path.lexists(folder):
        raise ProjectError(
            f"{folder}: is there already, without a {PROJECT_FILE}; choose another name"
        )
    growing = folder.with_name(f".tidegate-{os.urandom(8).hex()}.tmp")
    try:
        growing.mkdir(parents=True)
        for name, text in files.items():
            (growing / name).write_text(text, encoding="utf-8")
        growing.rename(folder)
    except OSError as error:
        raise SinkError(
            f"{folder}: cannot be made: {error.strerror}; choose another folder"
        ) from error
    finally:
        shutil.rmtree(growing, ignore_errors=True)
    return True
