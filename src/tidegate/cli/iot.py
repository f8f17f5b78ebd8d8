"""`tidegate iot`: a folder for sensors, and its pipeline in the background."""

from __future__ import annotations

from pathlib import Path

import click

from tidegate.cli.base import NOT_RUNNING, common_options, fail_usage
from tidegate.cli.projects import (
    folder_argument,
    fresh_option,
    has_none,
    json_option,
    make_folder,
    run_here,
    show_state,
    start_behind,
    stop_running,
)
from tidegate.core.finding import find_project
from tidegate.core.home import safe_name
from tidegate.domain.iot.project import SENSORS

__all__ = ["iot"]

MAKE = "tidegate iot scaffold sensors"


@click.group(
    short_help="Run a pipeline over sensor readings.",
    epilog="Example: tidegate iot scaffold sensors && tidegate iot start sensors",
)
@common_options
def iot() -> None:
    """Windows over sensor readings. FOLDER: this one, or the only one here with a pipeline."""


@iot.command(epilog="Example: tidegate iot scaffold sensors")
@click.argument("name", metavar="[NAME]", default="sensors")
@json_option
@common_options
def scaffold(name: str, as_json: bool) -> int:
    """Make a folder NAME (default: sensors) with a pipeline, made-up data, a test and a README."""
    folder = Path(safe_name(name, "NAME"))
    return make_folder(SENSORS, folder, name, "iot.scaffold", as_json=as_json)


@iot.command(epilog="Example: tidegate iot start sensors")
@folder_argument
@fresh_option
@click.option("--foreground", is_flag=True, help="Stay here, until the end or Ctrl-C.")
@click.option("--once", is_flag=True, help="Stay here, and end with the files that are there now.")
@json_option
@common_options
def start(folder: Path | None, fresh: bool, foreground: bool, once: bool, as_json: bool) -> int:
    """Run the pipeline of FOLDER in the background; it goes on where it was stopped."""
    if foreground and once:
        fail_usage("--once stays in the foreground anyway; leave one of them out")
    project = find_project(folder, make=MAKE)
    if foreground or once:
        return run_here(project, "iot.start", once=once, fresh=fresh, as_json=as_json)
    return start_behind(project, "iot.start", fresh=fresh, as_json=as_json)


@iot.command(epilog="Example: tidegate iot stop sensors")
@folder_argument
@json_option
@common_options
def stop(folder: Path | None, as_json: bool) -> int:
    """Have the pipeline of FOLDER save its state and end; exit code 3 if it does not run."""
    if has_none(folder, "iot.stop", make=MAKE, as_json=as_json):
        return NOT_RUNNING
    return stop_running(find_project(folder, make=MAKE), "iot.stop", as_json=as_json)


@iot.command(epilog="Example: tidegate iot health sensors --json")
@folder_argument
@json_option
@common_options
def health(folder: Path | None, as_json: bool) -> int:
    """Show rows in and out, late, rate, watermark; exit code 3 if it does not run."""
    if has_none(folder, "iot.health", make=MAKE, as_json=as_json):
        return NOT_RUNNING
    return show_state(find_project(folder, make=MAKE), "iot.health", as_json=as_json)
