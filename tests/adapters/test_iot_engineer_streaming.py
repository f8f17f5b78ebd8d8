"""The contract of ``tidegate.iot_engineer.streaming``, promise by promise."""

import argparse
import inspect
import logging
import queue
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import scripts
from reference.records import SIZES, records, same_objects

from tidegate.iot_engineer import streaming


def reading(t, value=0):
    return {"timestamp": t, "value": value}


def test_tumbling_windows_of_four_readings():
    windows = streaming.tumbling_window([reading(t) for t in (1, 2, 5, 7)], 3)
    assert iter(windows) is windows
    assert [[row["timestamp"] for row in rows] for rows in windows] == [[1, 2], [5], [7]]


def test_sliding_windows_of_four_readings():
    windows = streaming.sliding_window([reading(t, 2 * t) for t in (1, 2, 3, 4)], 2, 1)
    assert iter(windows) is windows
    assert list(windows) == [
        {"end": 3, "average": 5, "anomaly": 1},
        {"end": 4, "average": 7, "anomaly": 1},
        {"end": 5, "average": 8, "anomaly": 0},
    ]


def test_no_readings_give_nothing():
    assert list(streaming.tumbling_window([], 3)) == []
    assert list(streaming.sliding_window([], 3, 1)) == []
    assert list(streaming.watermark_event_time([], 3)) == []


def test_empty_windows_are_left_out():
    rows = [reading(0, 1), reading(100, 3)]
    assert [w["end"] for w in streaming.sliding_window(rows, 2, 2)] == [100, 102][:1]


@given(records("value"), SIZES)
def test_tumbling_windows_are_those_of_the_plain_way(rows, size):
    windows = streaming.tumbling_window(rows, size)
    assert same_objects(windows, scripts.tumbling(rows, size))


@given(records("value"), SIZES, SIZES)
def test_sliding_windows_are_those_of_the_plain_way(rows, size, step):
    ours = list(streaming.sliding_window(rows, size, step))
    theirs = scripts.readings(rows, size, step)
    assert [w["end"] for w in ours] == [w["end"] for w in theirs]
    for mine, plain in zip(ours, theirs, strict=True):
        assert mine["average"] == pytest.approx(plain["average"], abs=1e-9)
        assert mine["anomaly"] == pytest.approx(plain["anomaly"], abs=1e-9)


def test_windows_that_overlap_a_hundred_times_cost_no_more_than_those_that_do_not():
    rows = [reading(t, t % 7) for t in range(100_000)]
    begun = time.perf_counter()
    n_windows = len(list(streaming.sliding_window(rows, 1000, 10)))
    assert n_windows > 9_000
    assert time.perf_counter() - begun < 2


@pytest.mark.parametrize(("size", "step"), [(0, 1), (-1, 1), (1, 0), (1, -2), (float("nan"), 1)])
def test_sizes_of_nothing_are_refused_at_the_call(size, step):
    with pytest.raises(ValueError, match=r"window_size|step"):
        streaming.sliding_window([reading(1)], size, step)
    if step == 1:
        with pytest.raises(ValueError, match="window_size"):
            streaming.tumbling_window([reading(1)], size)


@pytest.mark.parametrize(
    ("bad", "error", "words"),
    [
        ({"value": 1}, KeyError, "record 1 has no field 'timestamp'"),
        ({"timestamp": 2}, KeyError, "record 1 has no field 'value'"),
        ({"timestamp": float("nan"), "value": 1}, ValueError, "record 1 is NaN"),
        ({"timestamp": 1, "value": "warm"}, TypeError, "'value', record 1 is 'warm'"),
    ],
)
def test_bad_readings_are_named(bad, error, words):
    with pytest.raises(error, match=words):
        streaming.sliding_window([reading(1), bad], 2, 1)


def test_serializers_are_there_from_the_start():
    for name in ("protobuf", "parquet", "avro", "json"):
        made = streaming.get_serializer(name)
        assert made.dumps([{"id": 1}]), name
    assert streaming.get_serializer("nothing") is None


def test_any_object_can_be_a_serializer():
    mine = object()
    known = streaming.add_serializer("mine", mine)
    assert known["mine"] is mine is streaming.get_serializer("mine")
    del known["mine"]
    assert streaming.get_serializer("mine") is None


def test_two_calls_take_a_tenth_of_a_second():
    @streaming.throttle_upstream(max_calls=1)
    def send():
        return time.time()

    begun = time.time()
    send()
    send()
    assert time.time() - begun >= 0.1


