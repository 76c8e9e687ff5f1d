"""Bytes of MessagePack that keep alive the shared arrays that they name."""

from __future__ import annotations

from typing import Any

from .library import check, ffi, lib


class Message(bytes):
    """MessagePack with shared arrays in it, which live as long as it.

    A copy or a part of it is plain bytes, and holds nothing.
    """

    held: Any  # references, of C


def holding(data: bytes) -> bytes:
    """Return the same bytes, as a Message if they name shared arrays that are there now."""
    raw = lib.pvm_hold(data, len(data))
    if raw == ffi.NULL:
        return data
    message = Message(data)
    message.held = ffi.gc(raw, lib.pvm_held_free)
    return message


def expanded(data: bytes) -> bytes:
    """Return the MessagePack with elements in the place of shared arrays, for another process.

    Raises DecodeError if one is gone.
    """
    out = ffi.new("pvm_buffer *")
    if not check(lib.pvm_expand(data, len(data), out)):
        return data
    try:
        return bytes(ffi.buffer(out.data, out.len))
    finally:
        lib.pvm_buffer_free(out)
