"""Results as JSON lines: one line an invocation, whole lines only.

    {"task", "version", "line", "id", "outcome", "result" or "error", "queued_us", "run_us"}

`line` is the input's line number, from 1; `id` the invocation's, the same when it is run again
after the host died, and then there is `attempt`, 2 or more. What is part of a chain has `trigger`,
the `id` of the chain's first, and the same `line`. `result` is the task's value when the outcome is
`done`; arrays in it become nested lists, bytes base64, NaN and infinities null. For any other
outcome there is `error`, a text: the traceback, or the reason.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from polyvm.host import codec
from polyvm.host.errors import WriteError
from polyvm.vm import Outcome

if TYPE_CHECKING:
    from polyvm.host.manifest import Manifest
    from polyvm.vm import Completion

_FLUSH_BYTES = 64 * 1024
_OPEN_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
_encoder = msgspec.json.Encoder(enc_hook=codec.as_json)


def record(completion: Completion, manifest: Manifest) -> dict[str, Any]:
    """Return one completion as the dictionary that its result line holds."""
    outcome = completion.outcome.name.lower()
    fields: dict[str, Any] = {
        "task": manifest.name,
        "version": manifest.version,
        "line": completion.tag,
        "id": completion.id,
        "outcome": outcome,
    }
    if completion.attempt > 1:
        fields["attempt"] = completion.attempt
    if completion.trigger:
        fields["trigger"] = completion.trigger
    if completion.outcome is Outcome.DONE:
        try:
            fields["result"] = codec.decode(completion.data)
        except (msgspec.DecodeError, TypeError, ValueError) as error:
            fields["outcome"] = "failed"
            fields["error"] = f"the result cannot be read by the host: {error}"
    else:
        fields["error"] = completion.data.decode("utf-8", "replace")
    fields["queued_us"] = completion.queued_ns // 1000
    fields["run_us"] = completion.run_ns // 1000
    return fields


def encode(fields: dict[str, Any]) -> bytes:
    """Return one result line, without its end.

    A result that JSON cannot hold, such as a map with lists for keys, gives a line with
    `outcome` "failed" and the reason.
    """
    try:
        return _encoder.encode(fields)
    except (TypeError, ValueError, RecursionError) as error:
        kept = {name: value for name, value in fields.items() if name != "result"}
        return _encoder.encode(
            {**kept, "outcome": "failed", "error": f"the result cannot be written as JSON: {error}"}
        )


class ResultWriter:
    """Appends result lines to a file that is made anew, or to stdout (``-``).

    With ``resume`` the file is gone on with, after its last whole line.

    If a write fails, the file is cut back to its last whole line and WriteError is raised; what
    is written after that is dropped in silence, as the error has told. One thread at a time.
    """

    def __init__(self, output: str, *, resume: bool = False) -> None:
        self._name = "standard output" if output == "-" else output
        self._buffer = bytearray()
        self._whole = 0  # bytes of whole lines in the file
        self.failed = False
        try:
            self._descriptor = (
                os.dup(sys.stdout.fileno())
                if output == "-"
                else os.open(output, _OPEN_FLAGS, 0o644)
            )
        except OSError as error:
            raise WriteError(
                f"cannot write results to {self._name}: {error.strerror}; choose another --output"
            ) from None
        self._regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode) and output != "-"
        if self._regular:
            self._whole = whole_lines(self._descriptor) if resume else 0
            os.ftruncate(self._descriptor, self._whole)
            os.lseek(self._descriptor, self._whole, os.SEEK_SET)

    def write(self, line: bytes) -> None:
        """Add one line. It reaches the file at the next `flush`, or when 64 KiB are held."""
        if self.failed:
            return
        self._buffer += line
        self._buffer += b"\n"
        if len(self._buffer) >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand all lines to the operating system. Raises WriteError, or BrokenPipeError."""
        if self.failed or not self._buffer:
            return
        view = memoryview(bytes(self._buffer))
        done = 0
        try:
            while done < len(view):
                done += os.write(self._descriptor, view[done:])
        except BrokenPipeError:
            self.failed = True
            raise
        except OSError as error:
            self.failed = True
            last = bytes(view[:done]).rfind(b"\n") + 1
            if self._regular:
                os.ftruncate(self._descriptor, self._whole + last)
            raise WriteError(
                f"cannot write results to {self._name}: {error.strerror}; what it holds ends with "
                "a whole line: make room, or choose another --output"
            ) from None
        self._whole += done
        self._buffer.clear()

    def close(self) -> None:
        """Flush and close. Raises as `flush` does; the file is closed in any case."""
        try:
            self.flush()
        finally:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1


def whole_lines(descriptor: int) -> int:
    """Count the bytes of a file that are whole lines."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - _FLUSH_BYTES)
        last = os.pread(descriptor, end - start, start).rfind(b"\n")
        if last >= 0:
            return start + last + 1
        end = start
    return 0
