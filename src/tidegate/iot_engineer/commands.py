"""The command line of IoT scripts: a parser whose commands do their work."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tidegate.core.finding import find_project, project_folders
from tidegate.core.projects import background
from tidegate.core.reporting import reported, to_stderr
from tidegate.domain.iot.project import SENSORS
from tidegate.domain.scaffolding import scaffold

__all__ = ["make_parser"]

MAKE = "scaffold sensors"
NOT_RUNNING = 3


def make_parser() -> argparse.ArgumentParser:
    """Make the parser; of what it parses, ``options.func(options)`` does the command."""
    parser = argparse.ArgumentParser(description="Windows over sensor readings.")
    parser.set_defaults(func=partial(_help, parser))
    commands = parser.add_subparsers(dest="command")
    known = (
        ("scaffold", "make a folder with a pipeline", _scaffold),
        ("start", "run the folder's pipeline in the background", _start),
        ("stop", "end it; its state is saved", _stop),
        ("health", "show rows in and out, late, rate, watermark", _health),
    )
    for name, text, work in known:
        command = commands.add_parser(name, help=text)
        default = "sensors" if name == "scaffold" else None
        word = "name" if name == "scaffold" else "folder"
        command.add_argument(word, nargs="?", default=default, help=f"(default: {default})")
        command.set_defaults(func=partial(_reported, work))
    return parser


def _help(parser: argparse.ArgumentParser, _options: argparse.Namespace) -> int:
    """Say what there is, where no command was given."""
    parser.print_help()
    return 0


def _reported(work: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """Do a command; 1 and a line on standard error where it fails."""
    return reported(partial(work, options))


def _folder(options: argparse.Namespace) -> Path | None:
    """The folder that was named."""
    return Path(options.folder) if options.folder else None


def _has_none(options: argparse.Namespace) -> bool:
    """Say where there is nothing to work on."""
    if options.folder or project_folders(Path()):
        return False
    to_stderr(f"there is no pipeline here; make one by: {MAKE}")
    return True


def _scaffold(options: argparse.Namespace) -> int:
    """Make a folder."""
    is_new = scaffold(SENSORS, Path(options.name), options.name)
    print(f"{options.name}: {'made' if is_new else 'is there already, and is kept as it is'}")
    return 0


def _start(options: argparse.Namespace) -> int:
    """Start what is there."""
    project = find_project(_folder(options), make=MAKE)
    state = background.start(project)
    print(f"{state.name}: {state.status} (pid {state.pid})")
    return 0


def _stop(options: argparse.Namespace) -> int:
    """Stop what runs."""
    if _has_none(options):
        return NOT_RUNNING
    project = find_project(_folder(options), make=MAKE)
    is_stopped = background.stop(project)
    print(f"{project.name}: {'stopped' if is_stopped else 'was not running'}")
    return 0 if is_stopped else NOT_RUNNING


def _health(options: argparse.Namespace) -> int:
    """Show the state."""
    if _has_none(options):
        return NOT_RUNNING
    project = find_project(_folder(options), make=MAKE)
    state = background.look(project)
    for line in [f"{project.name}: has not run yet"] if state is None else state.lines():
        print(line)
    return 0 if state is not None and state.status == "running" else NOT_RUNNING
