"""The contract of ``tidegate.quant_trader.streaming``, promise by promise."""

import inspect
import logging
import multiprocessing
import time

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from reference import scripts
from reference.records import SIZES, records

from tidegate.quant_trader import streaming

SIX = [{"price": price, "volume": 1} for price in range(6)]


def test_three_bars_of_six_records_by_count():
    bars = streaming.tumbling_window(SIX, 2, by_time=False)
    assert len(bars) == 3
    assert bars[0] == {"open": 0, "high": 1, "low": 0, "close": 1, "volume": 2}


def test_a_shorter_last_bar_comes_out_too():
    assert streaming.tumbling_window(SIX, 4, by_time=False)[-1] == scripts.bar(SIX[4:])


def test_bars_by_time_begin_with_the_first_record():
    rows = [{"timestamp": t, "price": t, "volume": 1} for t in (1, 2, 3, 5, 6)]
    bars = streaming.tumbling_window(rows, 3)
    assert [(bar["open"], bar["close"]) for bar in bars] == [(1, 3), (5, 6)]
    assert [bar["volume"] for bar in bars] == [3, 2]


@pytest.mark.parametrize("missing", [{}, {"volume": None}])
def test_a_missing_volume_counts_nothing(missing):
    rows = [{"timestamp": 1, "price": 2, "volume": 3}, {"timestamp": 2, "price": 4} | missing]
    assert streaming.tumbling_window(rows, 5)[0]["volume"] == 3


def test_no_records_give_nothing():
    assert streaming.tumbling_window([], 5) == []
    assert streaming.tumbling_window([], 5, by_time=False) == []
    assert streaming.sliding_window([], 5) == []
    assert streaming.watermark_event_time([], 5) == []


@given(records("price", "volume"), SIZES)
def test_bars_by_time_are_those_of_the_plain_way(rows, size):
    wanted = [scripts.bar(window) for window in scripts.tumbling(rows, size)]
    assert streaming.tumbling_window(rows, size) == wanted


@given(records("price", "volume"), st.integers(1, 9))
def test_bars_by_count_are_those_of_the_plain_way(rows, size):
    wanted = [scripts.bar(rows[at : at + size]) for at in range(0, len(rows), size)]
    assert streaming.tumbling_window(rows, size, by_time=False) == wanted


@given(records("price"), st.integers(1, 9), st.integers(1, 5))
def test_averages_are_those_of_the_plain_way(rows, size, step):
    ours = streaming.sliding_window(rows, size, step)
    theirs = scripts.averages(rows, size, step)
    assert [list(row) for row in ours] == [["start_index", "end_index", "average"]] * len(theirs)
    for mine, plain in zip(ours, theirs, strict=True):
        assert (mine["start_index"], mine["end_index"]) == (
            plain["start_index"],
            plain["end_index"],
        )
        assert mine["average"] == pytest.approx(plain["average"], abs=1e-9)


@pytest.mark.parametrize("size", [0, -1, float("nan"), "3", 1.5])
def test_sizes_that_are_none_are_refused(size):
    with pytest.raises((ValueError, TypeError), match="window_size"):
        streaming.tumbling_window(SIX, size, by_time=False)
    with pytest.raises((ValueError, TypeError), match="window_size"):
        streaming.sliding_window(SIX, size)
    with pytest.raises((ValueError, TypeError), match="step"):
        streaming.sliding_window(SIX, 2, size)


@pytest.mark.parametrize(
    ("bad", "error", "words"),
    [
        ({"timestamp": 2}, KeyError, "record 1 has no field 'price'"),
        ({"price": 2}, KeyError, "record 1 has no field 'timestamp'"),
        ({"timestamp": 2, "price": "2"}, TypeError, "'price', record 1 is '2'"),
        ({"timestamp": 2, "price": 2, "volume": "x"}, TypeError, "'volume', record 1 is 'x'"),
        ({"timestamp": float("nan"), "price": 2}, ValueError, "record 1 is NaN"),
    ],
)
def test_bad_records_are_named(bad, error, words):
    with pytest.raises(error, match=words):
        streaming.tumbling_window([{"timestamp": 1, "price": 1}, bad], 5)


def test_serializers_are_there_from_the_start():
    for name in ("avro", "parquet", "protobuf", "json"):
        assert streaming.get_serializer(name).dumps([{"id": 1}]), name
    assert streaming.get_serializer("nothing") is None


def test_any_object_can_be_a_serializer():
    known = streaming.add_serializer("mine", repr)
    assert streaming.get_serializer("mine") is repr
    del known["mine"]


