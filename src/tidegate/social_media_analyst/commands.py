"""The command line of analysts' scripts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tidegate.core.finding import find_project, project_folders
from tidegate.core.projects import background
from tidegate.core.projects.projectfile import Project
from tidegate.core.projects.runfolder import RunFolder
from tidegate.core.reporting import reported, to_stderr

__all__ = ["run"]

PHRASES = {
    "start": ("Pipeline started", "run this folder's pipeline in the background"),
    "monitor": ("Monitoring throughput", "show rows in and out, late, rate, watermark"),
    "logs": ("Tailing logs", "show what was logged, newest last"),
}
MAKE = "tidegate social scaffold posts"
N_LINES = 20


def run(arguments: Sequence[str] | None) -> int:
    """Do what the arguments say; 0 done (or nothing to do it on), 1 failed."""
    parser = argparse.ArgumentParser(description="Windows over posts.")
    commands = parser.add_subparsers(dest="command")
    for name, (_, text) in PHRASES.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("folder", nargs="?", help="(default: the only one here)")
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    print(PHRASES[options.command][0], flush=True)
    return reported(lambda: _work(options))


def _work(options: argparse.Namespace) -> int:
    """Do one command on the pipeline that is meant."""
    if not options.folder and not project_folders(Path()):
        to_stderr(f"there is no pipeline here, nothing runs; make one by: {MAKE}")
        return 0
    project = find_project(Path(options.folder) if options.folder else None, make=MAKE)
    lines = {"start": _start, "monitor": _monitor, "logs": _logs}[options.command](project)
    for line in lines:
        print(line)
    return 0


def _start(project: Project) -> list[str]:
    """Start it."""
    state = background.start(project)
    return [f"{state.name}: {state.status} (pid {state.pid})"]


def _monitor(project: Project) -> list[str]:
    """Show its state."""
    state = background.look(project)
    return [f"{project.name}: has not run yet"] if state is None else state.lines()


def _logs(project: Project) -> list[str]:
    """Show what it has logged."""
    entries = RunFolder.of(project.folder, project.name).journal.last(N_LINES)
    return [entry.line() for entry in entries] or [f"{project.name}: nothing was logged yet"]