def test_no_tenth_of_a_second_sees_more_calls_over_all_threads():
    times, lock = [], threading.Lock()

    @streaming.throttle_upstream(3)
    def send():
        with lock:
            times.append(time.time())

    threads = [threading.Thread(target=lambda: [send() for _ in range(3)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times.sort()
    assert len(times) == 12
    assert min(later - first for first, later in zip(times, times[3:], strict=False)) >= 0.1


def test_watermark_is_the_own_timestamp_minus_the_delay():
    rows = [reading(10), reading(7)]
    marked = streaming.watermark_event_time(rows, 3)
    assert iter(marked) is marked
    assert list(marked) == [reading(10) | {"watermark": 7}, reading(7) | {"watermark": 4}]
    assert rows == [reading(10), reading(7)]


@given(records("value"), st.one_of(st.integers(-5, 40), st.integers(0, 80).map(lambda k: k / 8)))
def test_watermarks_are_those_of_the_plain_way(rows, delay):
    wanted = [row | {"watermark": row["timestamp"] - delay} for row in rows]
    assert list(streaming.watermark_event_time(rows, delay)) == wanted


def test_skip_error_names_the_function(caplog):
    @streaming.skip_error
    def read(sensor):
        """Read a sensor."""
        raise OSError(f"no {sensor}")

    assert read("s1") is None
    assert [r.getMessage() for r in caplog.records] == ["Skipping error in read: no s1"]
    assert (read.__name__, read.__doc__) == ("read", "Read a sensor.")
    assert str(inspect.signature(read)) == "(sensor)"


def test_halt_on_error_lets_the_error_pass():
    with pytest.raises(ZeroDivisionError):
        streaming.halt_on_error(lambda: 1 / 0)()


def test_setup_logging_sets_the_root_logger_once(bare_root_logger):
    with bare_root_logger() as root:
        assert streaming.setup_logging() is root
        assert root.level == logging.INFO
        assert streaming.setup_logging(logging.ERROR).level == logging.ERROR
        assert len(root.handlers) == 1


def double(queue):
    queue.put(2 * 21)


def test_stages_run_in_workers_of_their_own():
    workers, results = streaming.parallelize_stages([double, lambda queue: queue.put("closure")])
    try:
        assert sorted([results.get(timeout=0.2), results.get(timeout=0.2)], key=str) == [
            42,
            "closure",
        ]
        assert len(workers) == 2
    finally:
        for worker in workers:
            worker.join(5)
    assert not any(worker.is_alive() for worker in workers)
    results.close()
    results.join_thread()


def test_a_queue_of_threads_may_be_given():
    mine = queue.Queue()
    workers, results = streaming.parallelize_stages([double], mine)
    assert results is mine
    assert mine.get(timeout=0.2) == 42
    workers[0].join()


def wait_long(_):
    time.sleep(60)


def test_a_worker_can_be_ended():
    [worker], results = streaming.parallelize_stages([wait_long])
    assert worker.is_alive()
    worker.terminate()
    worker.join(5)
    assert not worker.is_alive()
    results.close()
    results.join_thread()


def do(*arguments):
    options = streaming.cli_manage().parse_args(arguments)
    return options.func(options)


@pytest.mark.parametrize("command", ["scaffold", "start", "stop", "health"])
def test_the_parser_knows_each_command_without_arguments(command):
    parser = streaming.cli_manage()
    assert isinstance(parser, argparse.ArgumentParser)
    assert parser.parse_args([command]).command == command


def test_commands_say_it_where_there_is_nothing(empty_folder, capsys):
    assert do("health") == 3
    assert do("stop") == 3
    assert do("start") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 3
    assert list(empty_folder.iterdir()) == []


@pytest.mark.usefixtures("empty_folder")
def test_commands_run_a_pipeline_in_the_background(capsys):
    assert do("scaffold") == 0
    assert do("scaffold") == 0
    assert do("health") == 3
    assert "kept as it is" in capsys.readouterr().out
    assert do("start") == 0
    try:
        assert do("health") == 0
        assert do("start") == 1
        said = capsys.readouterr()
        assert "sensors: running" in said.out
        assert "runs already" in said.err
    finally:
        assert do("stop") == 0
    assert capsys.readouterr().out == "sensors: stopped\n"
    assert do("stop") == 3
    assert do("health") == 3


def test_without_a_command_there_is_help(capsys):
    assert do() == 0
    assert "usage:" in capsys.readouterr().out
