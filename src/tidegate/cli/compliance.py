"""`tidegate compliance`: audits of ledgers, the rules they are held to, and the log of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tidegate.cli.base import DONE, FINDINGS, common_options, fail_usage, print_json, say
from tidegate.cli.projects import follow_option, json_option, lines_option, show_entries
from tidegate.cli.windows import DurationType
from tidegate.core.durations import Duration
from tidegate.domain.compliance.audit import Audit, AuditPlan
from tidegate.domain.compliance.report import Paper, summary_lines
from tidegate.domain.compliance.work import audit_and_report, journal
from tidegate.domain.compliance.work import deploy_rules as deploy

__all__ = ["compliance"]


@click.group(
    short_help="Audit ledgers, install rules, show the log.",
    epilog="Example: tidegate compliance audit ledger.csv --window 1h --by account",
)
@common_options
def compliance() -> None:
    """Audit ledgers by windows and installed rules."""


@compliance.command(
    epilog="Example: tidegate compliance audit ledger.csv --window 1h --by account --lateness 5m"
)
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--window",
    type=DurationType(positive=True),
    default="60",
    show_default=True,
    metavar="N",
    help="Size of a window: 1h, 15m; a plain number is in seconds, or in the unit of a column of "
    "numbers.",
)
@click.option("--on", default="timestamp", show_default=True, metavar="COLUMN", help="The time.")
@click.option("--amount", default="amount", show_default=True, metavar="COLUMN", help="The amount.")
@click.option(
    "--by", multiple=True, metavar="COLUMN[,COLUMN...]", help="Windows of each account, say, apart."
)
@click.option(
    "--lateness",
    type=DurationType(positive=False),
    default="0",
    show_default=True,
    metavar="N",
    help="A filing is late if its time lies this much before the largest time filed before it.",
)
@click.option(
    "-o",
    "--output",
    default="audit",
    show_default=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Where audit.parquet and audit.html (or .txt) go.",
)
@click.option(
    "--lineage",
    is_flag=True,
    help="Tell the filings of each window in audit.parquet, as row_ranges for tidegate.trace.",
)
@click.option("--table", type=click.Choice(["html", "text"]), default="html", show_default=True)
@json_option
@common_options
def audit(
    files: tuple[Path, ...],
    window: Duration,
    on: str,
    amount: str,
    by: tuple[str, ...],
    lateness: Duration,
    output: Path,
    lineage: bool,
    table: Paper,
    as_json: bool,
) -> int:
    """Make audit windows over ledger files: sums, counts, late filings, broken rules.

    FILE is Parquet, CSV, JSON lines, Arrow IPC or Avro; filings count as filed in the order of the
    files. The installed rules are applied. Exit code 3 if there is something to look at: a late
    filing, one without a time, or a broken rule.
    """
    keys = tuple(name for names in by for name in names.split(","))
    if len({on, amount, *keys}) < 2 + len(keys):
        fail_usage("--on, --amount and --by name a column twice; give each its own")
    plan = AuditPlan(
        window=window, on=on, amount=amount, by=keys, lateness=lateness, lineage=lineage
    )
    found, written = audit_and_report(files, plan, output, table)
    if as_json:
        print_json("tidegate.compliance.audit/1", _document(found, written))
    for line in () if as_json else summary_lines(found):
        click.echo(line)
    say(f"written: {', '.join(map(str, written))}")
    return DONE if found.is_clean else FINDINGS


def _document(found: Audit, written: list[Path]) -> dict[str, Any]:
    """Give the fields for JSON."""
    return {
        "ledgers": found.ledgers,
        "rules": found.rules,
        "filings": found.stats.rows_in,
        "windows": found.windows.num_rows,
        "late": found.late,
        "without_time": found.stats.rejected,
        "findings": [finding._asdict() for finding in found.findings],
        "written": [str(path) for path in written],
    }


@compliance.command("show-logs", epilog="Example: tidegate compliance show-logs --lines 5 --follow")
@lines_option
@follow_option
@json_option
@common_options
def show_logs(lines: int, follow: bool, as_json: bool) -> int:
    """Show what audits and rules were logged, newest last."""
    command = "compliance.show-logs"
    return show_entries(journal(), command, lines=lines, follow=follow, as_json=as_json)


@compliance.command("deploy-rules", epilog="Example: tidegate compliance deploy-rules rules.toml")
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--rule-file", type=click.Path(path_type=Path), metavar="FILE", help="The same as FILE."
)
@json_option
@common_options
def deploy_rules(file: Path | None, rule_file: Path | None, as_json: bool) -> int:
    """Check a rule file against its schema, and install it with its version.

    FILE is .toml or .json: name, version, and rules, each with an id and a kind: max_amount,
    max_per_window and max_late with a limit, required with fields.
    """
    given = [path for path in (file, rule_file) if path is not None]
    if len(given) != 1:
        fail_usage("give one rule file")
    rules, place = deploy(given[0])
    if as_json:
        document = {"name": rules.name, "version": rules.version, "rules": len(rules.rules)}
        document |= {"installed_as": None if place is None else str(place)}
        print_json("tidegate.compliance.deploy-rules/1", document)
    else:
        done = "is installed already" if place is None else f"installed as {place}"
        click.echo(f"{rules.title}: {done}")
    return DONE
