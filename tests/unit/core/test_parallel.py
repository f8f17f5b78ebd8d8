"""Functions side by side: order, errors, and nothing that is left over."""

import itertools
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import tidegate as tg
from tidegate import errors
from tidegate.core.parallel import map_partitions, run_chain
from tidegate.core.sending import load_function, payload_of
from tidegate.core.shared import receive, send
from tidegate.core.workers import start_workers

SELF = os.getpid()


def pid_of(_):
    return os.getpid()


def double(table):
    done = table.append_column("y", pa.array(table["x"].to_numpy() * 2))
    return done.replace_schema_metadata({"pid": str(os.getpid())})


def fail(_):
    raise ValueError("boom")


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def wrap(function):
    def wrapper(*args):
        return function(*args)

    wrapper.__wrapped__ = function
    wrapper.__qualname__ = function.__qualname__
    return wrapper


@wrap
def hidden(x):
    return x + 1


def stage(results):
    results.put(os.getpid())


def linger(results):
    results.put("up")
    time.sleep(60)


@pytest.fixture(autouse=True)
def _nothing_is_left_over():
    n_threads = threading.active_count()  # those of `on_threads` are kept
    yield
    assert multiprocessing.active_children() == []
    wait_for(lambda: threading.active_count() == n_threads)
    wait_for(lambda: memory_of(SELF) == set())


def wait_for(is_so, seconds=5.0):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


def memory_of(pid):
    """The shared memory that a process has open."""
    files = Path(f"/proc/{pid}/fd")
    if not files.exists():
        return set()
    targets = set()
    for file in files.iterdir():
        try:
            targets.add(str(file.readlink()))
        except OSError:  # the one that lists the folder
            continue
    return {target for target in targets if "tidegate" in target and "memfd" in target}


# ------------------------------------------------------------------------------------ functions


def test_results_come_by_name_in_the_order_given():
    done = tg.parallel({"slow": lambda x: time.sleep(0.02) or x, "fast": lambda x: -x}, 3)
    assert list(done.items()) == [("slow", 3), ("fast", -3)]
    assert tg.parallel([min, max], [2, 1], workers="thread") == [1, 2]
    assert tg.parallel({}, 1) == {}


def test_functions_run_at_the_same_time():
    barrier = threading.Barrier(3, timeout=10)
    met = tg.parallel([lambda _: barrier.wait() >= 0] * 3, None)
    assert met == [True] * 3


def test_what_can_be_sent_runs_in_a_process_and_gets_tables_in_shared_memory():
    table = pa.table({"x": np.arange(100_000)})
    before = pa.total_allocated_bytes()  # by whatever ran in this process before
    done = tg.parallel({"double": double, "local": lambda _: os.getpid()}, table)
    double_of, pid = done["double"].schema.metadata[b"pid"], done["local"]
    assert int(double_of) != SELF == pid
    assert done["double"].equals(double(table))
    assert pa.total_allocated_bytes() - before < 100_000 * 8 * 3


def test_the_first_error_in_order_is_raised_with_names_in_notes():
    ended = []

    def late(_):
        time.sleep(0.05)
        ended.append(True)
        raise KeyError("late")

    with pytest.raises(KeyError) as caught:
        tg.parallel({"good": str, "late": late, "early": fail}, 1, workers="thread")
    assert ended == [True]
    first, others = caught.value.__notes__
    assert first == "in stage 'late'"
    assert "ExceptionGroup: other stages failed too" in others
    assert "ValueError: boom" in others
    assert "in stage 'early'" in others


def test_an_error_and_the_end_of_a_killed_process_are_told():
    with pytest.raises(ValueError, match="boom") as caught:
        tg.parallel({"fails": fail, "dies": die}, 1, workers="process")
    remote, first, others = caught.value.__notes__
    assert "in fail\n" in remote
    assert first == "in stage 'fails'"
    assert "WorkerError: worker 'die' ended in the middle of its work, exit code -9" in others


def test_data_that_cannot_be_sent_stays_here():
    lock = threading.Lock()
    assert tg.parallel([pid_of], lock) == [SELF]
    with pytest.raises(errors.WorkerError, match="data, of type lock, cannot be sent"):
        tg.parallel([pid_of], lock, workers="process")


