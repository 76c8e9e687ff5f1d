"""The safetensors format: the arrays of a file, as they lie.

Not imported before `polyvm.safetensors` is called.
"""

from __future__ import annotations

from polyvm.models import find
from polyvm.np import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32",
    "I32": "int32", "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16",
    "F32": "float32", "F64": "float64",
}  # fmt: skip
_MOST_HEADER = 100 << 20


def load(source: Any) -> dict[str, Any]:
    """See `polyvm.safetensors`."""
    import json

    where = find(source)
    name = source if isinstance(source, str) else "the file"
    if isinstance(where, str) or hasattr(where, "__fspath__"):
        with open(where, "rb") as file:  # noqa: PTH123 - pathlib costs a VM more than this module
            where = file.read()
    content = memoryview(where).toreadonly().cast("B")
    size = int.from_bytes(content[:8], "little") if len(content) >= 8 else -1
    if size < 0 or size > min(_MOST_HEADER, len(content) - 8):
        raise ValueError(f"{name} is not in the safetensors format: its header is cut short")
    try:
        header = json.loads(bytes(content[8 : 8 + size]))
    except ValueError:
        header = None
    if not isinstance(header, dict):
        sentence = f"{name} is not in the safetensors format: its header is no JSON object"
        raise ValueError(sentence)  # noqa: TRY004 - the content is wrong, not the argument
    header.pop("__metadata__", None)
    data = content[8 + size :]
    return {key: _tensor(name, key, entry, data) for key, entry in header.items()}


def _tensor(file: str, key: str, entry: Any, data: memoryview) -> Any:
    try:
        dtype, shape = _DTYPES[entry["dtype"]], tuple(map(int, entry["shape"]))
        start, end = map(int, entry["data_offsets"])
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{file}: the entry of {key!r} is not one of a tensor we know") from None
    wanted = _core.dtype(dtype)
    bytes_needed = wanted.itemsize
    for length in shape:
        bytes_needed *= length
    if min(shape, default=0) < 0 or not 0 <= start <= end <= len(data):
        raise ValueError(f"{file}: {key!r} lies outside of the file")
    if end - start != bytes_needed:
        raise ValueError(f"{file}: {key!r} takes {bytes_needed} bytes, and has {end - start}")
    return _core.frombuffer(data[start:end], dtype=wanted).reshape(shape)
