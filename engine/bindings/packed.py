"""Arrays as bytes: what MessagePack carries of them. pack.h has the forms.

Packed arrays are self-contained. Handles name shared arrays, within this process.
"""

from __future__ import annotations

from polyvm.engine._tensor import _handle as handle_of
from polyvm.engine._tensor import _open as open_handle
from polyvm.engine._tensor import _pack as pack
from polyvm.engine._tensor import _packed_number as number_of
from polyvm.engine._tensor import _unpack as unpack

__all__ = ["handle_of", "number_of", "open_handle", "pack", "unpack"]