class Clock:
    """A clock that stands still but for `sleep`."""

    def __init__(self):
        self.now, self.slept = 1000.0, []

    def time(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def test_calls_are_evenly_spaced_from_the_end_of_the_last(monkeypatch):
    clock = Clock()

    @streaming.throttle_upstream(4)
    def order(seconds):
        clock.now += seconds
        return clock.now

    monkeypatch.setattr(time, "time", clock.time)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    assert [order(1), order(0), order(0)] == [1001, 1001.25, 1001.5]
    assert clock.slept == [0.25, 0.25]
    clock.now += 60
    order(0)
    assert len(clock.slept) == 2


def test_calls_are_spaced_on_the_real_clock_too():
    @streaming.throttle_upstream(20)
    def order():
        return time.time()

    first, second = order(), order()
    assert second - first >= 0.05


@pytest.mark.parametrize("rate", [0, -1])
def test_no_rate_is_refused(rate):
    with pytest.raises(ValueError, match="rate_limit"):
        streaming.throttle_upstream(rate)


def test_records_too_far_behind_are_left_out():
    rows = [{"timestamp": t} for t in (1, 5, 10, 15)]
    kept = streaming.watermark_event_time(rows, 5)
    assert [id(row) for row in kept] == [id(row) for row in rows[2:]]


@given(records(), st.one_of(st.integers(-3, 40), st.integers(0, 80).map(lambda k: k / 8)))
def test_records_kept_are_those_of_the_plain_way(rows, lateness):
    last = max((row["timestamp"] for row in rows), default=0)
    wanted = [row for row in rows if row["timestamp"] >= last - lateness]
    kept = streaming.watermark_event_time(rows, lateness)
    assert [id(row) for row in kept] == [id(row) for row in wanted]


def test_skip_error_names_the_function(caplog):
    @streaming.skip_error
    def trade(order):
        """Trade."""
        raise OSError(f"no {order}")

    assert trade("o1") is None
    assert [r.getMessage() for r in caplog.records] == ["Skipping error in trade: no o1"]
    assert (trade.__name__, trade.__doc__) == ("trade", "Trade.")
    assert str(inspect.signature(trade)) == "(order)"


def test_halt_on_error_lets_the_error_pass():
    with pytest.raises(ZeroDivisionError):
        streaming.halt_on_error(lambda: 1 / 0)()


def test_setup_logging_knows_a_level_below_debug(bare_root_logger):
    with bare_root_logger() as root:
        assert streaming.setup_logging("TRACE") is root
        assert 0 < root.level < logging.DEBUG
        assert logging.getLevelName(root.level) == "TRACE"
        assert streaming.setup_logging(logging.INFO).level == logging.INFO
        assert streaming.setup_logging("WARNING").level == logging.WARNING
        assert len(root.handlers) == 1


def work(queue, factor, *, shift=0):
    queue.put(21 * factor + shift)


def test_parallel_function_starts_in_a_process():
    results = multiprocessing.get_context("spawn").Queue()
    start = streaming.parallelize_stages(work)
    assert start.__name__ == "work"
    process = start(results, 2, shift=1)
    assert isinstance(process, multiprocessing.Process)
    assert results.get(timeout=5) == 43
    process.join(5)
    assert process.exitcode == 0
    results.close()
    results.join_thread()


def command(*arguments):
    result = CliRunner().invoke(streaming.cli, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def test_cli_is_a_click_group_of_three_commands():
    assert isinstance(streaming.cli, click.Group)
    assert sorted(streaming.cli.commands) == ["inspect", "launch", "scaffold"]


def test_commands_exit_0_in_an_empty_folder(empty_folder):
    code, out, err = command("launch")
    assert (code, out) == (0, "Pipeline launched\n")
    assert "no strategy here" in err
    code, out, _ = command("inspect")
    assert (code, out) == (0, "Runtime metrics: none, nothing has run here\n")
    assert list(empty_folder.iterdir()) == []
    code, out, _ = command("scaffold", "momentum")
    assert code == 0
    assert out.startswith("Scaffolded strategy momentum\n")
    assert (empty_folder / "strategies" / "momentum" / "pipeline.toml").is_file()


def test_a_strategy_that_is_there_is_kept(empty_folder):
    command("scaffold", "momentum")
    readme = empty_folder / "strategies" / "momentum" / "README.md"
    readme.write_text("mine")
    code, out, _ = command("scaffold", "momentum")
    assert code == 0
    assert "Scaffolded strategy momentum" in out
    assert "kept as it is" in out
    assert readme.read_text() == "mine"


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".hidden", "a b", "x" * 65])
def test_unsafe_names_are_refused(empty_folder, name):
    code, out, err = command("scaffold", name)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert list(empty_folder.parent.iterdir()) == [empty_folder]
    assert list(empty_folder.iterdir()) == []


def test_launch_runs_the_strategy_and_inspect_shows_it(empty_folder):
    command("scaffold", "momentum")
    folder = empty_folder / "strategies" / "momentum"
    code, out, err = command("launch")
    assert (code, out) == (1, "Pipeline launched\n")
    assert "make the data first" in err
    (folder / "data").mkdir()
    line = '{"time": "2024-01-01T00:00:0%d", "symbol": "OAK", "price": %d, "size": 1}\n'
    (folder / "data" / "0.ndjson").write_text("".join(line % (i, i) for i in range(5)))
    code, out, _ = command("launch")
    assert code == 0
    assert out.startswith("Pipeline launched\nmomentum ended, rows in 5, rows out 5, late 0")
    assert command("inspect")[1].startswith("Runtime metrics: momentum ended, rows in 5")


@pytest.mark.usefixtures("empty_folder")
def test_cli_manage_runs_the_group(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["quant", "inspect"])
    with pytest.raises(SystemExit) as ended:
        streaming.cli_manage()
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("Runtime metrics: ")


def test_the_module_has_no_other_name_made_on_demand():
    with pytest.raises(AttributeError, match="clj"):
        _ = streaming.clj
