"""The command line of compliance scripts: old words, real work."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tidegate.core.reporting import reported, to_stderr
from tidegate.domain.compliance.audit import AuditPlan
from tidegate.domain.compliance.report import summary_lines
from tidegate.domain.compliance.work import audit_and_report, deploy_rules, find_ledgers, journal

__all__ = ["run"]

N_LINES = 20


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say; 0 done (or nothing to do it on), 1 failed."""
    parser = argparse.ArgumentParser(description="Audit windows over ledgers.")
    commands = parser.add_subparsers(dest="command")
    audit = commands.add_parser("audit", help="audit ledger.* of this folder")
    audit.add_argument("--window_size", type=int, default=60, help="seconds (default: 60)")
    commands.add_parser("show-logs", help="show what was logged, newest last")
    deploy = commands.add_parser("deploy-rules", help="check and install a rule file")
    deploy.add_argument("--rule-file", required=True, help="JSON or TOML")
    options = parser.parse_args(arguments)
    if options.command == "audit":
        print(f"Running audit with window size {options.window_size}", flush=True)
        return reported(lambda: _audit(options.window_size))
    if options.command == "show-logs":
        print("Displaying logs", flush=True)
        return reported(_show_logs)
    if options.command == "deploy-rules":
        print(f"Deploying rules from {options.rule_file}", flush=True)
        return reported(lambda: _deploy(Path(options.rule_file)))
    parser.print_help()
    return 0


def _audit(window_size: int) -> int:
    """Audit the ledgers of this folder."""
    ledgers = find_ledgers(Path())
    if not ledgers:
        to_stderr("there is no ledger here (ledger.parquet, ledger.csv, …); nothing was audited")
        return 0
    audit, files = audit_and_report(ledgers, AuditPlan(window=window_size))
    for line in summary_lines(audit):
        print(line)
    print(f"written: {', '.join(map(str, files))}")
    return 0


def _show_logs() -> int:
    """Show the last entries."""
    entries = journal().last(N_LINES)
    for entry in entries:
        print(entry.line())
    if not entries:
        to_stderr(f"nothing was logged yet ({journal().path})")
    return 0


def _deploy(path: Path) -> int:
    """Install a rule file."""
    if not path.exists():
        to_stderr(f"{path}: there is no such file; nothing was installed")
        return 0
    rules, place = deploy_rules(path)
    print(f"{rules.title}: {'is installed already' if place is None else f'installed as {place}'}")
    return 0
