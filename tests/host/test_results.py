from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from polyvm.host import manifest, results
from polyvm.host.errors import WriteError
from polyvm.host.results import ResultWriter
from polyvm.vm import Completion, Outcome

MANIFEST = manifest.parse(b'name = "a"\nversion = "1.0"\nentry = "m:f"', "f")


def line(outcome: Outcome, data: bytes) -> dict[str, Any]:
    completion = Completion(
        tag=7, task=1, outcome=outcome, worker=0, queued_ns=2999, load_ns=0, run_ns=5000, data=data
    )
    decoded: dict[str, Any] = json.loads(results.encode(results.record(completion, MANIFEST)))
    return decoded


def test_done() -> None:
    value = {"x": [1, None, b"bin"], 2: 1.5}
    assert line(Outcome.DONE, msgspec.msgpack.encode(value)) == {
        "task": "a",
        "version": "1.0",
        "line": 7,
        "id": 0,
        "outcome": "done",
        "result": {"x": [1, None, "Ymlu"], "2": 1.5},
        "queued_us": 2,
        "run_us": 5,
    }


def test_failed_has_the_traceback() -> None:
    found = line(Outcome.FAILED, "Traceback é\xff".encode("latin-1"))
    assert (found["outcome"], found["error"]) == ("failed", "Traceback \ufffd\ufffd")
    assert "result" not in found


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (msgspec.msgpack.encode({(1, 2): 3}), "the result cannot be written as JSON"),
        (b"\xc1", "the result cannot be read by the host"),
        (b"", "the result cannot be read by the host"),
    ],
)
def test_results_that_json_cannot_hold_fail_alone(data: bytes, reason: str) -> None:
    found = line(Outcome.DONE, data)
    assert found["outcome"] == "failed"
    assert found["error"].startswith(reason)
    assert "result" not in found


def test_nan_becomes_null() -> None:
    assert line(Outcome.DONE, msgspec.msgpack.encode([float("nan"), float("inf")]))["result"] == [
        None,
        None,
    ]


def test_lines_arrive_at_flush_and_close(tmp_path: Path) -> None:
    file = tmp_path / "out"
    writer = ResultWriter(str(file))
    writer.write(b"1")
    writer.flush()
    assert file.read_bytes() == b"1\n"
    writer.write(b"2")
    writer.close()
    writer.close()
    assert file.read_bytes() == b"1\n2\n"


def test_output_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="choose another --output"):
        ResultWriter(str(tmp_path / "none" / "out"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_full_disk_is_one_error() -> None:
    writer = ResultWriter("/dev/full")
    writer.write(b"x" * 70)
    with pytest.raises(WriteError, match="No space left on device"):
        writer.flush()
    writer.write(b"dropped")
    writer.close()
    assert writer.failed


def test_file_is_cut_back_to_whole_lines(tmp_path: Path) -> None:
    """A file size limit stands for a full disk: the write that passes it is cut short."""
    file = tmp_path / "out"
    script = (
        "import sys\n"
        "from polyvm.host.errors import WriteError\n"
        "from polyvm.host.results import ResultWriter\n"
        "writer = ResultWriter(sys.argv[1])\n"
        "for _ in range(10): writer.write(b'x' * 99)\n"
        "try: writer.flush()\n"
        "except WriteError as error: print(error)\n"
    )

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (450, 450))

    done = subprocess.run(
        [sys.executable, "-B", "-c", script, str(file)],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "File too large" in done.stdout
    assert file.read_bytes() == (b"x" * 99 + b"\n") * 4
