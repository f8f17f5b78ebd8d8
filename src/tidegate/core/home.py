"""Where tidegate keeps what outlives a command, and which names may be made there."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from tidegate.core.errors import InputError, SinkError

__all__ = ["Kind", "home_folder", "inside", "made_folder", "safe_name"]

Kind = Literal["rules", "log", "run"]

XDG: dict[str, tuple[str, str]] = {
    "rules": ("XDG_CONFIG_HOME", ".config"),
    "log": ("XDG_STATE_HOME", ".local/state"),
    "run": ("XDG_STATE_HOME", ".local/state"),
}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)


def home_folder(kind: Kind) -> Path:
    """Tell the folder for things of a kind; it need not be there yet.

    Parameters
    ----------
    kind : {"rules", "log", "run"}
        Installed rules, logs, or the state of what runs.

    Returns
    -------
    Path
        In ``$TIDEGATE_HOME`` where that is set, else in the folders of the XDG specification.

    Raises
    ------
    InputError
        If there is neither, nor a home folder.

    References
    ----------
    XDG Base Directory Specification 0.8: a relative path in a variable is to be ignored.

    Examples
    --------
    >>> home_folder("log").name
    'log'
    """
    given = os.environ.get("TIDEGATE_HOME")
    if given:
        return Path(given).absolute() / kind
    variable, below = XDG[kind]
    base = Path(os.environ.get(variable, ""))
    if not base.is_absolute():
        try:
            base = Path.home() / below
        except RuntimeError as error:
            raise InputError("there is no home folder; set TIDEGATE_HOME to a folder") from error
    return base / "tidegate" / kind


def made_folder(folder: Path) -> Path:
    """Make a folder of the home, for its owner alone, if it is not there.

    Raises
    ------
    SinkError
        If it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(
            f"{folder}: cannot be made: {error.strerror}; set TIDEGATE_HOME to another folder"
        ) from error
    return folder


def safe_name(name: str, what: str) -> str:
    """Return a name that is safe as that of a file or folder.

    Raises
    ------
    InputError
        If it is not of letters, digits, ``_``, ``-`` and ``.``, a letter or digit first, 64 at
        most.

    Examples
    --------
    >>> safe_name("mean-reversion", "the strategy")
    'mean-reversion'
    """
    if not NAME.fullmatch(name) or ".." in name or name.endswith("."):
        raise InputError(
            f"{what} {name[:80]!r}: use letters, digits, '_', '-' and '.', a letter or digit "
            "first, at most 64"
        )
    return name


def inside(folder: Path, path: str, what: str) -> Path:
    """Return the place of a path in a folder, links followed.

    Raises
    ------
    InputError
        If the path is absolute or leaves the folder.

    Examples
    --------
    >>> inside(Path("/srv/sensors"), "data/x.csv", "the source") == Path("/srv/sensors/data/x.csv")
    True
    """
    root = folder.resolve()
    place = root if not path or "\0" in path or Path(path).is_absolute() else root / path
    place = place.resolve()
    if place == root or not place.is_relative_to(root):
        raise InputError(f"{what} {path[:200]!r} is not within {root}: give a path below it")
    return place
