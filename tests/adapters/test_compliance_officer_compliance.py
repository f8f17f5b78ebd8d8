"""The contract of ``tidegate.compliance_officer.pipeline.compliance``, promise by promise."""

import copy
import inspect
import json
import logging
import queue
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import scripts
from reference.records import SIZES, records, same_objects

from tidegate.compliance_officer.pipeline import compliance

FIVE = [{"timestamp": t, "id": t} for t in range(5)]


def times_in(windows):
    return [[row["timestamp"] for row in rows] for rows in windows]


def test_tumbling_windows_of_five_records():
    assert times_in(compliance.tumbling_window(FIVE, 2)) == [[0, 1], [2, 3], [4]]


def test_sliding_windows_of_five_records():
    assert times_in(compliance.sliding_window(FIVE, 3, 2)) == [[0, 1, 2], [2, 3, 4], [4]]


def test_slide_is_the_size_unless_said_otherwise():
    assert compliance.sliding_window(FIVE, 2) == compliance.tumbling_window(FIVE, 2)


def test_empty_sliding_windows_are_kept_so_that_the_index_tells_the_time():
    rows = [{"timestamp": t} for t in (0, 9)]
    assert times_in(compliance.sliding_window(rows, 2, 3)) == [[0], [], [], [9]]
    rows = [{"timestamp": t} for t in (0, 5)]
    assert times_in(compliance.sliding_window(rows, 1, 3)) == [[0], []]


@pytest.mark.parametrize("window", [compliance.tumbling_window, compliance.sliding_window])
def test_no_records_or_no_size_give_no_windows(window):
    assert window([], 5) == []
    assert window(FIVE, 0) == []
    assert window(FIVE, -1) == []


@pytest.mark.parametrize("slide", [0, -1])
def test_slide_of_nothing_is_refused(slide):
    with pytest.raises(ValueError, match="slide"):
        compliance.sliding_window(FIVE, 2, slide)


def test_the_grid_stays_after_a_gap():
    rows = [{"timestamp": t} for t in (1, 2, 12, 13)]
    assert times_in(compliance.tumbling_window(rows, 5)) == [[1, 2], [12, 13]]
    rows = [{"timestamp": t} for t in (1, 10, 11)]
    assert times_in(compliance.tumbling_window(rows, 5)) == [[1], [10], [11]]


@given(records(), SIZES)
def test_tumbling_windows_are_those_of_the_plain_way(rows, size):
    before, kept = copy.deepcopy(rows), list(rows)
    windows = compliance.tumbling_window(rows, size)
    assert same_objects(windows, scripts.tumbling(rows, size))
    assert rows == before
    assert same_objects([rows], [kept])


@given(records(), SIZES, SIZES)
def test_sliding_windows_are_those_of_the_plain_way(rows, size, slide):
    windows = compliance.sliding_window(rows, size, slide)
    assert same_objects(windows, scripts.sliding(rows, size, slide))


@pytest.mark.parametrize(
    ("bad", "error", "words"),
    [
        ({}, KeyError, "record 1 has no field 'timestamp'"),
        ({"timestamp": float("nan")}, ValueError, "record 1 is NaN"),
        ({"timestamp": float("inf")}, ValueError, "record 1 is inf"),
        ({"timestamp": "3"}, TypeError, "'timestamp', record 1 is '3'"),
        ({"timestamp": None}, TypeError, "'timestamp', record 1 is None"),
        ({"timestamp": 2**70}, ValueError, "'timestamp', record 1"),
        (7, TypeError, "record 1"),
    ],
)
def test_bad_records_are_named(bad, error, words):
    rows = [{"timestamp": 1}, bad]
    for call in (
        lambda: compliance.tumbling_window(rows, 2),
        lambda: compliance.sliding_window(rows, 2, 1),
        lambda: compliance.watermark_event_time(rows, 2),
    ):
        with pytest.raises(error, match=words):
            call()


def test_a_million_windows_of_nothing_cost_nothing():
    begun = time.perf_counter()
    windows = compliance.tumbling_window([{"timestamp": 0}, {"timestamp": 10**15}], 1)
    assert len(windows) == 2
    assert time.perf_counter() - begun < 1


def test_too_many_windows_are_a_named_error():
    with pytest.raises(ValueError, match="MAX_WINDOWS"):
        compliance.sliding_window([{"timestamp": 0}, {"timestamp": 10**15}], 1, 1)


