"""Halt, skip, dead-letter, retry around functions of every kind."""

import asyncio
import functools
import inspect
import logging
import threading

import pytest

from tidegate import errors
from tidegate.core.guarding import guard, halt_on_error, skip_error
from tidegate.core.strategies import (
    GIVE_NONE,
    DeadLetters,
    Halt,
    Retry,
    Skip,
    strategy_of,
)


def invert(x, *, scale=1.0):
    """Give one over x."""
    return scale / x


class Machine:
    @skip_error
    def read(self, record):
        return record["value"]

    @skip_error
    @staticmethod
    def read_static(record):
        return record["value"]

    @skip_error
    @classmethod
    def read_class(cls, record):
        return cls.__name__, record["value"]


@pytest.mark.parametrize("decorate", [halt_on_error, halt_on_error(), skip_error, skip_error()])
def test_name_docstring_and_signature_stay(decorate):
    wrapped = decorate(invert)
    assert (wrapped.__name__, wrapped.__doc__) == ("invert", "Give one over x.")
    assert inspect.signature(wrapped) == inspect.signature(invert)
    assert wrapped(4, scale=2.0) == 0.5


def test_halt_lets_the_exception_itself_pass():
    boom = ValueError("boom")

    @halt_on_error
    def fail():
        raise boom

    with pytest.raises(ValueError, match="boom") as caught:
        fail()
    assert caught.value is boom


def test_skip_logs_one_warning_that_reaches_the_root_logger_and_gives_none(caplog):
    with caplog.at_level(logging.WARNING):
        assert skip_error(invert)(0) is None
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "Skipping error in invert: float division by zero"


def test_message_of_skip_can_be_chosen(caplog):
    guarded = skip_error(message="Skipping due to error: {error}", logger="posts")(invert)
    assert guarded(0) is None
    assert [(r.name, r.getMessage()) for r in caplog.records] == [
        ("posts", "Skipping due to error: float division by zero")
    ]


@pytest.mark.parametrize("text", ["100% {sure} %s", "{}", "%d"])
def test_what_an_error_says_is_not_a_format(caplog, text):
    @skip_error
    def fail():
        raise ValueError(text)

    assert fail() is None
    assert caplog.records[0].getMessage() == f"Skipping error in fail: {text}"


def test_an_error_without_a_text_is_named(caplog):
    @skip_error
    def fail():
        raise KeyError

    fail()
    assert caplog.records[0].getMessage() == "Skipping error in fail: KeyError"


@pytest.mark.parametrize("message", ["{other}", "{0}", "{"])
def test_message_that_cannot_be_formatted_is_refused_at_once(message):
    with pytest.raises(errors.InputError, match="message"):
        skip_error(message=message)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
@pytest.mark.parametrize("strategy", ["halt", "skip", "dead-letter", "retry"])
def test_what_ends_the_process_passes_every_strategy(kind, strategy):
    def fail():
        raise kind

    with pytest.raises(kind):
        guard(fail, strategy)()


def test_methods_of_each_kind_are_guarded(caplog):
    machine = Machine()
    good = {"value": 1}
    assert (machine.read(good), machine.read_static(good)) == (1, 1)
    assert machine.read_class(good) == Machine.read_class(good) == ("Machine", 1)
    assert [machine.read({}), machine.read_static({}), Machine.read_class({})] == [None] * 3
    names = [record.getMessage().split()[3] for record in caplog.records]
    assert names == ["read:", "read_static:", "read_class:"]


def test_partials_and_callable_objects_are_guarded(caplog):
    class Inverter:
        def __call__(self, x):
            return 1 / x

    assert skip_error(functools.partial(invert, scale=2))(0) is None
    assert skip_error(Inverter())(0) is None
    assert [r.getMessage().split()[3] for r in caplog.records] == ["invert:", "Inverter:"]


def test_what_cannot_be_called_is_refused():
    with pytest.raises(TypeError, match="skip_error: decorates a function, not 3"):
        skip_error(3)


def test_generator_ends_where_it_failed_and_what_it_gave_stays_given(caplog):
    @skip_error
    def count(n):
        yield from range(n)
        raise ValueError("no more")

    assert inspect.isgeneratorfunction(count)
    assert list(count(3)) == [0, 1, 2]
    assert len(caplog.records) == 1


def test_send_throw_close_and_return_reach_the_generator_inside():
    seen = []

    @guard_with_halt
    def echo():
        try:
            got = yield "ready"
            while got != "stop":
                try:
                    got = yield got
                except KeyError:
                    got = yield "caught"
            return "done"
        finally:
            seen.append("closed")

    running = echo()
    assert next(running) == "ready"
    assert running.send(5) == 5
    assert running.throw(KeyError) == "caught"
    with pytest.raises(StopIteration) as stopped:
        running.send("stop")
    assert stopped.value.value == "done"
    half = echo()
    next(half)
    half.close()
    assert seen == ["closed", "closed"]


def guard_with_halt(function):
    return guard(function, Halt())


def test_coroutines_and_async_generators_are_guarded(caplog):
    @skip_error
    async def fail():
        raise ValueError("gone")

    @skip_error
    async def count():
        yield 1
        yield 2
        raise ValueError("no more")

    async def main():
        return await fail(), [item async for item in count()]

    assert inspect.iscoroutinefunction(fail)
    assert inspect.isasyncgenfunction(count)
    assert asyncio.run(main()) == (None, [1, 2])
    assert len(caplog.records) == 2


