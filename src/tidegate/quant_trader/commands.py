"""The command line of quants' scripts: a click group."""

from __future__ import annotations

from pathlib import Path

import click

from tidegate.core.finding import find_project, project_folders
from tidegate.core.home import safe_name
from tidegate.core.projects import background
from tidegate.core.projects.projectrun import run_project
from tidegate.core.reporting import reported, to_stderr
from tidegate.domain.scaffolding import scaffold
from tidegate.domain.trading.project import STRATEGY

__all__ = ["cli"]

STRATEGIES = Path("strategies")
MAKE = "scaffold NAME"
SIGNALLED = 128


@click.group()
def cli() -> None:
    """Bars and moving averages over price records."""


@cli.command("scaffold")
@click.argument("name")
@click.pass_context
def _scaffold(ctx: click.Context, name: str) -> None:
    """Make a runnable strategy folder, strategies/NAME."""

    def work() -> int:
        is_new = scaffold(STRATEGY, STRATEGIES / safe_name(name, "strategy"), name)
        print(f"Scaffolded strategy {name}")
        print(f"{STRATEGIES / name}: {'made' if is_new else 'was there already, kept as it is'}")
        return 0

    ctx.exit(reported(work))


@cli.command("launch")
@click.argument("name", required=False)
@click.pass_context
def _launch(ctx: click.Context, name: str | None) -> None:
    """Run a strategy; without NAME the only one."""

    def work() -> int:
        print("Pipeline launched", flush=True)
        if name is None and not project_folders(STRATEGIES):
            to_stderr(f"there is no strategy here, nothing runs; make one by: {MAKE}")
            return 0
        state, signal = run_project(find_project(_folder(name), STRATEGIES, make=MAKE))
        print(state.line())
        return 0 if signal is None else SIGNALLED + signal

    ctx.exit(reported(work))


@cli.command("inspect")
@click.argument("name", required=False)
@click.pass_context
def _inspect(ctx: click.Context, name: str | None) -> None:
    """Show rows in and out, late, rate, watermark; of NAME, or of each strategy."""

    def work() -> int:
        folders = project_folders(STRATEGIES) if name is None else [STRATEGIES / name]
        found = [background.look(find_project(folder, make=MAKE)) for folder in folders]
        states = [state for state in found if state is not None]
        for state in states:
            print(f"Runtime metrics: {state.line()}")
        if not states:
            print("Runtime metrics: none, nothing has run here")
        return 0

    ctx.exit(reported(work))


def _folder(name: str | None) -> Path | None:
    """The folder of a strategy that was named."""
    return None if name is None else STRATEGIES / safe_name(name, "strategy")
