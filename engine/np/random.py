"""Random numbers, under NumPy's names: the same seed gives the numbers that NumPy 2 gives.

``default_rng(seed)`` makes a Generator. NumPy's old functions of one global state (``seed``,
``rand`` ...) and RandomState are here too, with the streams that NumPy froze; each VM has a state
of its own.
"""

from polyvm.np._bits import *  # noqa: F403
from polyvm.np._generator import *  # noqa: F403
from polyvm.np._legacy_random import *  # noqa: F403