def test_async_generator_inside_is_closed_with_the_one_outside():
    closed = []

    @skip_error
    async def count():
        try:
            yield 1
        finally:
            closed.append(True)

    async def main():
        running = count()
        await anext(running)
        await running.aclose()

    asyncio.run(main())
    assert closed == [True]


def test_dead_letter_keeps_record_exception_function_and_time():
    letters = DeadLetters(clock=iter([5.0, 6.0]).__next__)
    guarded = guard(invert, letters)
    assert [guarded(x) for x in (1, 0, "a")] == [1.0, None, None]
    first, second = letters
    assert (first.record, first.function, first.time) == (0, "invert", 5.0)
    assert isinstance(first.error, ZeroDivisionError)
    assert (second.record, second.time) == ("a", 6.0)
    assert letters.take() == [first, second]
    assert len(letters) == 0


def test_dead_letter_of_a_method_is_its_record_and_not_the_object():
    letters = DeadLetters()

    class Reader:
        def read(self, record):
            return record["x"]

        read = guard(read, letters)

    Reader().read({"y": 1})
    Reader().read(record={"z": 1})
    assert [letter.record for letter in letters] == [{"y": 1}, {"z": 1}]


def test_dead_letters_are_bounded_and_the_overflow_is_counted():
    letters = DeadLetters(max_letters=2)
    guarded = guard(invert, letters)
    scaled = [guarded(0, scale=k) for k in range(5)]
    assert scaled == [None] * 5
    assert (len(letters), letters.n_dropped) == (2, 3)
    assert bool(DeadLetters())


def test_dead_letters_of_many_threads_are_all_counted():
    letters = DeadLetters(max_letters=10)
    guarded = guard(invert, letters)
    threads = [threading.Thread(target=lambda: [guarded(0) for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(letters) + letters.n_dropped == 4000


def failing(n_failures):
    """Make a function that fails so many times before it gives its argument."""
    left = [n_failures]

    def flaky(x=None):
        if left[0]:
            left[0] -= 1
            raise ConnectionError("away")
        return x

    return flaky


def test_retry_waits_longer_each_time_and_gives_the_result():
    waits = []
    retry = Retry(attempts=5, delay=1, backoff=3, max_delay=20, sleep=waits.append)
    assert guard(failing(4), retry)(7) == 7
    assert waits == [1, 3, 9, 20]


def test_retry_raises_the_last_error_with_a_note():
    with pytest.raises(ConnectionError) as caught:
        guard(failing(9), Retry(attempts=2, sleep=lambda _: None))()
    assert caught.value.__notes__ == ["flaky: failed in 2 attempts"]


def test_retry_hands_over_to_another_strategy():
    letters = DeadLetters()
    retry = Retry(attempts=3, then=letters, sleep=lambda _: None)
    assert guard(failing(9), retry)("record") is None
    assert [letter.record for letter in letters] == ["record"]


def test_errors_that_are_not_worth_it_are_not_retried():
    waits = []
    with pytest.raises(ZeroDivisionError):
        guard(invert, Retry(errors=ConnectionError, sleep=waits.append))(0)
    assert waits == []


def test_coroutine_is_retried():
    inner, waits = failing(2), []

    async def ask(x):
        return inner(x)

    assert asyncio.run(guard(ask, Retry(sleep=waits.append))(3)) == 3
    assert asyncio.run(guard(ask, Retry(delay=0))(4)) == 4
    assert waits == [0.1, 0.2]


def test_generator_is_begun_again_only_before_its_first_item():
    begun = []

    def early():
        begun.append(1)
        if len(begun) < 3:
            raise ConnectionError
        yield "item"

    def late():
        begun.append(1)
        yield "item"
        raise ConnectionError

    retry = Retry(sleep=lambda _: None)
    assert list(guard(early, retry)()) == ["item"]
    begun.clear()
    running = guard(late, retry)()
    assert next(running) == "item"
    with pytest.raises(ConnectionError):
        next(running)
    assert begun == [1]


def test_async_generator_is_begun_again_only_before_its_first_item():
    begun = []

    async def early():
        begun.append(1)
        if len(begun) < 3:
            raise ConnectionError
        yield "item"

    async def main():
        return [item async for item in guard(early, Retry(sleep=lambda _: None))()]

    assert asyncio.run(main()) == ["item"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("attempts", 0),
        ("attempts", True),
        ("attempts", 1.5),
        ("delay", -1),
        ("delay", float("nan")),
        ("backoff", 0.5),
        ("max_delay", -1),
    ],
)
def test_bad_options_of_retry_are_named(option, value):
    with pytest.raises(errors.InputError, match=option):
        Retry(**{option: value})


@pytest.mark.parametrize("size", [0, -1, True, 1.5, None])
def test_bad_sizes_of_a_letter_box_are_named(size):
    with pytest.raises(errors.InputError, match="max_letters"):
        DeadLetters(size)


def test_strategies_have_names():
    made = [strategy_of(name) for name in ("halt", "skip", "dead-letter", "retry")]
    assert [type(one) for one in made] == [Halt, Skip, DeadLetters, Retry]
    with pytest.raises(errors.InputError, match="'ignore': it is one of 'halt', 'skip'"):
        strategy_of("ignore")
    with pytest.raises(errors.InputError, match="on_failure"):
        strategy_of(None)


def test_any_object_that_answers_to_a_failure_is_a_strategy():
    seen = []

    class Note:
        def on_failure(self, failure):
            seen.append((failure.name, failure.record, failure.attempt))
            return GIVE_NONE

    assert guard(invert, Note())(0) is None
    assert seen == [("invert", 0, 1)]