def test_serializers_work_from_the_start():
    for name, head in (("json", b"{"), ("avro", b"Obj\x01"), ("parquet", b"PAR1")):
        assert compliance.serializers[name]([{"id": 1, "amount": 2.5}]).startswith(head)
    assert json.loads(compliance.serializers["json"]([{"id": 1}])) == {"id": 1}


def test_added_serializer_is_there():
    def fn(rows):
        return b"".join(bytes([len(rows)]) for _ in rows)

    before = compliance.serializers["avro"]
    compliance.add_serializer("avro", fn)
    try:
        assert compliance.serializers["avro"] is fn
    finally:
        compliance.add_serializer("avro", before)
    assert set(compliance.serializers) >= {"json", "avro", "parquet"}


class Sized:
    def __init__(self, size):
        self.size = size

    def qsize(self):
        return self.size


@pytest.mark.parametrize(("size", "least", "most"), [(6, 0.01, 1.0), (5, 0.0, 0.01), (0, 0, 0.01)])
def test_a_long_queue_holds_the_call_back(size, least, most):
    @compliance.throttle_upstream(5)
    def send(queue, item, *, twice=False):
        return queue, item, twice

    waiting = Sized(size)
    send(Sized(0), 0)
    begun = time.perf_counter()
    assert send(waiting, 1, twice=True) == (waiting, 1, True)
    assert least <= time.perf_counter() - begun <= most


def test_waiting_can_be_longer_and_ends_when_the_queue_has_drained():
    waiting = queue.Queue()
    for item in range(3):
        waiting.put(item)

    @compliance.throttle_upstream(2, max_wait=0.05)
    def send(queue):
        return queue.qsize()

    begun = time.perf_counter()
    assert send(waiting) == 3
    assert time.perf_counter() - begun >= 0.05


def test_what_has_no_queue_is_passed_on():
    assert compliance.throttle_upstream(1)(lambda text: text * 2)("ab") == "abab"


def test_watermark_of_three_events():
    events = [{"timestamp": t} for t in (10, 20, 30)]
    marked = compliance.watermark_event_time(events, 5)
    assert [row["watermark"] for row in marked] == [25, 25, 25]
    assert [row["is_late"] for row in marked] == [True, True, False]
    assert [type(row["is_late"]) for row in marked] == [bool] * 3
    assert events == [{"timestamp": t} for t in (10, 20, 30)]


@pytest.mark.parametrize(("events", "lateness"), [([], 5), ([{"timestamp": 1}], -1)])
def test_no_events_or_no_lateness_give_nothing(events, lateness):
    assert compliance.watermark_event_time(events, lateness) == []


@given(records("amount"), st.one_of(st.integers(0, 40), st.integers(0, 80).map(lambda k: k / 8)))
def test_watermarks_are_those_of_the_plain_way(events, lateness):
    marked = compliance.watermark_event_time(events, lateness)
    last = max((row["timestamp"] for row in events), default=0)
    wanted = [
        row | {"watermark": last - lateness, "is_late": row["timestamp"] < last - lateness}
        for row in events
    ]
    assert marked == wanted


def test_skip_error_logs_once_and_gives_none(caplog):
    @compliance.skip_error
    def check(record):
        """Check a record."""
        raise ValueError(f"bad {record}")

    assert check(3) is None
    assert [r.getMessage() for r in caplog.records] == ["Skipping error in check: bad 3"]
    assert caplog.records[0].levelno == logging.WARNING
    assert (check.__name__, check.__doc__) == ("check", "Check a record.")
    assert str(inspect.signature(check)) == "(record)"


def test_halt_on_error_lets_the_error_pass():
    @compliance.halt_on_error
    def check(record):
        """Check a record."""
        raise ValueError(f"bad {record}")

    with pytest.raises(ValueError, match="bad 3"):
        check(3)
    assert (check.__name__, check.__doc__) == ("check", "Check a record.")


def test_setup_logging_sets_the_root_logger_once(bare_root_logger):
    with bare_root_logger() as root:
        assert compliance.setup_logging() is root
        assert root.level == logging.INFO
        assert len(root.handlers) == 1
        assert compliance.setup_logging(logging.DEBUG) is root
        assert root.level == logging.DEBUG
        assert len(root.handlers) == 1


def test_stages_run_on_the_data_and_answer_in_order():
    stages = {"total": sum, "most": max, "double": lambda rows: [2 * row for row in rows]}
    done = compliance.parallelize_stages(stages, [1, 2])
    assert list(done.items()) == [("total", 3), ("most", 2), ("double", [2, 4])]


