"""Flows as authors write them, and in a host inside a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from polyvm.host.admission import Policy
from polyvm.host.embedded import Host, Options
from polyvm.host.errors import ManifestError
from polyvm.host.flows import Flow, FlowError, Into, check, stream
from polyvm.host.switches import Paused, Verb
from polyvm.vm import VmError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EVERYTHING = (
    stream("a", "b", lateness="2s", late_into="late")
    .filter("x > 1")
    .map(y="x * 2", keep=True)
    .rules(big="y > 10")
    .key_by("user", day="day(_time)")
    .window(sliding=("1h", "10m"), offset="5m", n="count()", top="top_k(x, 3)")
    .join(
        stream("c").filter("z"),
        on={"user": "user"},
        lower="-1s",
        upper="0s",
        outer=True,
        columns={"user": "left.user", "n": "left.n", "z": "right.z"},
    )
    .key_by("user")
    .sequence(columns={"first": "a.n", "user": "b.user"}, within="1h", a="n > 1", b="n < 1")
    .top(2, by="first", size="24h", ties=True)
    .into_table("t", key="user", merge=True)
)


@pytest.fixture
def options(tmp_path: Path, make_task: Callable[..., Path]) -> Options:
    make_task("echo")
    return Options(
        tasks=tmp_path / "tasks",
        workers=1,
        packed=tmp_path / "packed",
        policy=Policy(keys=tmp_path / "keys", state=tmp_path / "state"),
    )


def test_what_is_built_can_be_written() -> None:
    written = msgspec.json.encode(EVERYTHING)
    read = msgspec.json.decode(written, type=Flow)
    assert read.declaration() == EVERYTHING.declaration()
    check((read,), "here")


@pytest.mark.parametrize(
    ("flow", "sentence"),
    [
        (Flow(name="Bad name", from_="a", into=Into(stream="x")), "must be lower-case letters"),
        (Flow(name="f", from_="a"), "flow f: into is missing"),
        (Flow(name="f", from_="a", lateness="soon", into=Into(stream="x")), "lateness 'soon'"),
        (Flow(name="f", from_="a", steps=({},), into=Into(stream="x")), "a step is one of"),
        (
            Flow(name="f", from_="a", steps=({"filter": 3},), into=Into(stream="x")),
            "step filter: ",
        ),
        (
            Flow(name="f", from_="a", steps=({"key_by": "a + b"},), into=Into(stream="x")),
            "is no column; give it a name",
        ),
        (
            Flow(
                name="f",
                from_="a",
                steps=({"window": {"tumbling": "1m", "count": 3}, "columns": {"n": "count()"}},),
                into=Into(stream="x"),
            ),
            "a window is one of",
        ),
    ],
)
def test_what_is_wrong_is_said(flow: Flow, sentence: str) -> None:
    with pytest.raises(ManifestError, match=sentence):
        check((flow,), "here")


def test_two_of_one_name() -> None:
    flow = stream("a").into_stream("x")
    with pytest.raises(ManifestError, match="two flows are called 'x'"):
        check((flow, flow), "here")
    with pytest.raises(FlowError, match="leaves no time"):
        stream("a").window(tumbling="0s", n="count()")


def test_flows_of_a_program(options: Options) -> None:
    chain = stream("events").key_by("k").window(running=True, n="count()")
    with Host(options) as host:
        host.set_flows(chain.into_task("echo", name="counts"))
        report = host.event({"k": "a"}, {"k": "a"})
        assert [(start.task, start.trigger) for start in report.starts] == [("echo", "counts")] * 2
        assert report.accepted == 2
        host.switches.turn("task", "echo", Verb.PAUSE)
        (start,) = host.event({"k": "a"}).starts
        assert isinstance(start.error, Paused)
        assert msgspec.msgpack.decode(start.payload or b"") == {
            "flow": "counts",
            "key": "a",
            "row": {"k": "a", "n": 3},
        }
        host.switches.turn("task", "echo", Verb.RESUME)
        gone = stream("a").map(x="1", keep=False).filter("y").into_task("echo", name="wrong")
        with pytest.raises(VmError, match="step 2"):
            host.set_flows(gone)
        assert host.event({"k": "a"}).accepted == 1  # the former ones are still there
        host.set_flows()
        assert host.event({"k": "a"}).starts == []
