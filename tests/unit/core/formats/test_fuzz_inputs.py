"""The inputs that the fuzzer begins with, and those that it found, are read as it reads them."""

import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[3] / "fuzz"
INPUTS = sorted(FUZZ.glob("corpus/*/*")) + sorted(FUZZ.glob("reproducers/*/*"))


@pytest.fixture(scope="module")
def targets():
    """Give what is fuzzed, by name."""
    sys.path.insert(0, str(FUZZ))
    try:
        import targets
    finally:
        sys.path.remove(str(FUZZ))
    return targets


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_an_input_of_the_fuzzer_raises_nothing_without_a_name(path, targets):
    targets.TARGETS[path.parent.name](path.read_bytes())


def test_every_target_has_inputs(targets):
    assert {path.parent.name for path in INPUTS} == set(targets.TARGETS)


def test_valid_rows_of_the_corpus_are_read(targets):
    for path in sorted(FUZZ.glob("corpus/avro_rows/*")):
        data = path.read_bytes()
        kernel = targets.ROWS[data[0] % len(targets.ROWS)].kernel
        kernel.feed(data, 2)
        assert kernel.begin_block(data[1]) == 0
        assert kernel.rows(100) == 1, kernel.failure()
        kernel.take_rows()
