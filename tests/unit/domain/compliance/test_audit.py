"""Audit windows: against the plain way, and against what their rules say."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import (
    ColumnNotFoundError,
    DurationError,
    InputError,
    SourceError,
    TidegateError,
)
from tidegate.core.serializers import serializers
from tidegate.core.tracing import trace
from tidegate.domain.compliance.audit import AuditPlan, audit_ledgers
from tidegate.domain.compliance.report import write_report
from tidegate.domain.compliance.rules import (
    MaxAmount,
    MaxLate,
    MaxPerWindow,
    Required,
    RuleSet,
    install_rules,
    installed_rules,
    read_rules,
)
from tidegate.domain.compliance.work import audit_and_report

FILINGS = st.lists(
    st.tuples(st.integers(0, 100), st.integers(-50, 50), st.sampled_from("AB")), min_size=1
)


def write(folder, rows, name="ledger.parquet"):
    path = folder / name
    table = pa.Table.from_pylist(rows)
    format_ = {"csv": "csv", "ndjson": "json"}.get(name.rpartition(".")[2], "parquet")
    serializers.get(format_).write(path, table.to_batches())
    return path


def plainly(rows, window, lateness):
    """Audit with dicts and a loop."""
    found, largest = {}, None
    for time, amount, account in rows:
        is_late = largest is not None and time < largest - lateness
        largest = time if largest is None else max(largest, time)
        key = (time // window * window, account)
        sums = found.setdefault(key, [0, 0, amount, amount, 0])
        sums[0] += 1
        sums[1] += amount
        sums[2], sums[3] = min(sums[2], amount), max(sums[3], amount)
        sums[4] += is_late
    return {key: tuple(sums) for key, sums in found.items()}


@given(FILINGS, st.integers(1, 40), st.integers(0, 20), st.integers(0, 100))
def test_windows_are_those_of_the_plain_way(tmp_path_factory, rows, window, lateness, cut):
    folder = tmp_path_factory.mktemp("ledgers")
    filings = [dict(zip(("timestamp", "amount", "account"), row, strict=True)) for row in rows]
    parts = [part for part in (filings[:cut], filings[cut:]) if part]
    paths = [write(folder, part, f"{i}.parquet") for i, part in enumerate(parts)]
    audit = audit_ledgers(paths, AuditPlan(window=window, by=("account",), lateness=lateness))
    names = ("filings", "amount_sum", "amount_min", "amount_max", "late_filings")
    got = {
        (row["window_start"], row["account"]): tuple(row[name] for name in names)
        for row in audit.windows.to_pylist()
    }
    expected = plainly(rows, window, lateness)
    assert got == expected
    assert audit.late == sum(sums[-1] for sums in expected.values())


def test_rules_find_what_breaks_them(tmp_path):
    rows = [
        {"timestamp": 0, "amount": 5.0, "id": "a"},
        {"timestamp": 70, "amount": float("nan"), "id": ""},
        {"timestamp": 10, "amount": 6.0, "id": None},
    ]
    rules = RuleSet(
        "r",
        "1",
        [
            MaxAmount("one", 6),
            MaxPerWindow("all", 10),
            MaxLate("late", 0),
            Required("who", ["id", "branch"]),
        ],
    )
    for name in ("ledger.parquet", "ledger.csv"):
        audit = audit_ledgers([write(tmp_path, rows, name)], AuditPlan(), [rules])
        found = [(one.rule, one.window["window_start"]) for one in audit.findings]
        assert found == [
            ("one", 60),  # a NaN is no amount that could be right
            ("all", 0),
            ("all", 60),
            ("late", 0),
            ("who: missing id, branch", 0),
            ("who: missing id, branch", 60),
        ]
        assert [one.value for one in audit.findings[-2:]] == [3, 2]
        assert not audit.is_clean


def test_every_window_can_be_traced_to_its_filings(tmp_path):
    rows = [{"timestamp": t, "amount": a} for t, a in ((0, 1), (70, 2), (10, 4), (90, 8))]
    paths = [write(tmp_path, rows[:3], "a.parquet"), write(tmp_path, rows[3:], "b.parquet")]
    audit = audit_ledgers(paths, AuditPlan(lineage=True))
    windows = audit.windows.to_pylist()
    found = [trace(rows, window["row_ranges"]) for window in windows]
    assert found == [[rows[0], rows[2]], [rows[1], rows[3]]]
    assert [window["amount_sum"] for window in windows] == [5, 10]
    _, page = write_report(audit, tmp_path / "audit")
    assert "row_ranges" not in page.read_text()
    plain = audit_ledgers(paths).windows
    assert plain.equals(audit.windows.drop_columns(["row_ranges"]))


def test_every_window_of_an_account_can_be_traced_to_its_filings(tmp_path):
    times = [dt.datetime(2024, 1, 1, 9, minute) for minute in (0, 1, 2, 3, 30)]
    rows = [
        {"timestamp": time, "amount": amount, "who": who}
        for time, amount, who in zip(times, (1, 2, 4, 8, 16), "abaab", strict=True)
    ]
    paths = [write(tmp_path, rows[:3], "a.parquet"), write(tmp_path, rows[3:], "b.parquet")]
    audit = audit_ledgers(paths, AuditPlan(window="10m", by=("who",), lineage=True))
    write_report(audit, tmp_path / "audit")
    windows = pq.read_table(tmp_path / "audit" / "audit.parquet")
    found = [trace(rows, ranges) for ranges in windows["row_ranges"]]
    assert found == [[rows[0], rows[2], rows[3]], [rows[1]], [rows[4]]]


def test_ledgers_without_filings_are_audited_too(tmp_path):
    (tmp_path / "none.csv").write_text("timestamp,amount\n")
    audit = audit_ledgers([tmp_path / "none.csv"])
    assert (audit.stats.rows_in, audit.windows.num_rows, audit.is_clean) == (0, 0, True)
    path = write(tmp_path, [{"timestamp": 1, "amount": 1.5}])
    audit = audit_ledgers([tmp_path / "none.csv", path])  # whose columns have no types
    assert audit.windows["amount_sum"].to_pylist() == [1.5]
    (tmp_path / "other.csv").write_text("time,amount\n")
    with pytest.raises(ColumnNotFoundError, match=r"other\.csv: there is no column 'timestamp'"):
        audit_ledgers([tmp_path / "other.csv", path])


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("bad.csv", "timestamp,amount\n2024-01-01,1\nx,2\n", "'timestamp' is string"),
        ("bad.ndjson", '{"timestamp": 1, "amount": 2}\n{"timestamp": 2', "line 2"),
        ("bad.csv", "timestamp,amount\n1,a\n", "'amount'"),
        ("bad.avro", "Obj", ""),
    ],
)
def test_what_is_wrong_in_a_ledger_is_said_with_its_name(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(TidegateError) as error:
        audit_ledgers([tmp_path / name])
    assert says in str(error.value)
    if says != "'amount'":
        assert str(error.value).startswith(str(tmp_path / name))


def test_exact_amounts_stay_exact(tmp_path):
    amounts = pa.array([Decimal("0.10"), Decimal("0.20")])
    path = tmp_path / "ledger.parquet"
    table = pa.table({"timestamp": [0, 1], "amount": amounts})
    serializers.get("parquet").write(path, table.to_batches())
    audit = audit_ledgers([path], AuditPlan(), [RuleSet("r", "1", [MaxPerWindow("all", 0)])])
    assert audit.windows["amount_sum"].to_pylist() == [Decimal("0.30")]
    assert audit.findings[0].value == Decimal("0.30")


def test_a_report_takes_no_ledgers_place(tmp_path):
    path = write(tmp_path, [{"timestamp": 0, "amount": 1}], "audit.parquet")
    before = path.read_bytes()
    with pytest.raises(InputError, match="take its place"):
        audit_and_report([path], AuditPlan(), tmp_path)
    assert path.read_bytes() == before


def test_a_clean_ledger_is_clean(tmp_path):
    path = write(tmp_path, [{"timestamp": t, "amount": 1} for t in range(5)])
    assert audit_ledgers([path], AuditPlan(window=2)).is_clean


def test_rows_without_a_time_are_counted(tmp_path):
    path = write(tmp_path, [{"timestamp": 1, "amount": 1}, {"timestamp": None, "amount": 1}])
    audit = audit_ledgers([path])
    assert (audit.stats.rejected, audit.is_clean) == (1, False)


def test_whole_numbers_of_one_ledger_go_with_floats_of_another(tmp_path):
    paths = [
        write(tmp_path, [{"timestamp": 1, "amount": 1}], "a.csv"),
        write(tmp_path, [{"timestamp": 2, "amount": 1.5}], "b.csv"),
    ]
    assert audit_ledgers(paths).windows["amount_sum"].to_pylist() == [2.5]


def test_ledgers_that_do_not_fit_are_named(tmp_path):
    good = write(tmp_path, [{"timestamp": 1, "amount": 1}], "a.parquet")
    text = write(tmp_path, [{"timestamp": 1, "amount": "1"}], "b.parquet")
    with pytest.raises(SourceError, match=r"b\.parquet: column 'amount' is string"):
        audit_ledgers([good, text])
    with pytest.raises(ColumnNotFoundError, match="no column 'value'"):
        audit_ledgers([good], AuditPlan(amount="value"))
    with pytest.raises(DurationError, match="no unit"):
        audit_ledgers([good], AuditPlan(window="1h"))
    with pytest.raises(SourceError, match="no such file"):
        audit_ledgers([tmp_path / "none.avro"])


GOOD = 'name = "r"\nversion = "1"\n[[rules]]\nid = "a"\nkind = "max_late"\nlimit = 0\n'


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"r"', '"../r"', "name '../r'"),
        ('"1"', '"current"', "current"),
        ("max_late", "max_mood", "max_mood"),
        ("limit = 0", "limit = -1", "0 or more"),
        ("limit = 0", "limit = 0.5", "int"),
        ("limit = 0", 'limit = "0"', "int"),
        ("limit = 0", "", "limit"),
        ("limit = 0", "limit = 0\nmore = 1", "more"),
        ('id = "a"', 'id = ""', "id of its own"),
        ("[[rules]]", '[[rules]]\nid = "a"\nkind = "max_late"\nlimit = 1\n[[rules]]', "its own"),
        (GOOD[GOOD.index("[[") :], "rules = []", "one at least"),
        ("max_late", "max_amount", None),
        ("[[rules]]", "[[rules", "mend the file"),
    ],
)
def test_rule_files_are_held_to_their_schema(tmp_path, old, new, says):
    path = tmp_path / "rules.toml"
    path.write_text(GOOD.replace(old, new, 1))
    if says is None:
        assert read_rules(path).rules == [MaxAmount("a", 0)]
        return
    with pytest.raises(SourceError) as error:
        read_rules(path)
    assert str(error.value).startswith(f"{path}: ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_the_current_version_is_the_last_one_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    assert installed_rules() == []
    first = RuleSet("r", "1", [MaxLate("a", 0)])
    second = RuleSet("r", "2", [MaxLate("a", 1)])
    other = RuleSet("b", "1", [MaxLate("a", 2)])
    for rules in (first, second, other):
        assert install_rules(rules) is not None
    assert installed_rules() == [other, second]
    assert install_rules(second) is None
    assert install_rules(first) is not None  # back to it
    assert installed_rules() == [other, first]
