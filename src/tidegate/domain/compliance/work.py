"""What compliance commands do: audit, install rules, and log both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tidegate.core.errors import InputError
from tidegate.core.files import Format
from tidegate.core.home import home_folder
from tidegate.core.journal import Journal
from tidegate.domain.compliance.audit import Audit, AuditPlan, audit_ledgers
from tidegate.domain.compliance.report import Paper, report_files, write_report
from tidegate.domain.compliance.rules import RuleSet, install_rules, installed_rules, read_rules

__all__ = ["audit_and_report", "deploy_rules", "find_ledgers", "journal"]

AUDIT_FOLDER = Path("audit")


def journal() -> Journal:
    """Tell where audits and rules are logged."""
    return Journal(home_folder("log") / "compliance.jsonl", "compliance")


def find_ledgers(folder: Path) -> list[Path]:
    """List the files of a folder that are named ledger, of a format that can be read.

    Examples
    --------
    >>> find_ledgers(Path("/no/such/folder"))
    []
    """
    return sorted(
        path
        for path in folder.glob("ledger.*")
        if path.is_file() and (path.suffix.lower() == ".avro" or Format.of_name(path))
    )


def audit_and_report(
    paths: Sequence[Path], plan: AuditPlan, folder: Path = AUDIT_FOLDER, paper: Paper = "html"
) -> tuple[Audit, list[Path]]:
    """Audit ledgers by the installed rules, write the report, and log it.

    Returns
    -------
    Audit
    list of Path
        The files of the report.

    Raises
    ------
    InputError
        If the report would take the place of a ledger.
    """
    taken = {path.resolve() for path in report_files(folder, paper)}
    for path in paths:
        if Path(path).resolve() in taken:
            raise InputError(f"{path}: the report would take its place; choose another --output")
    audit = audit_ledgers(paths, plan, installed_rules())
    files = write_report(audit, folder, paper)
    names = ", ".join(audit.ledgers)
    journal().write(
        "INFO" if audit.is_clean else "WARNING",
        f"audit of {names}: {audit.stats.rows_in} filings, {audit.windows.num_rows} windows, "
        f"{audit.late} late, {audit.stats.rejected} without a time, "
        f"{len(audit.findings)} broken rules -> {files[0]}",
    )
    return audit, files


def deploy_rules(path: Path) -> tuple[RuleSet, Path | None]:
    """Check a rule file, install it by its version, and log it.

    Returns
    -------
    RuleSet
    Path or None
        Where it is now; None if it was there already.
    """
    rules = read_rules(path)
    place = install_rules(rules)
    if place is not None:
        journal().write("INFO", f"rules {rules.title}: {len(rules.rules)} from {path}")
    return rules, place
