"""Arrays for tasks, under NumPy's names: ``from polyvm import np``.

The same package serves VMs, where it is frozen in, and ordinary Python. Functions follow the Array
API standard 2024.12 where it says something and NumPy 2 where it does not. Scalars are 0-d arrays
that may only be read: ``float(x)``, ``int(x)`` and ``x.item()`` make Python numbers of them.
"""

from __future__ import annotations

from polyvm.np import _core
from polyvm.np._core import *  # noqa: F403
