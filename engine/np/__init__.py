"""Arrays for tasks, under NumPy's names: ``from polyvm import np``.

The same package serves VMs, where it is frozen in, and ordinary Python. Functions follow the Array
API standard 2024.12 where it says something and NumPy 2 where it does not. Scalars are 0-d arrays
that may only be read: ``float(x)``, ``int(x)`` and ``x.item()`` make Python numbers of them.
"""

from __future__ import annotations

import math

from polyvm.np._core import *  # noqa: F403
from polyvm.np._creation import *  # noqa: F403
from polyvm.np._elementwise import *  # noqa: F403
from polyvm.np._info import *  # noqa: F403
from polyvm.np._manipulation import *  # noqa: F403
from polyvm.np._products import *  # noqa: F403
from polyvm.np._sets import *  # noqa: F403
from polyvm.np._types import *  # noqa: F403

newaxis = None
e = math.e
euler_gamma = 0.5772156649015329
inf = math.inf
nan = math.nan
pi = math.pi
__array_api_version__ = "2024.12"
