"""Arrays on their way through the host: handles, maps, processes, lines of JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy  # noqa: ICN001 - np is polyvm.np
import pytest

import polyvm
from polyvm import np
from polyvm.host import codec, dev, manifest, results
from polyvm.host.admission import Policy
from polyvm.host.embedded import Host, Options
from polyvm.host.errors import WriteError
from polyvm.host.payload import to_json
from polyvm.vm import Completion, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TWICE = """
from polyvm import np
def run(payload):
    return {"twice": payload["x"] * 2, "mean": payload["x"].mean()}
"""
MANIFEST = manifest.parse(b'name = "a"\nversion = "1.0"\nentry = "m:f"', "f")


@pytest.fixture
def options(tmp_path: Path, make_task: Callable[..., Path]) -> Options:
    make_task("twice", TWICE)
    make_task("apart", TWICE, isolation="process")
    return Options(
        tasks=tmp_path / "tasks",
        workers=1,
        packed=tmp_path / "packed",
        policy=Policy(keys=tmp_path / "keys", state=tmp_path / "state"),
    )


@pytest.mark.parametrize("task", ["twice", "apart"])
def test_arrays_go_in_and_come_out_of_vms_and_processes(options: Options, task: str) -> None:
    with Host(options) as host:
        for given in (np.arange(4.0), numpy.arange(4.0)):
            back = host.submit(task, {"x": given}).result()
            assert isinstance(back["twice"], np.ndarray)
            assert numpy.asarray(back["twice"]).tolist() == [0.0, 2.0, 4.0, 6.0]
            assert (back["mean"], type(back["mean"])) == (1.5, float)
        mapped = host.map(task, [{"x": np.arange(float(n))} for n in range(1, 50)])
        assert [each["mean"] for each in mapped] == [(n - 1) / 2 for n in range(1, 50)]


def test_dev_does_what_a_vm_does(make_task: Callable[..., Path]) -> None:
    with dev.opened(make_task("twice", TWICE)) as task:
        answer = task({"x": numpy.arange(3)})
    assert answer.failure is None
    assert answer.value["twice"].tolist() == [0, 2, 4]
    assert answer.value["mean"] == 1.0


def as_line(value: Any) -> dict[str, Any]:
    completion = Completion(
        tag=7,
        task=1,
        outcome=Outcome.DONE,
        worker=0,
        queued_ns=0,
        load_ns=0,
        run_ns=0,
        data=codec.encode(value),
    )
    fields = json.loads(results.encode(results.record(completion, MANIFEST)))
    assert isinstance(fields, dict)
    return fields


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (np.arange(6).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
        ({"a": [np.asarray([True, False])]}, {"a": [[True, False]]}),
        (np.asarray([0.5, float("nan"), float("inf")]), [0.5, None, None]),
        (np.asarray([2**64 - 1], dtype=np.uint64), [2**64 - 1]),
        (np.zeros((2, 0)), [[], []]),
        (np.asarray(3.5), 3.5),
        (np.asarray([1.5]).astype(np.bfloat16), [1.5]),
    ],
)
def test_lines_have_nested_lists(value: Any, written: Any) -> None:
    assert as_line(value)["result"] == written
    assert json.loads(to_json(codec.decode(codec.encode(value)))) == written


def test_complex_numbers_fail_alone() -> None:
    value = np.asarray([1j])
    fields = as_line(value)
    assert fields["outcome"] == "failed"
    assert fields["error"] == (
        "the result cannot be written as JSON: JSON has nothing for a value of type 'complex'"
    )
    with pytest.raises(WriteError, match="JSON has nothing for a value of type 'complex'"):
        to_json(value)


def test_a_result_with_a_bad_array_fails_alone() -> None:
    completion = Completion(
        tag=7,
        task=1,
        outcome=Outcome.DONE,
        worker=0,
        queued_ns=0,
        load_ns=0,
        run_ns=0,
        data=b"\xc7\x02\x01\x04\x00",
    )
    fields = results.record(completion, MANIFEST)
    assert fields["outcome"] == "failed"
    assert "a packed array is invalid" in fields["error"]


SHARING = """
import polyvm
from polyvm import np
def run(payload):
    return {"shared": polyvm.share(payload["x"] + 1), "given": payload["x"]}
"""


@pytest.mark.parametrize("isolation", ["vm", "process"])
def test_shared_arrays_and_the_host(
    options: Options, make_task: Callable[..., Path], isolation: str
) -> None:
    make_task("sharing", SHARING, isolation=isolation)
    shared = polyvm.share(np.arange(1000.0))

    def place(array: Any) -> int:
        address: int = numpy.asarray(array).__array_interface__["data"][0]
        return address

    with Host(options) as host:
        invocation = host.submit("sharing", {"x": shared})
        back = invocation.result()
        assert back["shared"].tolist() == list(range(1, 1001))
        assert back["given"].tolist() == shared.tolist()
        assert (place(back["given"]) == place(shared)) == (isolation == "vm")
        assert numpy.asarray(back["shared"]).flags.writeable == (isolation == "process")
        assert (host._service.invocations.find(invocation.id) is None) == (isolation == "vm")
        again = invocation.result()
        assert (place(again["shared"]) == place(back["shared"])) == (isolation == "vm")
        (one,) = host.map("sharing", [{"x": shared}])
        assert one["shared"].sum() == 500500
        sent = host._service.invocations.submit_packed("sharing", codec.encode({"x": np.ones(3)}))
        assert codec.decode(bytes(sent.ended().completion.data))["shared"].tolist() == [2, 2, 2]
        assert host._service.invocations.find(sent.id) is sent


def test_result_lines_have_the_elements_of_shared_arrays() -> None:
    data = codec.encode_payload({"a": polyvm.share(np.arange(3))})
    completion = Completion(1, 2, Outcome.DONE, 0, 0, 0, 0, data)
    line = json.loads(results.encode(results.record(completion, MANIFEST)))
    assert line["result"] == {"a": [0, 1, 2]}
    gone = Completion(1, 2, Outcome.DONE, 0, 0, 0, 0, bytes(data))
    completion.data = data = b""
    line = json.loads(results.encode(results.record(gone, MANIFEST)))
    assert line["outcome"] == "failed"
    assert "a shared array is gone" in line["error"]


def test_dev_shares(make_task: Callable[..., Path]) -> None:
    with dev.opened(make_task("sharing", SHARING)) as task:
        answer = task({"x": polyvm.share(np.arange(3))})
    assert answer.failure is None
    assert answer.value["shared"].tolist() == [1, 2, 3]
