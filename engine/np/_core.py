"""The extension module, wherever it is: built into a VM, or a file beside ordinary Python."""

from __future__ import annotations

try:
    import _polyvm_tensor as tensor
    from _polyvm_tensor import *  # noqa: F403
except ImportError:
    from polyvm.engine import _tensor as tensor
    from polyvm.engine import libraries
    from polyvm.engine._tensor import *  # noqa: F403

    libraries.load(tensor)

share = tensor._share  # of polyvm, not of polyvm.np

__all__ = [name for name in dir(tensor) if not name.startswith("_")]
