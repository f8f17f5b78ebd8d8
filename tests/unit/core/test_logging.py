"""The root logger is set up once, and its lines cannot be forged."""

import json
import logging
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tidegate as tg
from tidegate import errors
from tidegate.core.logging import JsonFormatter, TextFormatter, escape, level_of


@contextmanager
def bare_root():
    """Take the handlers off the root logger, those of pytest too, and put all back after."""
    logger = logging.getLogger()
    level, handlers = logger.level, logger.handlers
    logger.handlers = []
    try:
        yield logger
    finally:
        for handler in logger.handlers:
            handler.close()
        logger.handlers = handlers
        logger.setLevel(level)


def record_of(message, *args, name="app", exc_info=None):
    return logging.LogRecord(name, logging.INFO, "app.py", 1, message, args, exc_info)


def test_it_sets_and_returns_the_root_logger():
    with bare_root() as root:
        assert tg.setup_logging() is root
        assert root.level == logging.INFO
        assert len(root.handlers) == 1


def test_a_second_call_changes_the_level_and_adds_nothing():
    with bare_root() as root:
        tg.setup_logging(logging.INFO)
        handlers = list(root.handlers)
        tg.setup_logging("debug", json=True)
        assert (root.handlers, root.level) == (handlers, logging.DEBUG)


def test_handlers_of_others_are_left_alone():
    with bare_root() as root:
        theirs = logging.NullHandler()
        root.addHandler(theirs)
        tg.setup_logging()
        assert root.handlers == [theirs]
        assert theirs.formatter is None


@pytest.mark.parametrize(
    ("level", "number"),
    [("TRACE", 5), ("trace", 5), (" Info ", 20), ("WARN", 30), ("17", 17), (0, 0), (99, 99)],
)
def test_levels_are_names_or_numbers(level, number):
    assert level_of(level) == number
    assert logging.getLevelName(5) == "TRACE"


@pytest.mark.parametrize("level", ["LOUD", "", "-1", "²", -1, None, True, 1.0])
def test_a_bad_level_is_named_and_changes_nothing(level):
    with bare_root() as root:
        before = root.level
        with pytest.raises((errors.InputError, errors.ColumnTypeError), match="level"):
            tg.setup_logging(level)
        assert (root.level, root.handlers) == (before, [])


def test_lines_go_to_what_stderr_is_now(capsys):
    with bare_root():
        tg.setup_logging()
        logging.getLogger("app").info("paid")
        line = capsys.readouterr().err
        assert line.endswith("Z INFO app: paid\n")


def test_lines_go_to_a_file_as_json(tmp_path):
    with bare_root():
        path = tmp_path / "app.log"
        tg.setup_logging("TRACE", json=True, file=path)
        logging.getLogger("app").log(5, "paid by %s", 'x"\n{"level": "ERROR"}')
        [line] = path.read_text(encoding="utf-8").splitlines()
        said = json.loads(line)
        assert said["level"] == "TRACE"
        assert said["message"] == 'paid by x"\n{"level": "ERROR"}'
        assert path.stat().st_size == len(line) + 1


def test_a_file_that_cannot_be_opened_is_named_and_changes_nothing(tmp_path):
    with bare_root() as root:
        before = root.level
        with pytest.raises(errors.SinkError, match="nowhere"):
            tg.setup_logging(file=tmp_path / "nowhere" / "app.log")
        assert (root.level, root.handlers) == (before, [])


@given(st.text())
def test_no_text_makes_a_second_line_or_a_terminal_sequence(text):
    for formatter in (TextFormatter(), JsonFormatter()):
        line = formatter.format(record_of("got %s", text, name=text))
        assert len(line.splitlines()) == 1
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in line)
        line.encode("utf-8")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_escaping_loses_nothing(text):
    escaped = escape(text)
    assert escaped.isprintable() or not text.isprintable()
    back = escaped.encode("latin-1", "backslashreplace").decode("unicode-escape")
    assert back == text


@pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\u200f", "\u2028", "\x85", "\x9b"])
def test_marks_that_turn_a_line_round_are_escaped(mark):
    assert mark not in TextFormatter().format(record_of(mark))


def test_a_traceback_cannot_pass_for_a_record():
    try:
        raise ValueError("x\n2026-01-01T00:00:00.000Z ERROR app: forged \x1b[31m")
    except ValueError as error:
        record = record_of("failed", exc_info=(type(error), error, error.__traceback__))
    lines = TextFormatter().format(record).split("\n")
    assert len(lines) > 2
    assert all(line.startswith("    ") for line in lines[1:])
    assert "\x1b" not in "".join(lines)
    said = json.loads(JsonFormatter().format(record))
    assert "forged" in said["error"]


def test_a_stack_is_kept():
    record = record_of("here")
    record.stack_info = "Stack (most recent call last):\n  one"
    assert TextFormatter().format(record).split("\n")[1:] == [
        "    Stack (most recent call last):",
        "      one",
    ]
    assert json.loads(JsonFormatter().format(record))["stack"] == record.stack_info


def test_a_traceback_that_another_formatter_has_left_is_not_taken():
    try:
        raise ValueError("x\nforged")
    except ValueError as error:
        record = record_of("failed", exc_info=(type(error), error, error.__traceback__))
    assert "\nforged" in logging.Formatter().format(record)
    assert "\nforged" not in TextFormatter().format(record)
