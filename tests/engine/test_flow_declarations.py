"""Declarations of flows: what is wrong is said, and damage does no harm."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.host.flows import Into, stream
from tests.engine.flow_events import SUMMARY
from tests.engine.flow_set_direct import FlowSet, RefusedError

if TYPE_CHECKING:
    from tests.conftest import Seeded

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")


def declared(**changed: Any) -> bytes:
    whole = {"name": "f", "from": ["s"], "steps": [], "into": {"stream": "o"}, **changed}
    return msgspec.msgpack.encode(whole)


WRONG = [
    (b"\xc1", "no MessagePack"),
    (b"\x90", "it is no map"),
    (declared(name=None), "name is missing"),
    (declared(name="x" * 200), "name is a text of 1 to 160 bytes"),
    (declared(odd=1), "field odd is unknown; there are name, from, lateness_ns"),
    (declared(**{"from": []}), "flow f: from is an array of 1 to 16 items"),
    (declared(lateness_ns=-1), "lateness_ns is an integer from 0"),
    (declared(idle_ns=-1), "idle_ns is an integer from 0"),
    (declared(**{"from": ["s", "s"]}), "flow f: stream s is named twice"),
    (declared(into=None), "flow f: into: it is missing"),
    (declared(into={"table": "a", "stream": "b"}), "one table, one stream or one task"),
    (declared(steps=[{}]), "step 1: it says nothing"),
    (declared(steps=[{"filter": ["nope"]}]), r"step 1 \(filter\): the condition: "),
    (declared(steps=[{"window": {"kind": "odd"}}]), r"step 1 \(window\): kind is one of"),
    (declared(steps=[{"window": {"kind": "tumbling"}}]), "size_ns is missing"),
    (
        declared(steps=[{"window": {"kind": "session", "gap_ns": 1, "rows": 3}}]),
        "a session window has no rows",
    ),
    (
        declared(steps=[{"window": {"kind": "sliding", "size_ns": 5, "step_ns": 6}}]),
        "step_ns is larger than size_ns",
    ),
    (
        declared(steps=[{"window": {"kind": "sliding", "size_ns": 10**9 + 7, "step_ns": 10**6}}]),
        "more than 4096 panes",
    ),
    (
        declared(steps=[{"window": {"kind": "running", "aggregates": [["n", "nope", [], []]]}}]),
        "column n: ",
    ),
    (
        declared(
            steps=[
                {"map": {"columns": [["x", ["field", "y"]]], "keep": False}},
                {"filter": ["field", "z"]},
            ]
        ),
        r"step 2 \(filter\): .*z",
    ),
    (
        declared(
            steps=[
                {"key_by": [["k", ["field", "k"]]]},
                {"map": {"columns": [["x", 1]], "keep": False}},
                {"window": {"kind": "running"}},
            ]
        ),
        r"step 3 \(window\): the key's column k is not there any more",
    ),
    (declared(steps=[{"top": {"n": 1, "by": 1, "size_ns": 1}}]), "columns of its rows are not"),
    (
        declared(
            steps=[
                {
                    "join": {
                        "from": ["t"],
                        "on": [[1, 1]],
                        "window_ns": 5,
                        "columns": [["x", ["field", "x"]]],
                    }
                }
            ]
        ),
        "column x is of neither side",
    ),
    (
        declared(
            steps=[
                {
                    "sequence": {
                        "steps": [["a", True], ["b", True]],
                        "columns": [["x", ["field", "c.x"]]],
                    }
                }
            ]
        ),
        "column c.x is of no step",
    ),
    (declared(steps=[{"filter": True}] * 33), "steps is an array of 0 to 32 items"),
]


@pytest.mark.parametrize(("declaration", "sentence"), WRONG)
def test_what_is_wrong_is_said(declaration: bytes, sentence: str) -> None:
    with FlowSet() as flows, pytest.raises(RefusedError, match=sentence):
        flows.add(declaration)


def test_damaged_declarations_are_refused(rand: Seeded) -> None:
    flow = (
        stream("s", "t")
        .key_by("k")
        .window(sliding=("10s", "5s"), columns=SUMMARY)
        .filter("n > 1")
        .into(Into(table="x", key="k"), "whole")
    )
    whole = flow.declaration()
    with FlowSet() as flows:
        for _ in range(2000):
            damaged = bytearray(whole)
            for _ in range(rand.randrange(1, 4)):
                damaged[rand.randrange(len(damaged))] = rand.randrange(256)
            cut = bytes(damaged[: rand.choice((len(damaged), rand.randrange(len(damaged))))])
            try:
                added = flows.add(cut)
            except RefusedError as error:
                assert str(error)
            else:
                flows.append("s", {"k": 1}, 1)
                flows.remove(added)
