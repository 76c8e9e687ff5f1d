"""engine/flow called without a flow: what expressions and aggregates come to, in Python values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cffi
import msgspec

from tests.vm import sanitize

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FLOW = sanitize.ENGINE / "flow"
SHIM = sanitize.ROOT / "tests" / "engine" / "c" / "flow_direct.c"
# The parts that need nothing of feature tables and the runtime of flows.
PARTS = ("aggregate*", "arena", "arithmetic", "expression", "function*", "hyperloglog")
PARTS += ("kept", "number_text", "pack", "row")
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-fPIC", "-shared", "-UNDEBUG"]
FLAGS += [f"-Wl,--wrap={name}" for name in ("malloc", "calloc", "realloc")]
DECLARATIONS = """
long direct_expression(const char *packed, size_t packed_len, const char *events,
                       size_t events_len, unsigned char *out, size_t size, char *err);
int direct_compile(const char *packed, size_t packed_len, const char *names, size_t names_len,
                   char *err);
long direct_aggregate(const char *name, const char *parameters, size_t parameters_len,
                      const char *panes, size_t panes_len, unsigned char *out, size_t size,
                      int64_t *most, char *err);
void direct_fail_after(long allocations);
uint64_t direct_hash(const char *value, size_t len, uint64_t seed);
"""
ERR_MAX = 512
ROOM = 1 << 22


class FlowError(Exception):
    """What the engine refuses, in its words."""


class NoMemoryError(Exception):
    """Memory ended where it was told to."""


def build(folder: Path) -> Flow:
    """Compile the parts and the shim into a library of their own."""
    library = folder / "flow_direct.so"
    sources = [str(file) for part in PARTS for file in sorted(FLOW.glob(f"{part}.c"))]
    sources += [str(sanitize.ENGINE / "stream" / f"{name}.c") for name in ("value", "symbol")]
    include = f"-I{sanitize.ENGINE / 'include'}"
    link = ["-o", str(library), "-lpthread", "-lm"]
    sanitize.run(["gcc", *FLAGS, include, str(SHIM), *sources, *link])
    return Flow(library)


class Flow:
    """The library's functions, with Python values for MessagePack."""

    def __init__(self, library: Path) -> None:
        self._ffi = cffi.FFI()
        self._ffi.cdef(DECLARATIONS)
        self._lib: Any = self._ffi.dlopen(str(library))
        self._room: Any = self._ffi.new("unsigned char[]", ROOM)
        self._err: Any = self._ffi.new("char[]", ERR_MAX)
        self.held = 0  # bytes of the latest aggregate's state

    def _sentence(self) -> str:
        return bytes(self._ffi.string(self._err)).decode()

    def _answer(self, size: int) -> Any:
        if size < 0:
            raise FlowError(self._sentence())
        return msgspec.msgpack.decode(bytes(self._ffi.buffer(self._room, size)))

    def values(self, tree: Any, events: Sequence[dict[str, Any]]) -> list[Any]:
        """What an expression, as nested lists, is for each of the events."""
        packed, rows = pack(tree), pack(list(events))
        size = self._lib.direct_expression(
            packed, len(packed), rows, len(rows), self._room, ROOM, self._err
        )
        answer: list[Any] = self._answer(size)
        return answer

    def value(self, tree: Any, **event: Any) -> Any:
        """What it is for one event."""
        return self.values(tree, [event])[0]

    def compile(self, tree: Any, columns: Sequence[str]) -> None:
        """Compile against columns that are fixed. Raises FlowError."""
        packed, names = pack(tree), pack(list(columns))
        if self._lib.direct_compile(packed, len(packed), names, len(names), self._err) != 0:
            raise FlowError(self._sentence())

    def fail_after(self, allocations: int) -> None:
        """The next call gets no memory once, after it did so many times."""
        self._lib.direct_fail_after(allocations)

    def aggregate(self, name: str, parameters: Sequence[Any], *panes: Sequence[Any]) -> Any:
        """What panes of rows, (time, value, ...) each, come to when their states are merged."""
        given, rows = pack(list(parameters)), pack([[list(row) for row in pane] for pane in panes])
        held = self._ffi.new("int64_t *")
        size = self._lib.direct_aggregate(
            name.encode(), given, len(given), rows, len(rows), self._room, ROOM, held, self._err
        )
        assert size != -101, "what the states held was not given back"
        if size == -1:
            raise NoMemoryError
        self.held = int(held[0])
        return self._answer(size)

    def hash(self, value: Any, seed: int = 0) -> int:
        """The hash of a scalar."""
        packed = pack(value)
        return int(self._lib.direct_hash(packed, len(packed), seed))


def pack(value: Any) -> bytes:
    """MessagePack of it."""
    return msgspec.msgpack.encode(value)
