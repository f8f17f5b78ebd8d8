"""Which pipeline a command means: the folder that was named, else the only one that is there."""

from __future__ import annotations

from pathlib import Path

from tidegate.core.errors import ProjectError
from tidegate.core.projects.projectfile import PROJECT_FILE, Project, read_project

__all__ = ["find_project", "project_folders"]

MAX_NAMED = 5


def project_folders(base: Path) -> list[Path]:
    """List the folders with a pipeline that a command may mean: this one, or those in `base`.

    Examples
    --------
    >>> project_folders(Path("/no/such/folder"))
    []
    """
    if Path(PROJECT_FILE).is_file():
        return [Path()]
    if not base.is_dir():
        return []
    return sorted(path.parent for path in base.glob(f"*/{PROJECT_FILE}") if path.is_file())


def find_project(folder: Path | None, base: Path = Path(), *, make: str) -> Project:
    """Read the pipeline that a command means.

    Parameters
    ----------
    folder : Path or None
        The folder that was named.
    base : Path, default the current folder
        Where folders of pipelines stand, if none was named and this is none.
    make : str
        The command that makes one, for the message.

    Raises
    ------
    ProjectError
        If there is none, or there are several.
    """
    if folder is not None:
        return read_project(folder)
    found = project_folders(base)
    if not found:
        place = f"{base}/ or here" if base != Path() else "here"
        raise ProjectError(f"there is no pipeline {place}; make one by: {make}")
    if len(found) > 1:
        names = ", ".join(str(path) for path in found[:MAX_NAMED])
        more = ", …" if len(found) > MAX_NAMED else ""
        raise ProjectError(f"there are several pipelines here: {names}{more}; name one of them")
    return read_project(found[0])
