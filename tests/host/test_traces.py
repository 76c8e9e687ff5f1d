"""Traces in a file that trace viewers open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host import traces
from polyvm.host.errors import WriteError
from polyvm.host.traces import TraceFile
from polyvm.vm import Executor, Limits, Trace
from tests.host.test_registry import bundle
from tests.vm.programs import NIL, program, until

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST = bundle("a").manifest


@pytest.fixture(scope="module")
def traced() -> Iterator[list[Trace]]:
    """One that is done, one that fails, one that is stopped and one that never ran."""
    with Executor(1) as executor:
        source = "def run(x):\n    while x: pass\n    return 1 // (x is None)\n"
        limits = Limits(timeout_ns=10**7, max_running=1)
        task = executor.add(program(source), limits=limits)
        for payload in (NIL, b"\x00", b"\x01"):
            executor.submit(task, payload, trace=True)
        executor.cancel(executor.submit(task, NIL, trace=True))
        found: list[Trace] = []

        def enough() -> bool:
            found.extend(executor.collect_batch().traces)
            return len(found) == 4

        until(enough)
        yield sorted(found, key=lambda trace: trace.id)


def events(path: Path) -> list[dict[str, Any]]:
    """As a viewer reads it: the end of the array may be missing."""
    text = path.read_text()
    whole: list[dict[str, Any]] = json.loads(text.rstrip().rstrip(",") + "]")
    lines = text.splitlines()
    assert lines[0] == "["
    assert [json.loads(line.removesuffix(",")) for line in lines[1:]] == whole
    return whole


def test_slices_nest_and_say_what_they_are(traced: list[Trace], tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    file = TraceFile(path)
    file.write((trace, MANIFEST) for trace in traced)
    file.close()
    seen = events(path)
    runs = [each for each in seen if each["ph"] == "X" and each["cat"] == "run"]
    outcomes = [run["args"]["outcome"] for run in runs]
    assert outcomes == ["done", "failed", "timed_out"]
    assert [run["args"]["id"] for run in runs] == [str(trace.id) for trace in traced[:3]]
    for run, trace in zip(runs, traced[:3], strict=True):
        inside = [
            each
            for each in seen
            if each["ph"] == "X"
            and each["cat"] == "part"
            and run["ts"] <= each["ts"]
            and each["ts"] + each["dur"] <= run["ts"] + run["dur"] + 0.02
        ]
        assert [part["name"] for part in inside] == ["load", "decode", "call", "encode"]
        assert {part["tid"] for part in inside} == {run["tid"]}
        took = trace.at_ns[traces.Stage.RETURNED] - trace.at_ns[traces.Stage.DECODED]
        assert inside[2]["dur"] * 1000 == pytest.approx(took)
    assert [each["name"] for each in seen if each["ph"] == "i"] == ["interrupted"]
    begins, ends = ([each for each in seen if each["ph"] == kind] for kind in "be")
    assert [each["id"] for each in begins] == [each["id"] for each in ends]
    assert len(begins) == 4
    assert all(b["ts"] <= e["ts"] for b, e in zip(begins, ends, strict=True))
    assert begins[3]["args"]["outcome"] == "cancelled"
    names = {each["args"]["name"] for each in seen if each["ph"] == "M"}
    assert "worker 0" in names


def test_the_next_process_goes_on_after_the_last_whole_line(
    traced: list[Trace], tmp_path: Path
) -> None:
    path = tmp_path / "trace.json"
    for _ in range(3):
        file = TraceFile(path)
        file.write([(traced[0], MANIFEST)])
        file.close()
        with path.open("ab") as torn:
            torn.write(b'{"ph":"X","na')
    TraceFile(path).close()
    assert sum(each["ph"] == "b" for each in events(path)) == 3


def test_a_full_disk_ends_the_tracing_alone(
    traced: list[Trace], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = TraceFile(tmp_path / "trace.json")
    file._file.close()
    file._file = Path("/dev/full").open("wb", buffering=0)  # type: ignore[assignment]  # noqa: SIM115
    for _ in range(3):
        file.write([(traced[0], MANIFEST)])
    out = capfd.readouterr().out
    assert out.count("tracing ends") == 1
    assert "No space left on device" in out
    for where in (tmp_path / "none" / "t", tmp_path):
        with pytest.raises(WriteError, match=r"cannot write traces to .*; choose another --trace"):
            TraceFile(where)


def test_what_the_api_tells(traced: list[Trace]) -> None:
    told = traces.fields(traced[0])
    stages = told.pop("stages_ns")
    assert list(stages) == [
        *("accepted", "queued", "taken", "ready", "decoded", "returned", "encoded"),
        *("ended", "collected"),
    ]
    assert stages["accepted"] == 0
    assert [*stages.values()] == sorted(stages.values())
    assert told == {
        "run_id": str(traced[0].id),
        "worker": 0,
        "accepted_ns": str(traced[0].at_ns[traces.Stage.ACCEPTED]),
        "interruptions": 0,
        "pauses": 0,
        "paused_ns": 0,
    }
    assert set(traces.fields(traced[3])["stages_ns"]) == {"accepted", "ended", "collected"}