@pytest.mark.parametrize(
    ("functions", "options", "match"),
    [
        ({"a": 3}, {}, "runs a function, not 3"),
        (len, {}, "give a dict or a list"),
        ([len], {"workers": "fork"}, "'fork'"),
        ([lambda x: x], {"workers": "process"}, "cannot be sent"),
    ],
)
def test_bad_functions_and_options_are_named(functions, options, match):
    with pytest.raises(errors.TidegateError, match=match):
        tg.parallel(functions, [], **options)


# -------------------------------------------------------------------------------- chains and maps


def test_items_go_through_a_chain_in_order_and_no_further_than_the_queues_have_room():
    taken = itertools.count()
    results = run_chain({"a": lambda x: x + 1, "b": str}, taken, max_queue=2, workers="thread")
    assert next(taken) == 0  # nothing began yet
    assert list(itertools.islice(results, 3)) == ["2", "3", "4"]
    time.sleep(0.05)
    results.close()
    assert next(taken) < 20


def test_a_chain_of_processes_keeps_the_order():
    tables = [pa.table({"x": np.full(10_000, k)}) for k in range(5)]
    done = list(run_chain([double, lambda table: table["y"][-1].as_py()], tables))
    assert done == [0, 2, 4, 6, 8]


def test_a_chain_gives_what_came_before_an_error_and_then_raises_it():
    def check(x):
        if x == 3:
            raise ValueError("three")
        return x

    given = []
    with pytest.raises(ValueError, match="three") as caught:
        given.extend(run_chain({"double": lambda x: x, "check": check}, itertools.count()))
    assert "in stage 'check'" in caught.value.__notes__
    results = run_chain({"check": check}, itertools.count(), workers="thread")
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)


def test_what_the_items_raise_is_raised():
    def items():
        yield 1
        raise OSError("gone")

    results = run_chain([str], items(), workers="thread")
    assert next(results) == "1"
    with pytest.raises(OSError, match="gone") as caught:
        next(results)
    assert caught.value.__notes__ == ["in stage 'items'"]
    with pytest.raises(OSError, match="gone"):
        list(map_partitions(str, items(), workers="thread"))


def test_items_that_cannot_be_sent_stay_here():
    items = [1, threading.Lock()]
    [away, here] = run_chain([pid_of], items)
    assert (away != SELF, here) == (True, SELF)


def test_a_map_keeps_the_order_and_runs_side_by_side():
    barrier = threading.Barrier(3, timeout=10)

    def slow(x):
        barrier.wait()
        return -x

    assert list(map_partitions(slow, range(9), n_workers=3)) == [-x for x in range(9)]
    assert list(map_partitions(slow, [], n_workers=3)) == []


def test_a_map_raises_the_first_error_in_order():
    def odd(x):
        if x % 2:
            raise ValueError(f"bad {x}")
        return x

    results = map_partitions(odd, [0, 2, 4, 5, 6, 7], n_workers=2, workers="thread")
    assert [next(results) for _ in range(3)] == [0, 2, 4]
    with pytest.raises(ValueError, match="bad 5"):
        next(results)


@pytest.mark.parametrize("size", [0, -1, True, 1.5])
def test_bad_sizes_are_named(size):
    with pytest.raises(errors.InputError, match="max_queue"):
        run_chain([str], [], max_queue=size)
    with pytest.raises(errors.InputError, match="n_workers"):
        map_partitions(str, [], n_workers=size)


# ------------------------------------------------------------------------------------- workers


def test_workers_of_both_kinds_have_one_interface():
    results = multiprocessing.get_context("spawn").Queue()
    local = threading.get_ident()
    calls = [(stage, (results,), {}), (lambda out: out.put(local), (results,), {})]
    workers = start_workers(calls)
    assert all(isinstance(worker, multiprocessing.Process) for worker in workers)
    began = time.monotonic()
    got = {results.get(timeout=5), results.get(timeout=5)}
    assert time.monotonic() - began < 0.2
    assert local in got
    assert SELF not in got
    for worker in workers:
        worker.join(5)
        assert (worker.is_alive(), worker.exitcode) == (False, 0)
    results.close()
    results.join_thread()


@pytest.mark.parametrize("kind", ["process", "thread"])
def test_workers_can_be_terminated(kind):
    results = multiprocessing.get_context("spawn").SimpleQueue()

    def spin(out):
        out.put("up")
        while True:
            time.sleep(0.001)

    [worker] = start_workers([(linger if kind == "process" else spin, (results,), {})])
    assert results.get() == "up"
    assert worker.is_alive()
    worker.terminate()
    worker.join()
    assert (worker.is_alive(), worker.exitcode) == (False, -15)
    results.close()


