"""An audit on paper: Parquet for machines, an HTML page or a text table for people."""

from __future__ import annotations

from html import escape as escape_html
from pathlib import Path
from typing import Any, Literal

from tidegate.core.errors import SinkError
from tidegate.core.files import Format
from tidegate.core.formats.wholefiles import written
from tidegate.core.logging import escape
from tidegate.core.rangecolumns import ROW_RANGES
from tidegate.core.sinks import Sink
from tidegate.domain.compliance.audit import Audit, plain_values

__all__ = ["Paper", "report_files", "summary_lines", "write_report"]

Paper = Literal["html", "text"]

MAX_ROWS = 10_000  # on paper; the Parquet file has all
MAX_SAID = 20
STYLE = (
    "body{font-family:sans-serif}table{border-collapse:collapse}"
    "td,th{border:1px solid #999;padding:.2em .6em;text-align:right}.bad{background:#fdd}"
)


def report_files(folder: Path, paper: Paper) -> list[Path]:
    """Name the files of a report: the table, and what people read.

    Examples
    --------
    >>> [path.name for path in report_files(Path("audit"), "html")]
    ['audit.parquet', 'audit.html']
    """
    return [folder / "audit.parquet", folder / ("audit.html" if paper == "html" else "audit.txt")]


def write_report(audit: Audit, folder: Path, paper: Paper = "html") -> list[Path]:
    """Write ``audit.parquet``, and ``audit.html`` or ``audit.txt``.

    Parameters
    ----------
    audit : Audit
        What was found.
    folder : Path
        Made if it is not there. What an earlier audit has written is replaced.
    paper : {"html", "text"}
        Which of the two.

    Returns
    -------
    list of Path
        The two files.

    Raises
    ------
    SinkError
        If they cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"{folder}: cannot be made: {error.strerror}; name another") from error
    table, page = report_files(folder, paper)
    with Sink(table, Format.PARQUET) as sink:
        sink.write(audit.windows)
        sink.commit()
    text = (
        _html(audit) if paper == "html" else "\n".join([*summary_lines(audit), "", *_text(audit)])
    )
    with written(page) as stream:
        stream.write(f"{text}\n".encode("utf-8", "backslashreplace"))
    return [table, page]


def summary_lines(audit: Audit) -> list[str]:
    """Say what was found, a line each; the first findings only."""
    stats = audit.stats
    rules = ", ".join(audit.rules) or "none installed"
    head = (
        f"{stats.rows_in:,} filings in {audit.windows.num_rows:,} windows; {audit.late:,} late, "
        f"{stats.rejected:,} without a time; rules: {rules}"
    )
    lines = [head]
    lines += [escape(f"broken rule: {found.line()}") for found in audit.findings[:MAX_SAID]]
    if len(audit.findings) > MAX_SAID:
        lines.append(f"broken rule: {len(audit.findings) - MAX_SAID:,} more")
    return lines


def _cells(audit: Audit) -> tuple[list[str], list[list[str]]]:
    """Write the head and the rows of the table."""
    shown = audit.windows.slice(0, MAX_ROWS)
    shown = shown.select([name for name in shown.column_names if name != ROW_RANGES])
    columns: list[list[Any]] = [plain_values(column) for column in shown.columns]
    rows = [
        ["" if cell is None else str(cell) for cell in row] for row in zip(*columns, strict=True)
    ]
    return shown.column_names, rows


def _rest(audit: Audit) -> list[str]:
    """Say how many windows are not on paper."""
    left = audit.windows.num_rows - MAX_ROWS
    return [f"{left:,} more windows in audit.parquet"] if left > 0 else []


def _text(audit: Audit) -> list[str]:
    """Write a table of text."""
    head, rows = _cells(audit)
    lines = [head, *([escape(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    said = [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return [*said, *_rest(audit)]


def _html(audit: Audit) -> str:
    """Write a page that needs nothing else; whatever is in the data is text in it."""
    head, rows = _cells(audit)
    late, broken = head.index("late_filings"), head.index("broken_rules")
    parts = ["<!doctype html>", "<html lang='en'><head><meta charset='utf-8'>"]
    parts += ["<title>Audit</title>", f"<style>{STYLE}</style></head><body><h1>Audit</h1>"]
    parts += [f"<p>{escape_html(', '.join(audit.ledgers))}</p>"]
    parts += [f"<p>{escape_html(line)}</p>" for line in summary_lines(audit)]
    parts += ["<table><tr>", *(f"<th>{escape_html(name)}</th>" for name in head), "</tr>"]
    for row in rows:
        is_bad = bool(row[broken]) or row[late] != "0"
        cells = "".join(f"<td>{escape_html(escape(cell))}</td>" for cell in row)
        parts.append(f"<tr{' class=bad' if is_bad else ''}>{cells}</tr>")
    parts += ["</table>", *(f"<p>{line}</p>" for line in _rest(audit)), "</body></html>"]
    return "\n".join(parts)
