"""Payloads and results as MessagePack, with arrays; what a VM's codec does, told in Python.

Under ordinary Python (`polyvm dev`) results are brought into the form that they have when they
leave a VM, and what a VM refuses is refused with the same kind of exception.

Arrays of polyvm.np are an extension type and carry their elements, so they may lie in journals
and go to other processes. Their scalars, which are 0-d arrays, go as plain numbers. Arrays that
`polyvm.share` gave go to VMs, and come from there, as another type that has no elements and means
something in this process alone.
"""

from __future__ import annotations

import dataclasses
import enum
import sys
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH = 128  # PVM_MAX_DEPTH of vm.h
ARRAY = 1  # NP_PACKED_TYPE of engine/bindings/pack.h
SHARED_ARRAY = 2  # NP_SHARED_TYPE
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1


def decode(data: bytes | memoryview) -> Any:
    """Return the value of a payload or a result; arrays come as polyvm.np's, writable copies.

    Shared arrays come read-only, over the memory that they have everywhere.
    Raises msgspec.DecodeError, TypeError or ValueError, also for a shared array that is gone.
    """
    return _decoder.decode(data)


def encode_payload(value: Any) -> bytes:
    """Return the MessagePack of a value that is meant for a task.

    Arrays may be polyvm.np's, or any that numpy.ndarray's protocols tell about: DLPack or buffer.
    Shared arrays go without their elements, and live as long as the bytes that are returned; copies
    of these bytes do not keep them.
    Raises TypeError, ValueError or OverflowError for what MessagePack cannot hold.
    """
    return held(_encoder.encode(value))


def held(data: bytes) -> bytes:
    """Return MessagePack that keeps the shared arrays in it alive, as `encode_payload`'s does."""
    return data if _holding is None else _holding(data)


def as_json(value: Any) -> Any:
    """What JSON has for an array: nested lists. For msgspec, which asks for what it cannot write.

    Raises TypeError for anything else, complex numbers included.
    """
    if _is_array(value):
        return value.tolist()
    raise TypeError(f"JSON has nothing for a value of type '{type(value).__name__}'")


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
    if _is_array(value):
        return _packed(value)
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
        "bool, int, float, str, bytes, a list, tuple, set or dict of these, an array of "
        "polyvm.np, a dataclass or an enum"
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


def _is_array(value: Any) -> bool:
    """Whether it is polyvm.np's: nobody has one before that is imported."""
    module = sys.modules.get("polyvm.engine._tensor")
    return module is not None and isinstance(value, module.ndarray)


def _packed(array: Any) -> Any:
    """Scalars as Python's numbers, where MessagePack has them; arrays as their extension type."""
    from polyvm.engine import packed

    number = packed.number_of(array)
    return msgspec.msgpack.Ext(ARRAY, packed.pack(array)) if number is None else number


def _shared(handle: bytes) -> Any:
    """From the first one on, payloads are looked through for what has to be held."""
    global _holding  # noqa: PLW0603 - set once, to what it always is
    if _holding is None:
        from polyvm.vm import holding

        _holding = holding
    return msgspec.msgpack.Ext(SHARED_ARRAY, handle)


def _for_payload(value: Any) -> Any:
    if _is_array(value):
        from polyvm.engine import packed

        handle = packed.handle_of(value)
        return _packed(value) if handle is None else _shared(handle)
    if hasattr(type(value), "__dlpack__"):
        from polyvm import np

        return _packed(np.asarray(value))
    raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")


def _extension(code: int, data: memoryview) -> Any:
    if code not in (ARRAY, SHARED_ARRAY):
        return msgspec.msgpack.Ext(code, bytes(data))
    from polyvm import np  # noqa: F401 - what the array's methods rely on
    from polyvm.engine import packed

    return packed.unpack(data) if code == ARRAY else packed.open_handle(data)


_holding: Callable[[bytes], bytes] | None = None
_decoder = msgspec.msgpack.Decoder(ext_hook=_extension)
_encoder = msgspec.msgpack.Encoder(enc_hook=_for_payload)
