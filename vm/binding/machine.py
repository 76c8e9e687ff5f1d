"""One VM, driven by hand. An `Executor` does this for many tasks at once."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from .batch import Outcome
from .library import ERR_MAX, check, fail, ffi, lib, take
from .program import Program


@dataclass(frozen=True)
class VmStats:
    """bytes: memory the VM holds; peak_bytes: its maximum since the last reset;
    create_ns: time that the last create or reset took.
    """

    id: int
    generation: int
    calls: int
    bytes: int
    peak_bytes: int
    create_ns: int


class Vm:
    """A VM on the calling thread, to which it belongs: others get WrongThread."""

    def __init__(self) -> None:
        self._err = ffi.new("char[]", ERR_MAX)
        out = ffi.new("pvm_vm **")
        check(lib.pvm_vm_create(out, self._err), self._err)
        self._vm: Any = out[0]

    def load(self, program: Program) -> None:
        """Import the entry's module. EntryError, or VmError with the task's traceback."""
        error = ffi.new("pvm_buffer *")
        status = lib.pvm_vm_load(self._handle(), program.handle, error, self._err)
        traceback = take(error[0]).decode("utf-8", "replace")
        check(status, self._err, traceback)

    def call(self, payload: bytes) -> tuple[Outcome, bytes]:
        """Run the entry: DONE with the MessagePack result, or FAILED with a traceback."""
        result = ffi.new("pvm_buffer *")
        status = lib.pvm_vm_call(self._handle(), payload, len(payload), result, self._err)
        return Outcome(check(status, self._err)), take(result[0])

    def reset(self) -> None:
        """Back to a VM as new: nothing of the task is left, its memory is returned."""
        check(lib.pvm_vm_reset(self._handle(), self._err), self._err)

    def retire(self) -> None:
        """End the VM and return its memory. The object is of no more use."""
        check(lib.pvm_vm_retire(self._handle()))
        self._vm = None

    def stats(self) -> VmStats:
        """What the VM has done and holds."""
        raw = ffi.new("pvm_vm_stats *")
        check(lib.pvm_vm_stats_get(self._handle(), raw))
        return VmStats(raw.id, raw.generation, raw.calls, raw.bytes, raw.peak_bytes, raw.create_ns)

    def _handle(self) -> Any:
        if self._vm is None:
            fail(lib.PVM_E_STATE)
        return self._vm

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._vm is not None:
            self.retire()
