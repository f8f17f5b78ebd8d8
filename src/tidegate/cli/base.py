"""What every command shares: the group, errors to exit codes, signals, messages and progress."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import MetaPathFinder
from types import FrameType
from typing import Any, NoReturn, TypeVar

import click

from tidegate import __version__
from tidegate.core.errors import TidegateError

__all__ = [
    "DONE",
    "FINDINGS",
    "NOT_RUNNING",
    "SIGNALLED",
    "Stopped",
    "common_options",
    "fail_usage",
    "main",
    "print_json",
    "print_json_line",
    "progress",
    "say",
]

DONE, FAILED, WRONG_USAGE, SIGNALLED = 0, 1, 2, 128
FINDINGS = NOT_RUNNING = 3
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
COMMANDS = {  # name: where it is; imported only when it is asked for
    "aggregate": "tidegate.cli.aggregate:aggregate",
    "compliance": "tidegate.cli.compliance:compliance",
    "convert": "tidegate.cli.convert:convert",
    "demo": "tidegate.cli.demo:demo",
    "iot": "tidegate.cli.iot:iot",
    "schema": "tidegate.cli.schema:schema",
    "social": "tidegate.cli.social:social",
    "trading": "tidegate.cli.trading:trading",
}
Command = TypeVar("Command", bound=Callable[..., Any])


class Stopped(BaseException):
    """A signal asked the command to stop; no `Exception`, so that nothing swallows it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_code = SIGNALLED + number


@dataclass
class Settings:
    """What the options that every command has were set to."""

    debug: bool = False


class LazyGroup(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """List the commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


def _set_debug(ctx: click.Context, _parameter: click.Parameter, debug: bool) -> None:
    """Remember the option for `main`, which is outside the context."""
    if debug:
        ctx.ensure_object(Settings).debug = True


def common_options(command: Command) -> Command:
    """Add the options that every command has."""
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_set_debug,
        help="After an error, show where in the program it arose.",
    )(command)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: tidegate aggregate ticks.parquet --every 1s --on time --by symbol "
    "--agg 'close=last(price)' -o bars.parquet",
)
@click.version_option(__version__, message="tidegate %(version)s")
@common_options
def group() -> None:
    """Event-time windows over files and streams, with the same answer in batch and in stream."""


class _WithoutPandas(MetaPathFinder):
    """Hides pandas, which pyarrow imports with the first `pa.array`: 0.25 s for nothing here."""

    def find_spec(self, fullname: str, _path: object, _target: object = None) -> None:
        """Find pandas nowhere, and leave everything else to the next finder."""
        if fullname == "pandas":
            raise ModuleNotFoundError("the command line does without pandas", name=fullname)


def main() -> NoReturn:
    """Run the command line and leave with its exit code.

    0 done, 1 failed, 2 wrong usage, 128 + n after signal n; every error is one line.
    """
    sys.meta_path.insert(0, _WithoutPandas())
    settings = Settings()
    try:
        _catch_signals()
        result = group.main(prog_name="tidegate", standalone_mode=False, obj=settings)
        code = result if isinstance(result, int) else DONE
    except BaseException as error:  # the boundary: whatever it is becomes one line
        # Still here, since what the error holds on to may wait for a pipe when it is let go.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        _leave(_report(error, settings))
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End the process.

    Arrow's threads may still wait for a pipe or let go of a Python object; an interpreter that
    ends at that moment hangs or aborts. So it does not end: the process does.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        say(f"tidegate: standard output: {error.strerror}")
        code = code or FAILED
    os._exit(code)


def _report(error: BaseException, settings: Settings) -> int:
    """Say in one line what happened, and choose the exit code."""
    if isinstance(error, SystemExit):  # click, when the reader of standard output has left
        return error.code if isinstance(error.code, int) else FAILED
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return WRONG_USAGE
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "tidegate"
        say(f"{path}: {error.format_message()} (see {path} --help)")
        return WRONG_USAGE
    if isinstance(error, Stopped):
        say(f"tidegate: {error}")
        return error.exit_code
    if settings.debug:
        traceback.print_exception(error)
    say(f"tidegate: {_in_one_line(error)}")
    return FAILED


def _in_one_line(error: BaseException) -> str:
    """Say what went wrong; an error that nobody foresaw is named as such."""
    if isinstance(error, TidegateError):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory; give --lateness, or a larger --every"
    return f"unexpected {type(error).__name__}: {error}; --debug shows where, please report it"


def _catch_signals() -> None:
    """Let the signals that stop a program unwind it, so that temporary files are removed."""

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        raise Stopped(number)

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, stop)


def fail_usage(message: str) -> NoReturn:
    """Stop with exit code 2 and a message."""
    raise click.UsageError(message, click.get_current_context(silent=True))


def say(message: str) -> None:
    """Print one line to standard error."""
    click.echo(" ".join(message.split("\n")), err=True)


def print_json(schema: str, document: dict[str, Any]) -> None:
    """Print one JSON document, which names its schema, to standard output."""
    import msgspec

    text = msgspec.json.encode({"schema": schema, **document})
    click.echo(msgspec.json.format(text, indent=2).decode())


def print_json_line(schema: str, document: dict[str, Any]) -> None:
    """Print one line of JSON, one of many, to standard output."""
    import msgspec

    click.echo(msgspec.json.encode({"schema": schema, **document}).decode())


@contextmanager
def progress(title: str, n_bytes: int | None) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with rows per second, if standard error is a terminal.

    Parameters
    ----------
    title
        What is going on.
    n_bytes
        How much there is to read; None if nobody knows.

    Yields
    ------
    Callable
        To be called with the bytes and the rows read so far.
    """
    if not sys.stderr.isatty():
        yield lambda _bytes, _rows: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TextColumn("{task.fields[rate]:,.0f} rows/s"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=n_bytes, rows=0, rate=0.0)

        def update(n_read: int, n_rows: int) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            rate = n_rows / elapsed if elapsed else 0.0
            bar.update(task, completed=n_read, rows=n_rows, rate=rate)

        yield update
