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


def _told(error: BaseException) -> str:
    """What an AxisError says: a text, or an axis, a number of dimensions and what goes before."""
    if len(error.args) < 2:
        return str(error.args[0]) if error.args else ""
    axis, ndim, *rest = error.args
    before = f"{rest[0]}: " if rest and rest[0] is not None else ""
    return f"{before}axis {axis} is out of bounds for array of dimension {ndim}"


tensor.AxisError.__str__ = _told

# Models are polyvm's, not arrays'.
__all__ = [name for name in dir(tensor) if not name.startswith("_") and name != "Model"]
