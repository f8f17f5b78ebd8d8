"""Logging for scripts: one call that can be made twice, and lines that data cannot forge."""

from __future__ import annotations

import json
import logging
import sys
import time
from os import PathLike
from typing import Any

from tidegate.core.errors import ColumnTypeError, InputError, SinkError

__all__ = ["TRACE", "JsonFormatter", "TextFormatter", "escape", "level_of", "setup_logging"]

TRACE = 5
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"

# C0, DEL and C1 controls (ESC and the one-byte CSI with them), the line separators, and the marks
# that turn the direction of writing round: what could end a line, or rewrite one on a terminal.
_CODES = [*range(32), *range(127, 160), 0x2028, 0x2029, 0x200E, 0x200F, 0x061C]
_CODES += [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPES = {code: _NAMED.get(chr(code), f"\\x{code:02x}") for code in _CODES if code < 256}
_ESCAPES |= {code: f"\\u{code:04x}" for code in _CODES if code >= 256}
_ESCAPES |= {code: f"\\u{code:04x}" for code in range(0xD800, 0xE000)}  # no UTF-8 for a half
_ESCAPES[ord("\\")] = "\\\\"  # so that an escape that stands in the data is not taken for ours
_FORCED = {code: text for code, text in _ESCAPES.items() if chr(code) not in "\\\n\t"}

logging.addLevelName(TRACE, "TRACE")


def escape(text: str) -> str:
    r"""Make one line of a text that can neither end it nor speak to the terminal.

    Parameters
    ----------
    text : str
        Anything.

    Returns
    -------
    str
        Control characters, line separators, direction marks, lone surrogates and the backslash
        itself as Python would write them; everything else as it is.

    Examples
    --------
    >>> print(escape("a\nINFO all is well\x1b[2K"))
    a\nINFO all is well\x1b[2K
    """
    return text.translate(_ESCAPES)


class TextFormatter(logging.Formatter):
    r"""One line a record; a traceback follows in lines of its own, each indented.

    Examples
    --------
    >>> record = logging.LogRecord("app", 20, "app.py", 1, "paid by %s", ("x\nERROR y",), None)
    >>> TextFormatter("%(levelname)s %(message)s").format(record)
    'INFO paid by x\\nERROR y'
    """

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, line: str = LINE) -> None:
        super().__init__(line)
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """Write the line and what follows.

        All of the line is escaped, since names come from data as well; and a traceback that another
        formatter has left in the record is not taken from there.
        """
        record.message = record.getMessage()
        record.asctime = self.formatTime(record)
        lines = [escape(self.formatMessage(record))]
        if record.exc_info:
            lines.append(_indented(self.formatException(record.exc_info)))
        elif record.exc_text:
            lines.append(_indented(record.exc_text))
        if record.stack_info:
            lines.append(_indented(record.stack_info))
        return "\n".join(lines)


def _indented(text: str) -> str:
    """Indent each line and escape what else could disturb a terminal."""
    return "\n".join(f"    {line.translate(_FORCED)}" for line in text.split("\n"))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the error where there is one.

    Examples
    --------
    >>> record = logging.LogRecord("app", 20, "app.py", 1, "paid", (), None)
    >>> record.created, record.msecs = 0.25, 250
    >>> JsonFormatter().format(record)
    '{"time": "1970-01-01T00:00:00.250Z", "level": "INFO", "logger": "app", "message": "paid"}'
    """

    default_time_format = TextFormatter.default_time_format
    default_msec_format = TextFormatter.default_msec_format

    def __init__(self) -> None:
        super().__init__()
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """Write one line of ASCII: whatever is in the data comes as an escape."""
        said = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["error"] = self.formatException(record.exc_info)
        elif record.exc_text:
            said["error"] = record.exc_text
        if record.stack_info:
            said["stack"] = record.stack_info
        return json.dumps(said).replace("\x7f", "\\u007f")


def level_of(level: int | str) -> int:
    """Give the number of a level.

    Raises
    ------
    InputError
        If there is no level of this name.
    ColumnTypeError
        If it is neither a name nor a number.

    Examples
    --------
    >>> level_of("trace"), level_of("INFO"), level_of("15"), level_of(30)
    (5, 20, 15, 30)
    """
    if isinstance(level, str):
        name = level.strip().upper()
        known = logging.getLevelNamesMapping()
        if name in known:
            return known[name]
        if name.isascii() and name.isdigit():
            return int(name)
        raise InputError(f"level {level!r}: it is a number or one of {', '.join(known)}")
    if isinstance(level, bool) or not isinstance(level, int):
        raise ColumnTypeError(f"level is {level!r}: give a name such as 'INFO', or an int")
    if level < 0:
        raise InputError(f"level is {level}: give a number from 0 on")
    return level


def setup_logging(
    level: int | str = logging.INFO,
    *,
    json: bool = False,
    file: str | PathLike[str] | None = None,
) -> logging.Logger:
    """Set the level of the root logger, and give it a handler if it has none.

    Parameters
    ----------
    level : int or str, default logging.INFO
        By number or by name, in any case; "TRACE" is 5, below DEBUG.
    json : bool, default False
        Lines of JSON instead of text.
    file : str or os.PathLike, optional
        Append to this file instead of writing to stderr.

    Returns
    -------
    logging.Logger
        The root logger.

    Raises
    ------
    InputError, ColumnTypeError
        If `level` is no level; nothing is changed.
    SinkError
        If the file cannot be opened; nothing is changed.

    Notes
    -----
    A second call changes the level and adds nothing. Handlers that are there already stay as they
    are, whoever added them; `json` and `file` then have no effect. Times are in UTC. Control
    characters in messages come out as escapes, so that a newline or a terminal sequence in the data
    cannot pass for a record.

    Examples
    --------
    >>> import tidegate as tg
    >>> before = logging.getLogger().level
    >>> tg.setup_logging("TRACE").level
    5
    >>> tg.setup_logging(before) is logging.getLogger()
    True
    """
    root = logging.getLogger()
    number = level_of(level)
    if not root.handlers:
        handler = _handler(file)
        handler.setFormatter(JsonFormatter() if json else TextFormatter())
        root.addHandler(handler)
    root.setLevel(number)
    return root


class _StderrHandler(logging.StreamHandler[Any]):
    """Writes to what ``sys.stderr`` is when a record comes, not when the handler was made."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        """The standard error of now."""
        return sys.stderr


def _handler(file: str | PathLike[str] | None) -> logging.Handler:
    """Open the file, or take stderr."""
    if file is None:
        return _StderrHandler()
    try:
        return logging.FileHandler(file, encoding="utf-8")
    except OSError as error:
        raise SinkError(f"log file {str(file)!r} cannot be opened: {error.strerror}") from error
