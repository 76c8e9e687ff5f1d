"""engine/flow with its rows gathered: sets of flows, driven from Python without a host."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import cffi
import msgspec

from tests.vm import sanitize

if TYPE_CHECKING:
    from types import TracebackType

    from polyvm.host.flows import Flow

SHIMS = sanitize.ROOT / "tests" / "engine" / "c"
BUILT = sanitize.ROOT / "build" / "tests"
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-fPIC", "-shared", "-UNDEBUG"]
DECLARATIONS = """
typedef struct direct direct;
typedef struct flow flow;
direct *direct_new(uint64_t max_bytes, uint32_t shards, uint64_t idle_ns, char *err);
void direct_free(direct *d);
int direct_add(direct *d, const char *declaration, size_t len, flow *replaces, flow **out,
               char *err);
void direct_remove(direct *d, flow *flow);
void direct_stats(flow *flow, uint64_t *out);
int direct_append(direct *d, const char *stream, const char *key, const char *event, size_t len,
                  int64_t time_ns, uint32_t way);
int direct_tick(direct *d, int64_t wall_ns);
int direct_finish(direct *d);
uint64_t direct_late(direct *d);
const unsigned char *direct_data(direct *d, size_t *len);
void direct_clear(direct *d);
int direct_feature(direct *d, const char *table, const char *key, int64_t at_ns, char *out,
                   size_t size);
int direct_put_feature(direct *d, const char *table, const char *key, int64_t time_ns,
                       const char *values, size_t len);

typedef struct triggers_direct triggers_direct;
typedef struct stream_condition stream_condition;
triggers_direct *triggers_direct_new(uint64_t time_unit_ns, uint64_t ttl_ns, uint32_t max_keys,
                                     uint32_t shards, const char *declarations, size_t len,
                                     direct *flows, char *err);
void triggers_direct_free(triggers_direct *d);
int triggers_direct_add(triggers_direct *d, const char *condition, size_t len, int mode,
                        uint64_t user, const stream_condition *replaces, stream_condition **out,
                        char *err);
void triggers_direct_remove(triggers_direct *d, stream_condition *condition);
void triggers_direct_set(triggers_direct *d, stream_condition *condition, int mode);
int triggers_direct_append(triggers_direct *d, const char *event, size_t len, uint64_t wall_ns,
                           uint64_t now_ns);
