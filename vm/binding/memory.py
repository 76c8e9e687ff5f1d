"""Memory for what nobody else should read, and a process that keeps it to itself."""

from __future__ import annotations

from typing import Any

from .library import ERR_MAX, check, ffi, lib


class Memory:
    """Page-aligned, zeroed, left out of core dumps, wiped when nobody holds it any more.

    A `Program` takes one as an asset without a copy; the content must not change after that.
    Raises MemoryError.
    """

    def __init__(self, size: int) -> None:
        raw = lib.pvm_region_new(size)
        if not raw:
            raise MemoryError(f"{size} bytes of memory could not be had")
        self.handle: Any = ffi.gc(raw, lib.pvm_region_release)
        self._size = size

    @property
    def buffer(self) -> memoryview:
        """Its bytes, writable; of no use once the object is gone."""
        return memoryview(ffi.buffer(lib.pvm_region_data(self.handle), self._size))

    def __len__(self) -> int:
        return self._size


def wipe(data: bytes | bytearray | memoryview) -> None:
    """Overwrite with zeros.

    Also a bytes object, which Python takes for immutable: nothing else may use it any more.
    Objects of one byte stay as they are, since Python has but one of each value.
    """
    if len(data) > (1 if isinstance(data, bytes) else 0):
        lib.pvm_wipe(ffi.from_buffer(data), memoryview(data).nbytes)


def protect_process() -> None:
    """From now on: no core dumps, no tracing by others, what VMs free is overwritten.

    Raises VmError.
    """
    err = ffi.new("char[]", ERR_MAX)
    check(lib.pvm_process_protect(err), err)
