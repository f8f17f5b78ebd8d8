"""The grammar of ``--agg``: small, strict, and without surprises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.expressions import Expression, ExpressionError, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rows()", Expression(None, "rows", (), ())),
        ("first(price)", Expression(None, "first", ("price",), ())),
        ("x=first(price)", Expression("x", "first", ("price",), ())),
        (" v = vwap ( price , size ) ", Expression("v", "vwap", ("price", "size"), ())),
        ("std(p, ddof=0)", Expression(None, "std", ("p",), (("ddof", 0),))),
        ("f(p, a=-1.5, b=2e3)", Expression(None, "f", ("p",), (("a", -1.5), ("b", 2000.0)))),
        (
            "f(p, a=true, b=false, c=lower)",
            Expression(None, "f", ("p",), (("a", True), ("b", False), ("c", "lower"))),
        ),
        ('first("best bid")', Expression(None, "first", ("best bid",), ())),
        ("'a=b'=first('a,b(c)')", Expression("a=b", "first", ("a,b(c)",), ())),
        ("first(größe)", Expression(None, "first", ("größe",), ())),
        ("first(a.b-c/d)", Expression(None, "first", ("a.b-c/d",), ())),
    ],
)
def test_what_is_of_the_form_is_read(text: str, expected: Expression) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a function is missing before 'the end'"),
        ("first", r"'\(' is missing before 'the end'"),
        ("first(price", "',' is missing before 'the end'"),
        ("first(price))", r"'\)' stands after the closing parenthesis"),
        ("first(price) + 1", "'\\+' stands after the closing parenthesis"),
        ("first(price size)", "',' is missing before 'size'"),
        ("first(,)", "a column is missing before ','"),
        ("first(price,)", r"a column is missing before '\)'"),
        ('first("")', "a column is missing before ''"),
        ("x==first(price)", "a function is missing before '='"),
        ("std(ddof=1, price)", "'price' must stand before the options"),
        ("std(price, ddof=1, ddof=2)", "ddof is given twice"),
        ("std(price, ddof=1x)", "ddof=1x is not a number"),
        ("std(price, ddof=)", r"a value is missing before '\)'"),
        ("std(price, ddof=99999999999999999999)", "is not a number"),
        ("first('price)", "a quote is not closed"),
    ],
)
def test_what_is_not_of_the_form_is_refused_with_the_place(text: str, says: str) -> None:
    with pytest.raises(ExpressionError, match=says):
        parse(text)


@given(st.text(alphabet="ab1=(),.\"' \n", max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        expression = parse(text)
    except ExpressionError:
        return
    assert expression.function
    assert all(expression.columns)
