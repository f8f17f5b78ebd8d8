"""Methods in C: where they may stand, and that what was written stays."""

import inspect

import pytest

import tidegate as tg
from tidegate._kernels.intake import BatchTaker, HasIntake, by_intake


class Taker(BatchTaker):
    """Takes everything itself: it has no intake."""

    def __init__(self) -> None:
        self._run = HasIntake()

    @by_intake
    def push(self, batch, /, *, take=True):
        """Say what came."""
        return batch, take


class Deeper(Taker):
    """Does it as its base does."""


@pytest.mark.parametrize("kind", [Taker, Deeper])
def test_a_method_gets_what_is_left(kind):
    taker = kind()
    assert taker.push(7) == (7, True)
    assert taker.push(7, take=False) == (7, False)
    assert taker.push(None, take="yes") == (None, True)
    assert taker._push_by_python(7) == (7, True)


def test_a_method_says_what_was_written():
    assert Taker.push.__doc__ == "Say what came."
    assert Taker.push.__name__ == "push"
    assert str(inspect.signature(Taker.push)) == "(self, batch, /, *, take=True)"


def test_only_its_base_may_have_a_method():
    with pytest.raises((TypeError, RuntimeError)) as caught:

        class Other:
            @by_intake
            def push(self, batch, /, *, take=True):
                """Nothing."""

    messages = [str(caught.value), str(caught.value.__cause__)]
    assert any("Other is no BatchTaker" in message for message in messages)


def test_an_instance_of_another_class_is_refused():
    with pytest.raises(TypeError, match="push"):
        tg.Aggregator.push(7, {"t": [1]})
    with pytest.raises(TypeError):
        Taker.push()


def test_what_was_never_begun_takes_nothing():
    with pytest.raises(AttributeError):
        tg.Aggregator.__new__(tg.Aggregator).push({"t": [1]})
