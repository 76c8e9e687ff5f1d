"""Arrays as bytes, self-contained: what MessagePack carries of them. pack.h has the form."""

from __future__ import annotations

from polyvm.engine._tensor import _pack as pack
from polyvm.engine._tensor import _packed_number as number_of
from polyvm.engine._tensor import _unpack as unpack

__all__ = ["number_of", "pack", "unpack"]
