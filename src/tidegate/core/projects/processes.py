"""Processes by id, told apart by when they were started."""

from __future__ import annotations

import psutil  # type: ignore[import-untyped]

from tidegate.core.errors import ProjectError

__all__ = ["ask_to_end", "has_ended", "started_at"]


def started_at(pid: int) -> float | None:
    """Tell when a process was started, in seconds since 1970; None if there is none.

    Examples
    --------
    >>> import os
    >>> started_at(os.getpid()) is not None, started_at(2**30)
    (True, None)
    """
    try:
        return float(psutil.Process(pid).create_time())
    except (psutil.Error, ValueError, OverflowError):
        return None


def has_ended(pid: int) -> bool:
    """Whether there is no such process, or only what is left of it."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


def ask_to_end(pid: int, started: float, tolerance: float) -> None:
    """Send a process SIGTERM, if it is the one that was started then; else nothing.

    Raises
    ------
    ProjectError
        If it is another user's.
    """
    try:
        process = psutil.Process(pid)  # holds on to the start time, and looks before it sends
        if abs(process.create_time() - started) <= tolerance:
            process.terminate()
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied as error:
        raise ProjectError(f"pid {pid} is another user's; ask its owner to stop it") from error
