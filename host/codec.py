"""What a VM's codec makes of a task's result, told in Python.

Under ordinary Python (`polyvm dev`) results are brought into the form that they have when they
leave a VM, and what a VM refuses is refused with the same kind of exception.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

import msgspec

MAX_DEPTH = 128  # PVM_MAX_DEPTH of vm.h
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1


def encode(value: Any) -> bytes:
    """Return the MessagePack of a task's result.

    Raises TypeError, ValueError or OverflowError, as a VM does.
    """
    return msgspec.msgpack.encode(_plain(value, 0))


def _plain(value: Any, depth: int) -> Any:
    """Return the value made of None, bool, int, float, str, bytes, list and dict alone."""
    if value is None or isinstance(value, bool | bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        number = int(value)
        if not _INT_MIN <= number <= _INT_MAX:
            raise OverflowError("an int of more than 64 bits cannot be returned")
        return number
    if isinstance(value, float):
        return float(value)
    if depth >= MAX_DEPTH:
        raise ValueError(f"a value nested more than {MAX_DEPTH} deep cannot be returned")
    if isinstance(value, dict):
        return {_key(key, depth): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth + 1) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: _plain(getattr(value, field.name), depth + 1) for field in fields}
    if isinstance(value, enum.Enum):
        return _plain(value.value, depth + 1)
    raise TypeError(
        f"a value of type '{type(value).__name__}' cannot be returned from a task: return None, "
        "bool, int, float, str, bytes, a list, tuple, set or dict of these, a dataclass or an enum"
    )


def _key(key: Any, depth: int) -> Any:
    plain = _plain(key, depth + 1)
    return tuple(plain) if isinstance(plain, list) else plain


def _text(value: str) -> str:
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a string with lone surrogates cannot be returned") from None
    return text
