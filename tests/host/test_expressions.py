"""Expressions and aggregates as authors write them."""

from __future__ import annotations

import re
from typing import Any

import hypothesis
import hypothesis.strategies as st
import msgspec
import pytest

from polyvm.host.expressions import AGGREGATES, ExpressionError, pack, parse, parse_aggregate

X, Y = ["field", "x"], ["field", "y"]


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("x", X),
        (" x\n", X),
        ("x.y.z", ["field", "x.y.z"]),
        ("field('x y')", ["field", "x y"]),
        ("1", 1),
        ("-1", -1),
        ("-9223372036854775808", -(2**63)),
        ("18446744073709551615", 2**64 - 1),
        ("+x", X),
        ("-x", ["neg", X]),
        ("-True", ["neg", True]),
        ("'a' 'b'", "ab"),
        ("None", None),
        ("x + y * 2", ["+", X, ["*", Y, 2]]),
        ("x // y % 2 ** -1", ["%", ["//", X, Y], ["**", 2, -1]]),
        ("x and y and 1 or not x", ["or", ["and", X, Y, 1], ["not", X]]),
        ("1 < x <= y", ["and", ["<", 1, X], ["<=", X, Y]]),
        ("x != y", ["!=", X, Y]),
        ("x is None", ["is_nil", X]),
        ("x is not None", ["not", ["is_nil", X]]),
        ("x in (1, 'a', None)", ["in", X, [1, "a", None]]),
        ("x not in [1]", ["not", ["in", X, [1]]]),
        ("x in {-1}", ["in", X, [-1]]),
        ("x in ()", ["in", X, []]),
        ("'a' in x", ["call", "contains", X, "a"]),
        ("x if y else 1", ["if", Y, X, 1]),
        ("abs(x)", ["call", "abs", X]),
        ("x.y.lower()", ["call", "lower", ["field", "x.y"]]),
        ("'a,b'.split(',', 0)", ["call", "split", "a,b", ",", 0]),
        ("x[0]['a']", ["call", "get", ["call", "get", X, 0], "a"]),
        ("floor_time(x, '1.5m')", ["call", "floor_time", X, 90 * 10**9]),
        ("hour(x, '-30m')", ["call", "hour", X, -30 * 60 * 10**9]),
        ("hour(x, y)", ["call", "hour", X, Y]),
        ("strip('1s')", ["call", "strip", "1s"]),
        ("größe", ["field", "größe"]),
    ],
)
def test_a_part_of_python(text: str, tree: Any) -> None:
    assert parse(text) == tree
    assert msgspec.msgpack.decode(pack(text)) == tree


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "expression '': invalid syntax"),
        ("price >", "expression 'price >': invalid syntax at "),
        ("x = 1", "invalid syntax"),
        ("x; y", "invalid syntax"),
        ("x +\0 y", "expression 'x +\\x00 y': "),
        ("(" * 500 + "x" + ")" * 500, "nested"),
        ("+".join("x" * 200), "it is nested more than 100 deep"),
        ("-" * 3000 + "x", "nest"),
        ("x" * 5000, "has more than 4096 characters"),
        ("  [x]", "column 3: a list may stand only behind 'in'"),
        ("'ü' + lambda_ + (lambda: 1)", "column 18: this has no meaning here"),
        ("[y for y in x]", "this has no meaning here"),
        ("f'{x}'", "this has no meaning here"),
        ("x @ y", "there is no such operator; use"),
        ("~x", "there is no operator ~; use not"),
        ("x is 1", "'is' goes with None alone"),
        ("x in (1, y)", "column 10: a list behind 'in' holds literals"),
        ("x[1:2]", "there are no slices; use substr"),
        ("2 ** 18446744073709551616", "column 6: an integer of more than 64 bits"),
        ("-9223372036854775809", "an integer of more than 64 bits"),
        ("1j", "a literal is None, True, False, a number or a text"),
        ("b'x'", "a literal is None, True, False, a number or a text"),
        ("...", "a literal is None, True, False, a number or a text"),
        ("'\\ud800'", "half of a surrogate pair is no text"),
        ("x == true", "column 6: write True for true"),
        ("null", "write None for null"),
        ("x + abz(x)", "column 5: abz is no function; did you mean abs?"),
        ("frobnicate(x)", "column 1: frobnicate is no function"),
        ("x > mean(x)", "mean is an aggregate, which a window computes"),
        ("abs()", "abs takes 1 value, not 0"),
        ("x.substr()", "substr takes 2 to 3 values, not 1"),
        ("min(x)", "min takes 2 to 16 values, not 1"),
        ("f(x=1)", "functions take no arguments by name"),
        ("abs(*x)", "this has no meaning here"),
        ("(x or y).z", "a dot leads into a column"),
        ("f(1)(2)", "only functions with a name can be called"),
        ("field(x)", "field takes the name of a column in quotes"),
        ("floor_time(x, '1 hour')", "column 15: a duration: '1 hour' must be a number and one of"),
    ],
)
def test_what_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(sentence)):
        parse(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("count()", ["count", [], []]),
        ("count(x)", ["count_if", [["not", ["is_nil", X]]], []]),
        ("count_if(x > 1)", ["count_if", [[">", X, 1]], []]),
        ("sum(x * y)", ["sum", [["*", X, Y]], []]),
        ("variance(x)", ["variance", [X], []]),
        ("variance(x, 0)", ["variance", [X], [0]]),
        ("stddev(x, ddof=0)", ["stddev", [X], [0]]),
        ("min_by(x, y)", ["min_by", [X, Y], []]),
        ("top_k(x, 3)", ["top_k", [X], [3]]),
        ("quantile(x, 0.9)", ["quantile", [X], [0.9]]),
        ("quantile(x, q=0.9, k=100)", ["quantile", [X], [0.9, 100]]),
        ("last_n(x, n=5)", ["last_n", [X], [5]]),
        ("decayed_sum(x, '10s')", ["decayed_sum", [X], [10**10]]),
        ("decayed_sum(x, halflife=100)", ["decayed_sum", [X], [100]]),
    ],
)
def test_aggregates(text: str, written: Any) -> None:
    assert parse_aggregate(text) == written


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x", "aggregate 'x', column 1: an aggregate is one call, such as sum(price)"),
        ("sum(x) / 2", "an aggregate is one call"),
        ("x.sum()", "an aggregate is one call"),
        ("average(x)", "average is no aggregate; there are: collect, count"),
        ("distnct(x)", "column 1: distnct is no aggregate; did you mean distinct?"),
        ("sum()", "sum takes 1 value of a row"),
        ("min_by(x)", "min_by takes 2 values of a row"),
        ("sum(x, 2)", "sum takes at most 1 values"),
        ("quantile(x)", "quantile needs q, a number"),
        ("quantile(x, k=2, k=3)", "k is given twice"),
        ("quantile(x, 0.5, q=1)", "q is given twice"),
        ("quantile(x, 0.5, p=1)", "quantile takes q, k"),
        ("sum(x, q=1)", "sum takes no parameters"),
        ("top_k(x, 2.5)", "k is a count"),
        ("top_k(x, y)", "k is a count"),
        ("top_k(x, True)", "k is a count"),
        ("decayed_sum(x, 'soon')", "a duration: 'soon' must be a number"),
        ("decayed_sum(x, None)", 'halflife is a duration, such as "10s"'),
        ("sum([x])", "column 5: a list may stand only behind 'in'"),
    ],
)
def test_aggregates_that_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(sentence)):
        parse_aggregate(text)


@hypothesis.given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_a_sentence(text: str) -> None:
    for read in (parse, parse_aggregate):
        try:
            msgspec.msgpack.encode(read(text))
        except ExpressionError as error:
            assert repr(text[:40])[1:-1] in str(error) or "nested" in str(error)


def test_parameters_that_may_be_left_out_come_last() -> None:
    for aggregate in AGGREGATES.values():
        required = [parameter.required for parameter in aggregate.parameters]
        assert required == sorted(required, reverse=True)
