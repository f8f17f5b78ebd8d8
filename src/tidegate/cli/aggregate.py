"""`tidegate aggregate`: files of rows in, a file of windows out."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
import pyarrow as pa

from tidegate import Limits
from tidegate.cli.base import common_options, fail_usage, print_json, say
from tidegate.cli.inputs import FORMATS, find_inputs, output_format, parse_types
from tidegate.cli.run import Job, Output, run_job
from tidegate.cli.windowoptions import window_options
from tidegate.cli.windows import DurationType, WindowOptions, make_window
from tidegate.core.aggregations import Aggregation
from tidegate.core.aggregationtext import FUNCTIONS, read_aggregation
from tidegate.core.durations import Duration
from tidegate.core.errors import InputError
from tidegate.core.files import Columns, Format, InputFile
from tidegate.core.resultnames import expand
from tidegate.core.rowwindows import summed
from tidegate.core.threads import n_cpus
from tidegate.core.timekeeping import Timekeeping
from tidegate.core.windows import Empty

__all__ = ["aggregate"]

LIMITS = [field.name for field in fields(Limits)]
INTEGER = re.compile(r"\d{1,19}", re.ASCII)


@click.command(
    epilog="Example: tidegate aggregate ticks.parquet --every 1s --on time --by symbol "
    "--agg 'open=first(price)' --agg 'vwap=vwap(price,size)' -o bars.parquet"
)
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@window_options
@click.option("--on", required=True, metavar="COLUMN", help="The time column.")
@click.option(
    "--by",
    multiple=True,
    metavar="COLUMN[,COLUMN...]",
    help="Key columns: windows are made for each key. May be repeated.",
)
@click.option(
    "--agg",
    "expressions",
    multiple=True,
    metavar="[NAME=]FUNCTION(COLUMN,...)",
    help=f"What to compute; may be repeated. Functions: {', '.join(FUNCTIONS)}.",
)
@click.option(
    "--lateness",
    type=DurationType(positive=False),
    metavar="DURATION",
    help="How far rows may be out of order. Without it no row is late, and windows close "
    "at the end of the input, or as soon as Parquet statistics allow.",
)
@click.option(
    "--allowed-lateness",
    type=DurationType(positive=False),
    metavar="DURATION",
    help="How much longer a closed window may be corrected: it comes out again, with a higher "
    "'revision'. With --lateness only.",
)
@click.option(
    "--max-jump",
    type=DurationType(positive=False),
    metavar="DURATION",
    help="Reject rows whose time is further than this ahead of all before them.",
)
@click.option(
    "--ttl",
    type=DurationType(positive=False),
    metavar="DURATION",
    help="Forget keys whose last row is longer ago than this, so that memory follows those that "
    "are alive. With --lateness and --by only.",
)
@click.option(
    "--late-out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where late and rejected rows go; without it they are only counted.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    required=True,
    metavar="FILE",
    help="Where the windows go; - is standard output.",
)
@click.option(
    "--format",
    "input_format",
    type=click.Choice(FORMATS),
    help="Format of the inputs, where their names do not tell it.",
)
@click.option(
    "--output-format",
    "output_format_",
    type=click.Choice(FORMATS),
    help="Format of the output, where its name does not tell it.",
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="COLUMN=TYPE",
    help="Type of a CSV or NDJSON column, if the first lines mislead; may be repeated.",
)
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=NUMBER",
    help=f"Raise a limit: {', '.join(LIMITS)}. May be repeated.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="At most how many threads to use with --by, by default one for each CPU; the output is "
    "the same for any number.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON to standard output.")
@common_options
def aggregate(
    inputs: tuple[str, ...],
    on: str,
    by: tuple[str, ...],
    expressions: tuple[str, ...],
    lateness: Duration | None,
    allowed_lateness: Duration | None,
    max_jump: Duration | None,
    ttl: Duration | None,
    late_out: Path | None,
    output: Path,
    input_format: str | None,
    output_format_: str | None,
    types: tuple[str, ...],
    limits: tuple[str, ...],
    threads: int | None,
    as_json: bool,
    **windows: Any,
) -> None:
    """Aggregate rows over windows of event time.

    INPUT is a file, a folder, a glob, or - for standard input: Parquet, CSV, NDJSON or Arrow IPC,
    as the name says (.csv and .ndjson also packed as .gz, .zst, .bz2).
    """
    options = WindowOptions(**windows)
    window = make_window(options)
    aggregations = [build(text) for text in expressions]
    if not aggregations:
        fail_usage(f"nothing to compute; give --agg 'FUNCTION(COLUMN)', one of {_list(FUNCTIONS)}")
    try:
        expand(aggregations, {})
    except InputError as error:
        fail_usage(f"{error}, as in --agg 'NAME=FUNCTION(COLUMN)'")
    keys = tuple(name for names in by for name in names.split(","))
    target = _output(output, output_format_, "--output-format")
    late_target = _output(late_out, None, "--late-out FILE") if late_out else None
    if as_json and target.path is None:
        fail_usage("--json and -o - both want standard output; give -o FILE")
    _check_time(lateness, allowed_lateness, ttl, keys, options.empty)
    files = find_inputs(inputs, Format(input_format) if input_format else None)
    _check_outputs(files, target, late_target)
    names = tuple(dict.fromkeys((*_columns(on, keys, aggregations), *summed(window))))
    job = Job(
        inputs=files,
        on=on,
        columns=Columns(names, on, keys, _types(types, names, files)),
        window=window,
        aggregations=aggregations,
        lateness=lateness,
        time=Timekeeping(max_jump, allowed_lateness, ttl=ttl),
        limits=_limits(limits),
        threads=n_cpus() if threads is None else threads,
        output=target,
        late_output=late_target,
    )
    summary = run_job(job)
    if as_json:
        print_json("tidegate.aggregate/1", summary.document())
    for line in summary.lines():
        say(line)


def build(text: str) -> Aggregation:
    """Turn ``[name=]function(column, …, option=value)`` into an aggregation."""
    try:
        return read_aggregation(text)
    except InputError as error:
        fail_usage(f"--agg {text!r}: {error}")


def _check_time(
    lateness: Duration | None,
    allowed: Duration | None,
    ttl: Duration | None,
    keys: tuple[str, ...],
    empty: Empty,
) -> None:
    """Refuse options of time that do not go with the others."""
    for option, value in (("--allowed-lateness", allowed), ("--ttl", ttl)):
        if value is not None and lateness is None:
            fail_usage(f"{option} is for a watermark that moves by the rows; give --lateness too")
        if value is not None and empty != "skip":
            fail_usage(f"{option} does not go with --empty {empty}; leave one of them out")
    if ttl is not None and not keys:
        fail_usage("--ttl is for keys; give --by, or leave it out")


def _columns(on: str, keys: Iterable[str], aggregations: Iterable[Aggregation]) -> tuple[str, ...]:
    """List the columns that are needed, each once."""
    used = (column for aggregation in aggregations for column in aggregation.columns)
    return tuple(dict.fromkeys((on, *keys, *used)))


def _types(
    texts: Iterable[str], names: Iterable[str], files: Iterable[InputFile]
) -> dict[str, pa.DataType]:
    """Read the types of columns, which must be of use."""
    types = parse_types(texts)
    if types and not any(file.format.is_text for file in files):
        fail_usage("--type is for CSV and NDJSON; the columns of other files have types")
    for name in types:
        if name not in names:
            fail_usage(f"--type {name}=...: that column is not used; these are: {_list(names)}")
    return types


def _output(path: Path, given: str | None, option: str) -> Output:
    """Describe an output; a terminal shows text only."""
    place = None if str(path) == "-" else path
    target = Output(place, output_format(place, Format(given) if given else None, option))
    if place is None and not target.format.is_text and sys.stdout.isatty():
        fail_usage(f"{target.format} is not for a terminal; give -o FILE, or --output-format csv")
    return target


def _check_outputs(files: Iterable[InputFile], output: Output, late: Output | None) -> None:
    """Refuse to write over an input, or both outputs into one file."""
    taken = {file.path.resolve(): f"the input {file.name}" for file in files if file.path}
    for target, option in ((output, "--output"), (late, "--late-out")):
        if target is None or target.path is None or not _is_file_or_new(target.path):
            continue
        place = target.path.resolve()
        if place in taken:
            fail_usage(f"{option} {target.path} is {taken[place]}; choose another name")
        taken[place] = f"the same file as {option}"


def _is_file_or_new(path: Path) -> bool:
    """Say whether writing replaces something: a device or pipe may be named twice."""
    return path.is_file() or not path.exists()


def _limits(texts: Iterable[str]) -> Limits:
    """Read ``NAME=NUMBER`` options."""
    limits = Limits()
    for text in texts:
        name, _, number = text.partition("=")
        if name not in LIMITS or not INTEGER.fullmatch(number):
            fail_usage(f"--limit {text}: expected NAME=NUMBER, NAME one of {_list(LIMITS)}")
        limits = replace(limits, **{name: int(number)})
    return limits


def _list(names: Iterable[str]) -> str:
    """Write names one after the other."""
    return ", ".join(names)
