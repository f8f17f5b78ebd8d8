"""The options of a command that say what windows are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import click

from tidegate.cli.windows import CalendarType, DurationType, SumType
from tidegate.core.calendar import UNITS
from tidegate.core.rollingwindow import Closed
from tidegate.core.rowwindows import Overshoot
from tidegate.core.windows import Empty, Label

__all__ = ["window_options"]

Command = TypeVar("Command", bound=Callable[..., Any])

OPTIONS = (
    click.option(
        "--every",
        type=DurationType(positive=True),
        metavar="DURATION",
        help="A window starts every so often: 250ms, 1s, 5m, 1h30m, 1d; a plain number is in "
        "the time column's own unit.",
    ),
    click.option(
        "--period",
        type=DurationType(positive=True),
        metavar="DURATION",
        help="Length of a window, if not the same as --every.",
    ),
    click.option(
        "--calendar",
        type=CalendarType(),
        metavar="[N] UNIT",
        help=f"In place of --every: windows of local {', '.join(UNITS[:-1])} or {UNITS[-1]}, such "
        "as day or '2 weeks'.",
    ),
    click.option(
        "--tz",
        metavar="ZONE",
        help="Whose midnights --calendar means, such as America/New_York; without it those of UTC.",
    ),
    click.option(
        "--empty",
        type=click.Choice(get_args(Empty)),
        default="skip",
        show_default=True,
        help="What becomes of windows without rows: left out, or null, 0, or what the one before "
        "has.",
    ),
    click.option(
        "--label",
        type=click.Choice(get_args(Label)),
        help="Show this edge of each window, under the name of the time column, in place of "
        "'window_start' and 'window_end'.",
    ),
    click.option(
        "--session",
        type=DurationType(positive=True),
        metavar="GAP",
        help="In place of --every: windows of rows that are closer than so much, such as 30s.",
    ),
    click.option(
        "--max-duration",
        type=DurationType(positive=True),
        metavar="DURATION",
        help="How long a window of --session may be.",
    ),
    click.option(
        "--count",
        type=int,
        metavar="N",
        help="In place of --every: windows of N rows, in order of time.",
    ),
    click.option(
        "--count-every",
        type=int,
        metavar="N",
        help="From one window of --count to the next, in rows, if not as many as it has.",
    ),
    click.option(
        "--threshold",
        type=SumType(),
        metavar="COLUMN[*COLUMN]=LIMIT",
        help="In place of --every: bars that close when the sum of a column, or of the product of "
        "two, reaches a limit: size=50000, price*size=1e6.",
    ),
    click.option(
        "--overshoot",
        type=click.Choice(get_args(Overshoot)),
        help="What becomes of a sum of --threshold beyond the limit: it is dropped (so without "
        "this option), carried into the next bar, or that and split into as many bars as it fills.",
    ),
    click.option(
        "--complete-only",
        is_flag=True,
        help="Leave out what --count and --threshold have not finished at the end of the input.",
    ),
    click.option(
        "--rolling",
        type=DurationType(positive=True),
        metavar="DURATION",
        help="In place of --every: a result for each row, over the rows of its key up to so long "
        "before it, such as 1s. It has the keys and the time of the row.",
    ),
    click.option(
        "--rolling-rows",
        type=int,
        metavar="N",
        help="The same over the last N rows of its key, itself among them.",
    ),
    click.option(
        "--closed",
        type=click.Choice(get_args(Closed)),
        help="Which edges belong to a window of --rolling: the row itself (so without this "
        "option), both, the other end, or neither.",
    ),
    click.option(
        "--min-samples",
        type=int,
        metavar="N",
        help="How many values a result of --rolling needs, else it is null; 1 without this option.",
    ),
    click.option(
        "--peers",
        is_flag=True,
        help="Let all rows of one time have one result of --rolling, over all of them.",
    ),
)


def window_options(command: Command) -> Command:
    """Give a command the options that `WindowOptions` has, by the same names."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
