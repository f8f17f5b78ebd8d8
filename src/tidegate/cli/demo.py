"""`tidegate demo`: made-up ticks into bars, and a slow independent check of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tidegate import Limits, Tumbling, agg
from tidegate.cli.base import common_options, print_json
from tidegate.cli.demo_check import Check, check
from tidegate.cli.demo_ticks import SYMBOLS, write_ticks
from tidegate.cli.run import Job, Output, Summary, run_job
from tidegate.core.errors import SinkError
from tidegate.core.files import Columns, Format, InputFile

__all__ = ["demo"]

MARKER = ".tidegate-demo"  # says that the folder is ours to write into
LATENESS_S = 2
N_SAMPLES = 500


@dataclass(frozen=True, slots=True)
class Files:
    """The files of the demo."""

    ticks: Path
    bars: Path
    late: Path


@click.command(
    short_help="Make ticks, aggregate them, and check the result.",
    epilog="Example: tidegate demo /tmp/demo",
)
@click.argument("folder", metavar="[DIR]", default="tidegate-demo", type=click.Path(path_type=Path))
@click.option(
    "--rows",
    "n_rows",
    default=3_000_000,
    show_default=True,
    metavar="NUMBER",
    type=click.IntRange(1, 1_000_000_000),
    help="How many ticks to make.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
@common_options
def demo(folder: Path, n_rows: int, as_json: bool) -> None:
    """Make ticks of 20 symbols, aggregate them to bars of one second, and check the bars.

    The ticks are random numbers of a fixed seed: the same every time. Some are out of order, some
    come too late. DIR (default: tidegate-demo) must be empty, missing, or of an earlier demo.
    """
    files = _prepare(folder)
    write_ticks(files.ticks, n_rows)
    summary = run_job(_job(files))
    checked = check(files.ticks, files.bars, files.late, lateness_s=LATENESS_S, n_samples=N_SAMPLES)
    if as_json:
        print_json("tidegate.demo/1", _document(folder, summary, checked))
        return
    for line in _lines(files, summary, checked):
        click.echo(line)


def _prepare(folder: Path) -> Files:
    """Make the folder; one that holds anything but an earlier demo is left alone."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        marker = folder / MARKER
        if not marker.exists() and any(folder.iterdir()):
            raise SinkError(f"{folder}: holds files that are not the demo's; name another folder")
        marker.write_text("Files of `tidegate demo`; it may write over them.\n")
    except OSError as error:
        if isinstance(error, SinkError):
            raise
        raise SinkError(
            f"{folder}: cannot be written: {error.strerror}; name another folder"
        ) from error
    return Files(*(folder / f"{name}.parquet" for name in ("ticks", "bars", "late")))


def _job(files: Files) -> Job:
    """Say what `tidegate aggregate` would be told."""
    return Job(
        inputs=[InputFile.of(files.ticks)],
        on="time",
        columns=Columns(("time", "symbol", "price", "size"), "time", ("symbol",)),
        window=Tumbling("1s"),
        aggregations=[agg.ohlcv("price", "size"), agg.vwap("price", "size"), agg.rows()],
        lateness=f"{LATENESS_S}s",
        limits=Limits(),
        output=Output(files.bars, Format.PARQUET),
        late_output=Output(files.late, Format.PARQUET),
    )


def _document(folder: Path, summary: Summary, checked: Check) -> dict[str, Any]:
    """Give the fields for JSON."""
    return {
        "folder": str(folder),
        "aggregate": summary.document(),
        "out_of_order": checked.n_out_of_order,
        "bars_checked": checked.n_checked,
    }


def _lines(files: Files, summary: Summary, checked: Check) -> list[str]:
    """Say to a human what was done."""
    ticks = f"{summary.rows_in:,} ticks of {len(SYMBOLS)} symbols"
    made = f"made in {summary.seconds:.2f} s, Parquet to Parquet"
    rate = f"{summary.rows_per_second / 1e6:,.1f} million rows/s"
    late = f"{summary.late:,} ticks that came after their bar had closed"
    split = f"{summary.used:,} used + {summary.late:,} late + {summary.rejected:,} rejected"
    return [
        f"ticks  {files.ticks}: {ticks}, {checked.n_out_of_order:,} out of order",
        f"bars   {files.bars}: {summary.windows:,} bars of one second, {made} ({rate})",
        f"late   {files.late}: {late} (lateness {LATENESS_S} s)",
        f"check  {checked.n_checked:,} bars computed again in fractions: all equal",
        f"check  {summary.rows_in:,} rows = {split}; the late ones are the right ones",
        f"again  {_command(files)}",
    ]


def _command(files: Files) -> str:
    """Write the command that does the same."""
    return (
        f"tidegate aggregate {files.ticks} --every 1s --on time --by symbol "
        f"--agg 'ohlcv(price,size)' --agg 'vwap(price,size)' --agg 'rows()' "
        f"--lateness {LATENESS_S}s --late-out {files.late} -o {files.bars}"
    )
