"""Limiters hold back what is too much, in any window, for all threads, in order."""

import functools
import inspect
import queue
import threading
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tidegate as tg
from tidegate import errors
from tidegate.core.limiters import MinInterval, SlidingWindow, TokenBucket, wall_clock
from tidegate.core.throttle import Backpressure

N_THREADS = 8


class FakeTime:
    """A clock that only sleep moves; also for threads."""

    def __init__(self, now=1000.0):
        self.now = now
        self.sleeps = []
        self._lock = threading.Lock()

    def clock(self):
        return self.now

    def sleep(self, seconds):
        with self._lock:
            self.sleeps.append(seconds)
            self.now += seconds

    @property
    def options(self):
        return {"clock": self.clock, "sleep": self.sleep}


def most_in_any(times, per):
    """Count the most times in a half-open window of so many seconds, brute force."""
    return max(sum(0 <= other - first < per for other in times) for first in times)


def hammer(call, n_calls):
    """Make calls from eight threads that start together; fail as they failed."""
    barrier = threading.Barrier(N_THREADS)
    failures = []

    def run():
        try:
            barrier.wait()
            for _ in range(n_calls):
                call()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(N_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


# ---------------------------------------------------------------------------------- one at a time


@given(
    limit=st.integers(1, 5),
    per=st.floats(0.01, 10),
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=40),
)
def test_no_window_has_more_calls_than_the_limit(limit, per, gaps):
    fake = FakeTime()
    limiter = SlidingWindow(limit, per, **fake.options)
    times = []
    for gap in gaps:
        fake.now += gap
        times.append(limiter.acquire())
    rounding = 1e-9
    assert most_in_any(times, per - rounding) <= limit


@given(
    rate=st.floats(0.1, 100),
    burst=st.integers(1, 5),
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=40),
)
def test_bucket_lets_go_no_more_than_burst_and_rate_allow(rate, burst, gaps):
    fake = FakeTime()
    bucket = TokenBucket(rate, burst=burst, **fake.options)
    times = []
    for gap in gaps:
        fake.now += gap
        times.append(bucket.acquire())
    for i, first in enumerate(times):
        for j in range(i, len(times)):
            assert j - i + 1 <= burst + rate * (times[j] - first) + 1e-6


def test_bucket_wastes_nothing():
    fake = FakeTime(0)
    bucket = TokenBucket(4, burst=3, **fake.options)
    assert [bucket.acquire() for _ in range(6)] == [0, 0, 0, 0.25, 0.5, 0.75]
    fake.now = 100.0
    assert [bucket.acquire() for _ in range(4)] == [100, 100, 100, 100.25]


def test_next_call_starts_an_interval_after_the_last_one_ended():
    fake = FakeTime(0)

    @tg.throttle(every=0.5, **fake.options)
    def work():
        began = fake.now
        fake.now += 0.25
        return began

    assert [work() for _ in range(3)] == [0, 0.75, 1.5]
    fake.now = 50.0
    assert [work(), work()] == [50, 50.75]
    assert fake.sleeps == [0.5] * 3


def test_a_failed_call_counts():
    fake = FakeTime(0)

    @tg.throttle(every=1, **fake.options)
    def fail():
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            fail()
    assert fake.sleeps == [1]


def test_a_block_counts_to_its_end():
    fake = FakeTime(0)
    every = MinInterval(1.0, **fake.options)
    for _ in range(2):
        with every:
            fake.now += 3
    assert fake.now == 7


def test_items_are_given_one_by_one_and_none_is_taken_ahead():
    fake = FakeTime(0)
    taken = []
    source = (taken.append(n) or n for n in range(5))
    slow = tg.throttle(limit=2, per=1.0, **fake.options)(source)
    assert [next(slow) for _ in range(3)] == [0, 1, 2]
    assert (taken, fake.now) == ([0, 1, 2], 1.0)
    assert list(tg.throttle(1000).over([1, 2])) == [1, 2]


def test_time_is_looked_up_on_the_module_at_each_call(monkeypatch):
    limited = MinInterval(0.5, clock=wall_clock)(lambda: None)
    fake = FakeTime(0)
    monkeypatch.setattr(time, "time", fake.clock)
    monkeypatch.setattr(time, "sleep", fake.sleep)
    limited()
    limited()
    assert fake.sleeps == [0.5]


