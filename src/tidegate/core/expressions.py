"""The aggregations of a command line: ``[name=]function(column, …, option=value)``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Expression", "ExpressionError", "parse"]

Value: TypeAlias = "bool | int | float | str"

TOKEN = re.compile(
    r"""\s* (?: (?P<mark>[=(),]) | "(?P<double>[^"]*)" | '(?P<single>[^']*)'
              | (?P<word>[^\s=(),"']+) )""",
    re.VERBOSE,
)
NUMBER = re.compile(r"[+-]?\d{1,18}(?P<real>\.\d*)?(?P<power>[eE][+-]?\d{1,3})?", re.ASCII)
DIGITS = frozenset("0123456789+-.")
FLAGS = {"true": True, "false": False}
END = "the end"


class ExpressionError(ValueError):
    """An expression is not of the grammar; the message says where."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One aggregation as it was written."""

    name: str | None
    function: str
    columns: tuple[str, ...]
    options: tuple[tuple[str, Value], ...]


def parse(text: str) -> Expression:
    """Read one aggregation.

    Parameters
    ----------
    text
        Such as ``vwap=vwap(price, size)``, ``var(price, ddof=0)``, ``skew(price, bias=true)`` or
        ``first("best bid")``; a name with a blank or one of ``=(),`` stands in quotes.

    Returns
    -------
    Expression

    Raises
    ------
    ExpressionError
        The text is not of this form.

    Examples
    --------
    >>> parse("spread=std(price, ddof=0)")
    Expression(name='spread', function='std', columns=('price',), options=(('ddof', 0),))
    """
    return _Parser(text).expression()


class _Parser:
    """Tokens and a place among them."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def expression(self) -> Expression:
        """Read the whole."""
        name, function = None, self._name("a function")
        if self._take("="):
            name, function = function, self._name("a function")
        self._expect("(")
        columns: list[str] = []
        options: dict[str, Value] = {}
        while not self._take(")"):
            if columns or options:
                self._expect(",")
            word = self._name("a column")
            if self._take("="):
                if word in options:
                    raise ExpressionError(f"{word} is given twice")
                options[word] = _value(word, self._name("a value"))
            elif options:
                raise ExpressionError(f"the column {word!r} must stand before the options")
            else:
                columns.append(word)
        if self._peek() != (False, END):
            raise ExpressionError(f"{self._peek()[1]!r} stands after the closing parenthesis")
        return Expression(name, function, tuple(columns), tuple(options.items()))

    def _peek(self) -> tuple[bool, str]:
        """Look at the next token: whether it is a name, and its text."""
        return self._tokens[self._at] if self._at < len(self._tokens) else (False, END)

    def _take(self, mark: str) -> bool:
        """Go past a mark if it is the next token."""
        found = self._peek() == (False, mark)
        self._at += found
        return found

    def _expect(self, mark: str) -> None:
        """Go past a mark that must be the next token."""
        if not self._take(mark):
            raise ExpressionError(f"{mark!r} is missing before {self._peek()[1]!r}")

    def _name(self, what: str) -> str:
        """Go past a name."""
        is_name, text = self._peek()
        if not is_name or not text:
            raise ExpressionError(f"{what} is missing before {text!r}")
        self._at += 1
        return text


def _tokens(text: str) -> Iterator[tuple[bool, str]]:
    """Cut a text into names and marks."""
    text = text.rstrip()
    at = 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise ExpressionError(f"a quote is not closed: {text[at:]!r}")
        at = match.end()
        kind = match.lastgroup or ""
        yield kind != "mark", match[kind]


def _value(option: str, text: str) -> Value:
    """Read the value of an option: a number, true or false, or a word."""
    if text in FLAGS:
        return FLAGS[text]
    if text[0] not in DIGITS:
        return text
    match = NUMBER.fullmatch(text)
    if match is None:
        raise ExpressionError(f"{option}={text} is not a number")
    return float(text) if match["real"] or match["power"] else int(text)