def test_arguments_that_cannot_be_sent_stay_here():
    results = queue.Queue()
    [worker] = start_workers([(stage, (results,), {})])
    worker.join()
    assert results.get() == SELF
    with pytest.raises(errors.WorkerError, match="arguments"):
        start_workers([(stage, (results,), {})], workers="process")


def test_what_a_thread_worker_raises_is_logged(caplog):
    [worker] = start_workers([(fail, (1,), {})], workers="thread")
    worker.join()
    assert worker.exitcode == 1
    assert "ValueError: boom" in caplog.text


# ------------------------------------------------------------------------------ what can be sent


def test_functions_under_a_wrapper_of_their_name_can_be_sent():
    inner = hidden.__wrapped__
    assert load_function(payload_of(inner)) is inner
    assert load_function(payload_of(hidden)) is hidden


@pytest.mark.parametrize("function", [len, str.upper, pid_of])
def test_functions_that_have_a_name_can_be_sent(function):
    assert load_function(payload_of(function)) == function


def test_functions_without_a_name_cannot_be_sent():
    assert load_function(payload_of("-".join))("ab") == "a-b"
    assert payload_of(lambda: 1) is None
    assert payload_of(threading.Lock().acquire) is None


@pytest.mark.parametrize(
    "thing",
    [
        None,
        {"a": [1, "b"]},
        pa.table({"x": [1, None], "s": ["a", "b"]}),
        pa.table({"x": pa.array([], pa.int64())}),
        pa.record_batch({"x": np.arange(50_000)}).slice(7, 40_000),
    ],
    ids=["none", "dict", "table", "empty", "slice"],
)
def test_things_come_as_they_were_sent(thing):
    ours, theirs = multiprocessing.Pipe()
    with ours, theirs:
        send(ours, thing)
        is_good, back = receive(theirs)
        assert is_good
        assert type(back) is type(thing)
        assert back == thing


def test_large_arrays_come_through_shared_memory_and_can_be_written():
    ours, theirs = multiprocessing.Pipe()
    arrays = {"a": np.arange(100_000), "b": np.arange(20_000.0), "c": np.arange(3)}
    with ours, theirs:
        send(ours, arrays)
        _, back = receive(theirs)
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)
    back["a"][0] = 7
    assert arrays["a"][0] == 0


# --------------------------------------------------------------------- scripts of their own


def run_script(tmp_path, text, *, stop=None):
    """Run a script, stop it by a signal once it has said 'go'; give what it said and its status."""
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-W", "error", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        if stop is not None:
            assert process.stdout.readline().startswith("go")
            pids = children_of(process.pid)
            assert pids
            os.killpg(process.pid, stop) if stop == signal.SIGINT else process.send_signal(stop)
        out, err = process.communicate(timeout=60)
    if stop is not None:
        wait_for(lambda: not any(is_running(pid) for pid in pids))
    return out, err, process.returncode


def children_of(pid):
    """The processes that a process has started, those of multiprocessing's tracker too."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")

STUCK = """
    import sys, time
    import numpy as np, pyarrow as pa
    import tidegate as tg

    def stuck(table):
        print("go", flush=True)
        time.sleep(60)

    if __name__ == "__main__":
        tg.parallel({"stuck": stuck}, pa.table({"x": np.arange(100_000)}), workers="process")
"""


@needs_proc
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill"])
def test_nothing_is_left_running_when_the_script_is_stopped(tmp_path, stop):
    _, err, status = run_script(tmp_path, STUCK, stop=stop)
    assert status == -stop
    assert "leaked" not in err
    assert "Exception ignored" not in err
    assert err.count("Traceback") == (stop == signal.SIGINT)


def test_a_script_without_a_guard_runs_once_and_on_threads(tmp_path):
    out, err, status = run_script(
        tmp_path,
        """
        import os, tidegate as tg
        print("once")

        def pid(_):
            return os.getpid()

        print(tg.parallel({"pid": pid}, None) == {"pid": os.getpid()})
        """,
    )
    assert (out, err, status) == ("once\nTrue\n", "", 0)


def test_a_script_with_a_guard_runs_its_functions_in_processes(tmp_path):
    out, err, status = run_script(
        tmp_path,
        """
        import os, tidegate as tg

        def pid(_):
            return os.getpid()

        if __name__ == "__main__":
            print(tg.parallel([pid], None, workers="process") != [os.getpid()])
        """,
    )
    assert (out, err, status) == ("True\n", "", 0)