def test_a_simulated_sleep_that_leaves_the_clock_alone_is_taken_at_its_word(monkeypatch):
    sleeps = []
    monkeypatch.setattr(time, "sleep", sleeps.append)
    limited = MinInterval(5.0)(lambda: None)
    for _ in range(3):
        limited()
    assert len(sleeps) == 2
    assert all(4 < wait <= 5 for wait in sleeps)


@pytest.mark.parametrize(
    "make",
    [
        lambda **options: MinInterval(1.0, **options),
        lambda **options: SlidingWindow(1, 1.0, **options),
        lambda **options: TokenBucket(1.0, **options),
    ],
)
def test_a_clock_that_is_set_back_makes_nobody_wait_longer_than_once(make):
    fake = FakeTime(10_000)
    limiter = make(**fake.options)
    limiter.acquire()
    fake.now = 10.0
    limiter.acquire()
    limiter.acquire()
    assert fake.now <= 12.001


def test_one_limiter_is_one_limit_for_all_that_it_is_put_on():
    fake = FakeTime(0)
    limiter = tg.throttle(limit=1, per=1.0, **fake.options)
    one, two = limiter(lambda: fake.now), limiter(lambda: fake.now)
    assert [one(), two(), one()] == [0, 1, 2]


def test_name_docstring_signature_arguments_and_result_stay():
    def add(a, *, b=1):
        """Add."""
        return a + b

    limited = tg.throttle(1000, burst=10)(add)
    assert (limited.__name__, limited.__doc__) == ("add", "Add.")
    assert inspect.signature(limited) == inspect.signature(add)
    assert limited(1, b=3) == 4


def test_methods_of_each_kind_can_be_throttled():
    class Sender:
        @tg.throttle(1000, burst=10)
        def send(self, x):
            return x

        @tg.throttle(1000, burst=10)
        @staticmethod
        def send_static(x):
            return x

        @tg.throttle(1000, burst=10)
        @classmethod
        def send_class(cls, x):
            return cls, x

    assert Sender().send(1) == Sender.send_static(1) == 1
    assert Sender.send_class(2) == (Sender, 2)
    assert tg.throttle(1000)(functools.partial(max, 3))(2) == 3


def test_a_recursive_function_does_not_wait_for_itself():
    fake = FakeTime(0)

    @tg.throttle(limit=1, per=1.0, **fake.options)
    def down(n):
        return down(n - 1) if n else fake.now

    assert 2 <= down(2) <= 2.2


def test_asynchronous_functions_are_refused():
    async def ask():
        pass

    with pytest.raises(errors.ColumnTypeError, match="event loop"):
        tg.throttle(1)(ask)


# ---------------------------------------------------------------------------------- eight threads


@pytest.mark.parametrize(("limit", "per"), [(1, 0.02), (3, 0.03)])
def test_what_functions_see_on_the_clock_keeps_the_limit_under_eight_threads(limit, per):
    times = []

    @tg.throttle(limit=limit, per=per)
    def call():
        times.append(time.monotonic())

    hammer(call, 3)
    assert len(times) == 3 * N_THREADS
    assert most_in_any(times, per) <= limit


def test_intervals_are_kept_under_eight_threads():
    spans = []

    @tg.throttle(every=0.01)
    def call():
        began = time.monotonic()
        spans.append((began, time.monotonic()))

    hammer(call, 3)
    spans.sort()
    assert all(began - ended >= 0.01 for (_, ended), (began, _) in pairwise(spans))


def test_bucket_is_exact_under_eight_threads():
    fake = FakeTime(0)
    bucket = TokenBucket(8, burst=4, **fake.options)
    times = []
    hammer(lambda: times.append(bucket.acquire()), 50)
    times.sort()
    assert times == [0.0] * 3 + [k / 8 for k in range(8 * 50 - 3)]


