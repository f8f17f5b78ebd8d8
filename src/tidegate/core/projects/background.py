"""Pipelines in the background: started, looked at, and ended cleanly; never a stranger."""

from __future__ import annotations

import subprocess
import sys
import time

from tidegate.core.errors import ProjectError, SinkError
from tidegate.core.home import made_folder
from tidegate.core.projects.processes import ask_to_end, has_ended
from tidegate.core.projects.projectfile import Project
from tidegate.core.projects.runfolder import CLOCK_SECONDS, RunFolder
from tidegate.core.projects.statefile import RunState, read_state

__all__ = ["look", "start", "stop"]

START_SECONDS = 60.0
STOP_SECONDS = 60.0
END_SECONDS = 2.0  # for the process itself, which may be a script that goes on
POLL_SECONDS = 0.02

# The shell ends at once, and the process belongs to nobody here: no zombie, nothing to wait for.
DETACH = 'out=$1; shift; "$@" </dev/null >"$out" 2>&1 & echo $!'


def start(project: Project, *, fresh: bool = False) -> RunState:
    """Run the pipeline of a folder in a process of its own, which outlives this one.

    Parameters
    ----------
    project : Project
        What to run.
    fresh : bool, default False
        Begin anew instead of where it was stopped.

    Returns
    -------
    RunState
        The first that it said of itself.

    Raises
    ------
    ProjectError
        If it runs already, or ended with an error before it had begun.
    """
    run = RunFolder.of(project.folder, project.name)
    if run.owner() is not None:
        raise run.runs_already()
    made_folder(run.path)
    pid = _spawn(project, run, fresh=fresh)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        is_over = has_ended(pid)  # asked first: what it has said by then is there
        state = read_state(run.state_file)
        if state is not None and state.pid == pid:
            if state.status == "failed":
                raise ProjectError(f"{run.name}: could not run: {state.error}")
            return state
        if is_over:
            raise ProjectError(f"{run.name}: could not start: {_last_words(run)}")
        time.sleep(POLL_SECONDS)
    raise ProjectError(f"{run.name}: has not said anything for {START_SECONDS:.0f} s; stop it")


def _spawn(project: Project, run: RunFolder, *, fresh: bool) -> int:
    """Start the process in a session of its own, and tell its id."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "tidegate.core.projects.projectmain",
        str(project.folder),
    ]
    if fresh:
        command.append("--fresh")
    try:
        shell = subprocess.run(  # noqa: S603 - our own words, and paths as arguments
            ["/bin/sh", "-c", DETACH, "sh", str(run.output_file), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
            check=True,
        )
        return int(shell.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise SinkError(f"{run.name}: no process can be started: {error}") from error


def _last_words(run: RunFolder) -> str:
    """Read the last line that a process has printed."""
    try:
        text = run.output_file.read_bytes()[-4096:].decode("utf-8", "replace").strip()
    except OSError:
        text = ""
    return text.splitlines()[-1] if text else "it ended without a word"


def stop(project: Project, *, timeout: float = STOP_SECONDS) -> bool:
    """Have the running pipeline of a folder save its state and end.

    Returns
    -------
    bool
        False if nothing runs; no signal is sent to anyone then.

    Raises
    ------
    ProjectError
        If it still runs after `timeout` seconds, or the lock is a stranger's.
    """
    run = RunFolder.of(project.folder, project.name)
    owner = run.owner()
    if owner is None:
        return False
    ask_to_end(owner.pid, owner.started, CLOCK_SECONDS)
    deadline = time.monotonic() + timeout
    while run.owner() == owner:
        if time.monotonic() > deadline:
            raise ProjectError(
                f"{run.name}: pid {owner.pid} still runs {timeout:.0f} s after it was asked to "
                "end; look at its log"
            )
        time.sleep(POLL_SECONDS)
    deadline = time.monotonic() + END_SECONDS
    while not has_ended(owner.pid) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return True


def look(project: Project) -> RunState | None:
    """Tell the state of a folder's pipeline; None if it has never run.

    Returns
    -------
    RunState
        With ``status`` "died" where the process is gone and has not said so.
    """
    run = RunFolder.of(project.folder, project.name)
    is_running = run.owner() is not None
    state = read_state(run.state_file)
    if state is not None and state.status == "running" and not is_running:
        state.status = "died"
        state.rows_per_second = 0.0
    return state
