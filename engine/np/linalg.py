"""Linear algebra under NumPy's names: the standard's extension, and what NumPy has beyond it."""

from polyvm.np._linalg import *  # noqa: F403
