"""Circles of flows: rows that come back to the stream that they were made of.

Whether a row goes round for ever is certain only where every step on the way lets every row pass;
then the flows are refused. A circle through a filter, a window or a task may well end, and is what
some mean: it is told of, and what goes round too often ends as a dead letter or is counted as
refused (`polyvm.host.returned`, docs/flows.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from polyvm.host.flows import Flow, FlowError, Into, KeyBy, Lookup, Map, Rules, Window, read_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from polyvm.host.flows import Step


class Edge(NamedTuple):
    """A flow as what it takes from and puts into."""

    name: str
    streams: tuple[str, ...]
    into: Into
    passes: bool  # every event of its first chain leads to a row


def edge(name: str, flow: Flow, into: Into) -> Edge:
    """Return what matters of a flow."""
    passes = all(_passes(read_step(each)) for each in flow.steps)
    return Edge(name, flow.streams, into, passes)


def refuse_endless(edges: Iterable[Edge]) -> None:
    """Raise FlowError for flows that would send any row round for ever."""
    steps = [
        (stream, each.name, each.into.stream)
        for each in edges
        if each.passes and each.into.stream is not None
        for stream in each.streams
    ]
    way = _circle(steps)
    if way is not None:
        raise FlowError(
            f"flow {way[1]}: each of its rows would come back to it for ever: {' → '.join(way)}; "
            "put a filter on the way, or take another stream"
        )


def through_tasks(edges: Iterable[Edge], results_into: Mapping[str, str]) -> list[str] | None:
    """Return a circle through tasks whose results are events, as names in order; None: none is."""
    steps: list[tuple[str, str, str]] = []
    for each in edges:
        end = each.into.stream or results_into.get(each.into.task or "")
        if end is not None:
            name = f"task {each.into.task}" if each.into.task else each.name
            steps += [(stream, name, end) for stream in each.streams]
    tasks = {f"task {task}" for task in results_into}
    for task in sorted(tasks):
        way = _circle(steps, by=task)
        if way is not None:
            return way
    return None


def _passes(step: Step) -> bool:
    if isinstance(step, Window):
        return bool(step.window.running) or step.window.count == 1
    return isinstance(step, Map | KeyBy | Lookup | Rules)


def _circle(steps: list[tuple[str, str, str]], by: str | None = None) -> list[str] | None:
    """Find a way from a stream back to it (through ``by``): stream, name, stream, ..., stream."""
    for start, name, end in steps:
        if by is not None and name != by:
            continue
        ways = {end: [start, name, end]}
        queue = [end]
        for stream in queue:  # it grows
            if stream == start:
                return ways[stream]
            for source, through, target in steps:
                if source == stream and target not in ways:
                    ways[target] = [*ways[stream], through, target]
                    queue.append(target)
    return None
