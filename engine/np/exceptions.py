"""Exceptions, where NumPy has them."""

from polyvm.np._core import AxisError

__all__ = ["AxisError"]
