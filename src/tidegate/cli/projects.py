"""What the commands of several fields share: pipelines in folders, their state and their logs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from tidegate.cli.base import (
    DONE,
    NOT_RUNNING,
    SIGNALLED,
    print_json,
    print_json_line,
    say,
)
from tidegate.core.finding import project_folders
from tidegate.core.journal import Journal
from tidegate.core.projects import background
from tidegate.core.projects.projectfile import Project
from tidegate.core.projects.projectrun import run_project
from tidegate.core.projects.statefile import RunState
from tidegate.domain.scaffolding import Field, scaffold

__all__ = [
    "folder_argument",
    "follow_option",
    "fresh_option",
    "has_none",
    "json_option",
    "lines_option",
    "make_folder",
    "run_here",
    "show_entries",
    "show_state",
    "start_behind",
    "stop_running",
]

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: one document, or lines when following."
)
fresh_option = click.option(
    "--fresh", is_flag=True, help="Begin anew, not where it was stopped; results are made again."
)
folder_argument = click.argument(
    "folder", metavar="[FOLDER]", required=False, type=click.Path(path_type=Path)
)
follow_option = click.option(
    "--follow", is_flag=True, help="Go on as more comes, until it ends or Ctrl-C."
)
lines_option = click.option(
    "-n",
    "--lines",
    default=20,
    show_default=True,
    type=click.IntRange(0, 1_000_000),
    help="How many entries, the newest last.",
)


def has_none(
    folder: Path | None, command: str, base: Path = Path(), *, make: str, as_json: bool
) -> bool:
    """Whether none was named and none is there, so that none runs; then that is said."""
    if folder is not None or project_folders(base):
        return False
    say(f"there is no pipeline here, nothing runs; make one by: {make}")
    if as_json:
        print_json(f"tidegate.{command}/1", {"name": None, "status": "none"})
    return True


def make_folder(field: Field, folder: Path, name: str, command: str, *, as_json: bool) -> int:
    """Scaffold; one that is there already is kept, and that is said."""
    is_new = scaffold(field, folder, name)
    if as_json:
        print_json(f"tidegate.{command}/1", {"folder": str(folder), "made": is_new})
    else:
        click.echo(f"{folder}: {'made' if is_new else 'is there already, and is kept as it is'}")
    return DONE


def start_behind(project: Project, command: str, *, fresh: bool, as_json: bool) -> int:
    """Start in the background."""
    state = background.start(project, fresh=fresh)
    if as_json:
        print_json(f"tidegate.{command}/1", state.document())
    else:
        click.echo(f"{state.name}: {state.status} (pid {state.pid})")
    return DONE


def run_here(project: Project, command: str, *, once: bool, fresh: bool, as_json: bool) -> int:
    """Run in this process, until its end or a signal."""
    state, signal = run_project(project, once=once, fresh=fresh)
    _print_state(state, command, as_json=as_json)
    return DONE if signal is None else SIGNALLED + signal


def stop_running(project: Project, command: str, *, as_json: bool) -> int:
    """Stop what runs; where nothing does, that is said."""
    is_stopped = background.stop(project)
    if as_json:
        print_json(f"tidegate.{command}/1", {"name": project.name, "stopped": is_stopped})
    else:
        click.echo(f"{project.name}: {'stopped' if is_stopped else 'was not running'}")
    return DONE if is_stopped else NOT_RUNNING


def show_state(project: Project, command: str, *, as_json: bool, needs_running: bool = True) -> int:
    """Show the state; 3 where it does not run, or has never run if that is enough."""
    state = background.look(project)
    if state is None:
        say(f"{project.name}: has not run yet")
        if as_json:
            print_json(f"tidegate.{command}/1", {"name": project.name, "status": "never run"})
        return NOT_RUNNING
    _print_state(state, command, as_json=as_json)
    is_well = state.status == "running" or not needs_running
    return DONE if is_well else NOT_RUNNING


def _print_state(state: RunState, command: str, *, as_json: bool) -> None:
    """Print a state."""
    if as_json:
        print_json(f"tidegate.{command}/1", state.document())
        return
    for line in state.lines():
        click.echo(line)


def show_entries(
    journal: Journal,
    command: str,
    *,
    lines: int,
    follow: bool,
    as_json: bool,
    is_over: Callable[[], bool] = lambda: False,
) -> int:
    """Show what was logged, newest last; following, until it is over."""
    schema = f"tidegate.{command}/1"
    if not follow:
        entries = journal.last(lines)
        if as_json:
            print_json(schema, {"file": str(journal.path), "entries": entries})
        for entry in () if as_json else entries:
            click.echo(entry.line())
        if not entries and lines:
            say(f"nothing was logged yet ({journal.path})")
        return DONE
    for entry in journal.follow(lines, is_over):
        if as_json:
            document = {"time": entry.time, "level": entry.level}
            print_json_line(schema, {**document, "logger": entry.logger, "message": entry.message})
        else:
            click.echo(entry.line())
    return DONE
