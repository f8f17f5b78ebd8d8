"""`tidegate social`: a folder for posts, its pipeline in the background, its throughput and log."""

from __future__ import annotations

import time
from pathlib import Path

import click

from tidegate.cli.base import DONE, NOT_RUNNING, common_options, print_json_line
from tidegate.cli.projects import (
    folder_argument,
    follow_option,
    fresh_option,
    has_none,
    json_option,
    lines_option,
    make_folder,
    show_entries,
    show_state,
    start_behind,
    stop_running,
)
from tidegate.core.finding import find_project
from tidegate.core.home import safe_name
from tidegate.core.projects import background
from tidegate.core.projects.projectfile import Project
from tidegate.core.projects.runfolder import RunFolder
from tidegate.domain.social_media.project import POSTS

__all__ = ["social"]

MAKE = "tidegate social scaffold posts"
MONITOR_SECONDS = 1.0


@click.group(
    short_help="Run a pipeline over posts.",
    epilog="Example: tidegate social scaffold posts && tidegate social start posts",
)
@common_options
def social() -> None:
    """Windows over posts. FOLDER: this one, or the only one here with a pipeline."""


@social.command(epilog="Example: tidegate social scaffold posts")
@click.argument("name", metavar="[NAME]", default="posts")
@json_option
@common_options
def scaffold(name: str, as_json: bool) -> int:
    """Make a folder NAME (default: posts) with a pipeline, made-up data, a test and a README."""
    folder = Path(safe_name(name, "NAME"))
    return make_folder(POSTS, folder, name, "social.scaffold", as_json=as_json)


@social.command(epilog="Example: tidegate social start posts")
@folder_argument
@fresh_option
@json_option
@common_options
def start(folder: Path | None, fresh: bool, as_json: bool) -> int:
    """Run the pipeline of FOLDER in the background; it goes on where it was stopped."""
    project = find_project(folder, make=MAKE)
    return start_behind(project, "social.start", fresh=fresh, as_json=as_json)


@social.command(epilog="Example: tidegate social stop posts")
@folder_argument
@json_option
@common_options
def stop(folder: Path | None, as_json: bool) -> int:
    """Have the pipeline of FOLDER save its state and end; exit code 3 if it does not run."""
    if has_none(folder, "social.stop", make=MAKE, as_json=as_json):
        return NOT_RUNNING
    return stop_running(find_project(folder, make=MAKE), "social.stop", as_json=as_json)


@social.command(epilog="Example: tidegate social monitor posts --follow")
@folder_argument
@follow_option
@json_option
@common_options
def monitor(folder: Path | None, follow: bool, as_json: bool) -> int:
    """Show rows in and out, late, rate, watermark; exit code 3 if it does not run."""
    if has_none(folder, "social.monitor", make=MAKE, as_json=as_json):
        return NOT_RUNNING
    project = find_project(folder, make=MAKE)
    if not follow or not _is_running(project):
        return show_state(project, "social.monitor", as_json=as_json)
    while True:
        is_running = _is_running(project)  # asked first, so that the last state is shown
        state = background.look(project)
        if state is not None and as_json:
            print_json_line("tidegate.social.monitor/1", state.document())
        elif state is not None:
            click.echo(state.line())
        if not is_running:
            return DONE
        time.sleep(MONITOR_SECONDS)


@social.command(epilog="Example: tidegate social logs posts --follow")
@folder_argument
@lines_option
@follow_option
@json_option
@common_options
def logs(folder: Path | None, lines: int, follow: bool, as_json: bool) -> int:
    """Show what the pipeline of FOLDER has logged, newest last; --follow ends when it does."""
    project = find_project(folder, make=MAKE)
    return show_entries(
        RunFolder.of(project.folder, project.name).journal,
        "social.logs",
        lines=lines,
        follow=follow,
        as_json=as_json,
        is_over=lambda: not _is_running(project),
    )


def _is_running(project: Project) -> bool:
    """Whether somebody runs it."""
    return RunFolder.of(project.folder, project.name).owner() is not None
