"""Circles of flows: which are refused, which are told of, and which are none."""

from __future__ import annotations

import pytest

from polyvm.host import circles
from polyvm.host.flows import Flow, FlowError, stream


def edges(*flows: Flow) -> list[circles.Edge]:
    return [circles.edge(flow.name, flow, flow.into) for flow in flows if flow.into is not None]


def test_rows_that_would_go_round_for_ever() -> None:
    there = stream("a", "x").map(n="n + 1").into_stream("b", name="there")
    on = stream("b").key_by("n").window(running=True, n="count()").into_stream("c", name="on")
    back = stream("c").rules(r="n > 1").into_stream("a", name="back")
    circles.refuse_endless(edges(there, on))
    with pytest.raises(FlowError, match=r"flow there: .* for ever: a → there → b → on → c → back"):
        circles.refuse_endless(edges(there, on, back))
    with pytest.raises(FlowError, match="a → self → a"):
        circles.refuse_endless(edges(stream("a").into_stream("a", name="self")))


@pytest.mark.parametrize(
    "back",
    [
        stream("b").filter("n < 3").into_stream("a"),
        stream("b").window(tumbling="1m", n="count()").into_stream("a"),
        stream("b").top(1, by="n", size="1s").into_stream("a"),
        stream("b").into_table("a"),
        stream("b").into_task("a"),
    ],
)
def test_rows_that_may_not_go_on(back: Flow) -> None:
    circles.refuse_endless(edges(stream("a").into_stream("b"), back))


def test_circles_through_tasks() -> None:
    first = stream("a").filter("n > 1").into_task("one", name="first")
    second = stream("b").into_stream("c", name="second")
    third = stream("c").window(tumbling="1m", n="count()").into_task("two", name="third")
    found = circles.through_tasks(edges(first, second, third), {"one": "b", "two": "a"})
    assert found == ["a", "task one", "b", "second", "c", "task two", "a"]
    assert circles.through_tasks(edges(first, second, third), {"one": "b"}) is None
    assert circles.through_tasks(edges(first, second), {"one": "b", "two": "a"}) is None
    assert circles.through_tasks(edges(first), {"one": "a"}) == ["a", "task one", "a"]