def test_stages_run_at_the_same_time():
    def slow(_):
        time.sleep(0.2)

    begun = time.perf_counter()
    compliance.parallelize_stages({str(k): slow for k in range(5)}, None)
    assert time.perf_counter() - begun < 0.8


def test_first_error_is_raised_when_all_have_ended():
    ended = []

    def fails(_):
        raise ValueError("no ledger")

    def lasts(_):
        time.sleep(0.1)
        ended.append(True)

    with pytest.raises(ValueError, match="no ledger") as raised:
        compliance.parallelize_stages({"audit": fails, "report": lasts}, None)
    assert ended
    assert any("audit" in note for note in raised.value.__notes__)


@pytest.fixture
def clean_lineage():
    compliance.lineage_store.clear()
    yield compliance.lineage_store
    compliance.lineage_store.clear()


def test_lineage_tells_each_call(clean_lineage):
    seen = []

    @compliance.track_lineage
    def transform(record, factor=1):
        seen.append(list(clean_lineage.get(record.get("id"), [])))
        return record, factor

    transform({"id": 7})
    assert transform({"id": 7}, factor=2) == ({"id": 7}, 2)
    assert clean_lineage[7] == ["transform", "transform"]
    assert seen == [["transform"], ["transform", "transform"]]  # noted before the call
    transform({"name": "no id"})
    assert dict(clean_lineage) == {7: ["transform", "transform"]}
    clean_lineage.clear()
    assert len(clean_lineage) == 0


def command(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["compliance", *arguments])
    code = compliance.cli_manage()
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize(
    ("arguments", "phrase", "lacks"),
    [
        (["audit"], "Running audit with window size 60", "no ledger"),
        (["audit", "--window_size", "5"], "Running audit with window size 5", "no ledger"),
        (["show-logs"], "Displaying logs", "nothing was logged"),
        (["deploy-rules", "--rule-file", "r.toml"], "Deploying rules from r.toml", "no such file"),
    ],
)
def test_commands_say_their_phrase_and_what_they_did_not_find(
    empty_folder, monkeypatch, capsys, arguments, phrase, lacks
):
    for _ in "twice":
        code, out, err = command(monkeypatch, capsys, *arguments)
        assert (code, out) == (0, f"{phrase}\n")
        assert lacks in err
        assert len(err.splitlines()) == 1
    assert list(empty_folder.iterdir()) == []
    assert not (empty_folder.parent / "home").exists()


@pytest.mark.usefixtures("empty_folder")
def test_no_command_prints_help(monkeypatch, capsys):
    code, out, _ = command(monkeypatch, capsys)
    assert code == 0
    assert "usage:" in out


def test_audit_audits_the_ledger_of_the_folder_by_the_deployed_rules(
    empty_folder, monkeypatch, capsys
):
    rules = 'name = "aml"\nversion = "1"\n[[rules]]\nid = "big"\nkind = "max_amount"\nlimit = 5\n'
    (empty_folder / "rules.toml").write_text(rules)
    (empty_folder / "ledger.csv").write_text("timestamp,amount\n0,5\n70,7\n10,1\n")
    code, out, err = command(monkeypatch, capsys, "deploy-rules", "--rule-file", "rules.toml")
    assert (code, err) == (0, "")
    assert out.startswith("Deploying rules from rules.toml\naml 1: installed as ")
    code, out, err = command(monkeypatch, capsys, "audit")
    assert (code, err) == (0, "")
    assert "3 filings in 2 windows; 1 late, 0 without a time; rules: aml 1" in out
    assert "broken rule: aml 1: big: 7, at most 5" in out
    assert sorted(path.name for path in (empty_folder / "audit").iterdir()) == [
        "audit.html",
        "audit.parquet",
    ]
    code, out, err = command(monkeypatch, capsys, "show-logs")
    assert out.splitlines()[0] == "Displaying logs"
    assert "1 late" in out.splitlines()[-1]


def test_a_ledger_that_cannot_be_used_is_one_line_and_1(empty_folder, monkeypatch, capsys):
    (empty_folder / "ledger.parquet").write_bytes(b"PAR1 and no more")
    code, out, err = command(monkeypatch, capsys, "audit")
    assert (code, out) == (1, "Running audit with window size 60\n")
    assert err.startswith("ledger.parquet: ")
    assert len(err.splitlines()) == 1