def test_who_comes_first_goes_first():
    gone = []
    limiter = SlidingWindow(1, 0.02)
    limiter.acquire()

    def run(name):
        for _ in range(2):
            limiter.acquire()
            gone.append(name)

    threads = []
    for name in range(5):
        threads.append(threading.Thread(target=run, args=(name,)))
        threads[-1].start()
        while len(limiter._turns) < name:  # until it stands in the queue
            time.sleep(0.0005)
    for thread in threads:
        thread.join()
    assert gone[:5] == list(range(5))
    assert sorted(gone[5:]) == list(range(5))


def test_who_is_interrupted_while_waiting_leaves_the_others_their_turn():
    sleeps = []

    def sleep(seconds):
        sleeps.append(seconds)
        if len(sleeps) == 1:
            raise KeyboardInterrupt
        time.sleep(seconds)

    limiter = MinInterval(0.01, sleep=sleep)
    limiter.acquire()
    with pytest.raises(KeyboardInterrupt):
        limiter.acquire()
    limiter.acquire()
    assert len(sleeps) == 2
    assert not limiter._is_waited_for


# --------------------------------------------------------------------------------- full queues


def full(n_items):
    """Make a queue with so many items."""
    waiting = queue.Queue()
    for item in range(n_items):
        waiting.put(item)
    return waiting


def test_a_long_queue_holds_the_call_back_and_then_lets_it_go():
    fake = FakeTime()
    sizes = tg.throttle(max_queue_size=2, **fake.options)(lambda waiting: waiting.qsize())
    assert (sizes(full(2)), fake.sleeps) == (2, [])
    assert (sizes(full(3)), fake.sleeps) == (3, [0.01])


def test_a_queue_that_drains_is_waited_for_no_longer():
    waiting = full(5)
    sleeps = []

    def sleep(seconds):
        sleeps.append(seconds)
        waiting.get()

    @Backpressure(2, max_wait=None, sleep=sleep)
    def put(waiting):
        return waiting.qsize()

    assert put(waiting) == 2
    assert sleeps == [0.01] * 3


def test_a_real_wait_takes_its_time():
    put = Backpressure(0, max_wait=0.02)(lambda waiting: waiting)
    began = time.monotonic()
    put(full(1))
    assert time.monotonic() - began >= 0.02


def test_what_has_no_size_is_passed_straight_on():
    fake = FakeTime()
    same = Backpressure(0, **fake.options)(lambda *args: args)
    assert (same(), same([1, 2]), same(None), fake.sleeps) == ((), ([1, 2],), (None,), [])


def test_a_queue_that_was_given_serves_blocks_items_and_any_call():
    fake = FakeTime()
    gate = Backpressure(0, queue=full(1), max_wait=0.015, poll=0.01, **fake.options)
    with gate:
        pass
    assert list(gate("ab")) == ["a", "b"]
    assert gate(lambda: 7)() == 7
    assert fake.sleeps == pytest.approx([0.01, 0.005] * 4)
    with pytest.raises(errors.InputError, match="queue="), Backpressure(1):
        pass


# --------------------------------------------------------------------------------- bad options


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({}, "none of them"),
        ({"every": 1, "limit": 1, "per": 1}, "every and limit"),
        ({"limit": 1}, "belong together"),
        ({"every": 1, "per": 1}, "belong together"),
        ({"every": 0}, "seconds"),
        ({"every": float("nan")}, "seconds"),
        ({"every": "1"}, "seconds"),
        ({"limit": 0, "per": 1}, "limit"),
        ({"limit": 1.5, "per": 1}, "limit"),
        ({"limit": 1, "per": -1}, "per"),
        ({"max_queue_size": "3"}, "max_queue_size"),
        ({"max_queue_size": 3, "max_wait": -1}, "max_wait"),
    ],
)
def test_bad_options_are_named(options, word):
    with pytest.raises((errors.InputError, errors.ColumnTypeError), match=word):
        tg.throttle(**options)


@pytest.mark.parametrize("rate", [0, -1, float("inf"), True, "fast"])
def test_bad_rates_are_named(rate):
    with pytest.raises((errors.InputError, errors.ColumnTypeError), match="rate"):
        tg.throttle(rate)
    with pytest.raises((errors.InputError, errors.ColumnTypeError), match="burst"):
        tg.throttle(1, burst=0)


def test_what_can_be_neither_called_nor_gone_through_is_refused():
    with pytest.raises(TypeError, match="decorates a function"):
        tg.throttle(1)(3)
