"""`tidegate trading`: strategy folders, run here, and what became of the runs."""

from __future__ import annotations

from pathlib import Path

import click

from tidegate.cli.base import NOT_RUNNING, common_options
from tidegate.cli.projects import (
    fresh_option,
    has_none,
    json_option,
    make_folder,
    run_here,
    show_state,
)
from tidegate.core.finding import find_project
from tidegate.core.home import safe_name
from tidegate.core.projects.projectfile import Project
from tidegate.domain.trading.project import STRATEGY

__all__ = ["trading"]

MAKE = "tidegate trading scaffold NAME"
STRATEGIES = Path("strategies")


@click.group(
    short_help="Run a strategy's bars.",
    epilog="Example: tidegate trading scaffold momentum && tidegate trading launch momentum",
)
@common_options
def trading() -> None:
    """Bars for strategies, each in strategies/NAME. Without NAME: this folder, or the only one."""


@trading.command(epilog="Example: tidegate trading scaffold momentum")
@click.argument("name")
@json_option
@common_options
def scaffold(name: str, as_json: bool) -> int:
    """Make strategies/NAME with a pipeline, made-up data, a test and a README."""
    folder = STRATEGIES / safe_name(name, "NAME")
    return make_folder(STRATEGY, folder, name, "trading.scaffold", as_json=as_json)


@trading.command(epilog="Example: tidegate trading launch momentum")
@click.argument("name", metavar="[NAME]", required=False)
@fresh_option
@click.option("--once", is_flag=True, help="End with the files that are there now.")
@json_option
@common_options
def launch(name: str | None, fresh: bool, once: bool, as_json: bool) -> int:
    """Run the strategy; stopped by Ctrl-C, the next launch goes on where it was."""
    project = _project(name)
    return run_here(project, "trading.launch", once=once, fresh=fresh, as_json=as_json)


@trading.command(epilog="Example: tidegate trading inspect momentum --json")
@click.argument("name", metavar="[NAME]", required=False)
@json_option
@common_options
def inspect(name: str | None, as_json: bool) -> int:
    """Show rows in and out, late, rate, watermark of the last run; exit code 3 if there is none."""
    if has_none(_folder(name), "trading.inspect", STRATEGIES, make=MAKE, as_json=as_json):
        return NOT_RUNNING
    project = _project(name)
    return show_state(project, "trading.inspect", as_json=as_json, needs_running=False)


def _folder(name: str | None) -> Path | None:
    """Give the folder of a strategy that was named."""
    return None if name is None else STRATEGIES / safe_name(name, "NAME")


def _project(name: str | None) -> Project:
    """Find the strategy that is meant."""
    return find_project(_folder(name), STRATEGIES, make=MAKE)