const unsigned char *triggers_direct_data(triggers_direct *d, size_t *len);
void triggers_direct_clear(triggers_direct *d);
void triggers_direct_stats(triggers_direct *d, uint64_t *out);
void triggers_direct_intake(triggers_direct *d, uint64_t *out);
"""
ERR_MAX = 512
ROOM = 1 << 20


class RefusedError(Exception):
    """A declaration that the engine refuses, in its words."""


@dataclass(frozen=True)
class Left:
    """A row that left a flow."""

    into: str
    is_task: bool
    key: str
    time_ns: int
    row: dict[str, Any]
    way: int


@dataclass(frozen=True)
class Stats:
    """As flow_stats."""

    events: int
    rows: int
    late: int
    dropped: int
    refused: int
    keys: int
    bytes: int
    watermark_ns: int | None


@functools.cache
def library() -> tuple[Any, Any]:
    """cffi's view of the engine's parts and the shims; compiled where that was not done before."""
    shims = [SHIMS / "flow_set_direct.c", SHIMS / "trigger_set_direct.c"]
    parts = [sanitize.ENGINE / part for part in sanitize.ENGINE_PARTS]
    sources = shims + [file for part in parts for file in sorted(part.glob("*.c"))]
    headers = [*SHIMS.glob("*.h"), *(sanitize.ENGINE / "include").glob("*.h")]
    headers += [file for part in parts for file in part.glob("*.h")]
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    for file in sources + sorted(headers):
        digest.update(file.name.encode() + file.read_bytes())
    built = BUILT / f"flow_set_direct-{digest.hexdigest()[:16]}.so"
    if not built.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILT) as folder:
            made = Path(folder) / built.name
            link = ["-o", str(made), "-Wl,-z,defs", "-lpthread", "-lm"]
            include = f"-I{sanitize.ENGINE / 'include'}"
            sanitize.run(["gcc", *FLAGS, include, *map(str, sources), *link])
            os.replace(made, built)
    ffi = cffi.FFI()
    ffi.cdef(DECLARATIONS)
    return ffi, ffi.dlopen(str(built))


class FlowSet:
    """A set of flows, with tables of features in memory. Use it in a with statement."""

    def __init__(self, max_bytes: int = 0, shards: int = 0, idle_ns: int = 0) -> None:
        """0: as the engine has it."""
        self._ffi, self._lib = library()
        self._err = self._ffi.new("char[]", ERR_MAX)
        self._set = self._lib.direct_new(max_bytes, shards, idle_ns, self._err)

    @property
    def handle(self) -> Any:
        """For those who hand it events from C."""
        return self._set

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """When nobody uses it any more."""
        self._lib.direct_free(self._set)

    def add(self, flow: Flow | bytes, replaces: Any = None) -> Any:
        """Add a flow, and return its handle. Raises RefusedError."""
        declaration = flow if isinstance(flow, bytes) else flow.declaration()
        out = self._ffi.new("flow **")
        former = self._ffi.NULL if replaces is None else replaces
        status = self._lib.direct_add(
            self._set, declaration, len(declaration), former, out, self._err
        )
        if status != 0:
            raise RefusedError(bytes(self._ffi.string(self._err)).decode(errors="replace"))
        return out[0]

    def remove(self, flow: Any) -> None:
        """Take a flow out."""
        self._lib.direct_remove(self._set, flow)

    def append(self, stream: str, event: Any, time_ns: int, key: str = "", way: int = 0) -> int:
        """Append an event; 1 if a flow took it, 0 if none did, or a status."""
        packed = msgspec.msgpack.encode(event)
        status: int = self._lib.direct_append(
            self._set, stream.encode(), key.encode(), packed, len(packed), time_ns, way
        )
        return status

    def tick(self, wall_ns: int) -> None:
        """Move time on."""
        self._lib.direct_tick(self._set, wall_ns)

    def finish(self) -> None:
        """End all streams."""
        self._lib.direct_finish(self._set)

    @property
    def late(self) -> int:
        """How many events were handed out as late."""
        return int(self._lib.direct_late(self._set))

    def left(self) -> list[Left]:
        """What left since the last call."""
        size = self._ffi.new("size_t *")
        data = self._lib.direct_data(self._set, size)
        packed = bytes(self._ffi.buffer(data, size[0])) if size[0] else b""
        self._lib.direct_clear(self._set)
        return [Left(*values) for values in unpack_all(packed)]

    def rows(self) -> list[dict[str, Any]]:
        """The rows of what left since the last call."""
        return [one.row for one in self.left()]

    def stats(self, flow: Any) -> Stats:
        """A flow's figures."""
        out = self._ffi.new("uint64_t[8]")
        self._lib.direct_stats(flow, out)
        watermark = out[7] - 2**64 if out[7] >= 2**63 else out[7]
        return Stats(*out[0:7], None if watermark == -(2**63) else watermark)

    def feature(self, table: str, key: str, at_ns: int = 2**63 - 1) -> dict[str, Any] | None:
        """What a table has of a key."""
        room = self._ffi.new("char[]", ROOM)
        size = self._lib.direct_feature(self._set, table.encode(), key.encode(), at_ns, room, ROOM)
        if size < 0:
            return None
        found: dict[str, Any] = msgspec.msgpack.decode(bytes(self._ffi.buffer(room, size)))
        return found

    def put_feature(self, table: str, key: str, time_ns: int, values: dict[str, Any]) -> None:
        """Put a row into a table."""
        packed = msgspec.msgpack.encode(values)
        status = self._lib.direct_put_feature(
            self._set, table.encode(), key.encode(), time_ns, packed, len(packed)
        )
        assert status == 0, status


def unpack_all(framed: bytes) -> list[Any]:
    """Decode MessagePack values, each behind its length."""
    found, at = [], 0
    while at < len(framed):
        end = at + 4 + int.from_bytes(framed[at : at + 4], sys.byteorder)
        found.append(msgspec.msgpack.decode(framed[at + 4 : end]))
        at = end
    return found
