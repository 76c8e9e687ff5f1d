"""Arrays for tasks, under NumPy's names: ``from polyvm import np``.

The same package serves VMs, where it is frozen in, and ordinary Python. Functions follow the Array
API standard 2024.12 where it says something and NumPy 2 where it does not. Scalars are 0-d arrays
that may only be read: ``float(x)``, ``int(x)`` and ``x.item()`` make Python numbers of them.
"""

from __future__ import annotations

from polyvm.np import _core
from polyvm.np._core import *  # noqa: F403
from polyvm.np._creation import *  # noqa: F403
from polyvm.np._elementwise import *  # noqa: F403
from polyvm.np._info import *  # noqa: F403
from polyvm.np._manipulation import *  # noqa: F403
from polyvm.np._products import *  # noqa: F403
from polyvm.np._sets import *  # noqa: F403
from polyvm.np._types import *  # noqa: F403

# Set, not imported, in all of this package: typing alone costs a VM more than the rest of it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What is imported when it is first used: name -> module of this package.
_LATER: dict[str, str] = {}
for _module, _names in {
    "_calculus": "convolve correlate cross ediff1d gradient interp trapezoid unwrap",
    "_choosing": """apply_along_axis apply_over_axes argwhere choose compress diagonal extract
        fill_diagonal flatiter flatnonzero lexsort ndenumerate ndindex piecewise place put putmask
        ravel_multi_index select trace unravel_index vectorize""",
    "_einsum": "einsum einsum_path",
    "_errors": "errstate geterr seterr",
    "_files": "genfromtxt load loadtxt save savetxt savez savez_compressed",
    "_histograms": "digitize histogram histogram2d histogram_bin_edges histogramdd",
    "_index_tricks": """c_ diag_indices diag_indices_from index_exp mask_indices mgrid ogrid r_ s_
        tril_indices_from triu_indices_from""",
    "_numbers": """bartlett base_repr binary_repr bitwise_count blackman float_power frexp hamming
        hanning i0 kaiser ldexp modf packbits real_if_close sort_complex spacing unpackbits""",
    "_memory": "_flags isfortran may_share_memory require shares_memory",
    "_missing": """nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmedian nanmin
        nanpercentile nanprod nanquantile nanstd nansum nanvar""",
    "_statistics": "average corrcoef cov median percentile ptp quantile",
    "_poly1d": "poly1d",
    "_polynomials": "poly polyadd polyder polydiv polyfit polyint polymul polysub polyval roots",
    "_printing": """array2string array_repr array_str format_float_positional
        format_float_scientific get_printoptions printoptions set_printoptions""",
    "_raw_files": "_tofile fromfile fromstring",
    "_walking": "broadcast nditer",
}.items():
    _LATER.update(dict.fromkeys(_names.split(), _module))


# Modules of their own, imported the same way.
_MODULES = ("exceptions", "fft", "linalg", "nn", "random")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return __import__(f"polyvm.np.{name}", None, None, ["*"])
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module 'polyvm.np' has no attribute {name!r}")
    value = getattr(__import__(f"polyvm.np.{module}", None, None, ["*"]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, *_MODULES})


def _print(array: Any, is_repr: bool) -> str:
    from polyvm.np import _printing

    return _printing.text(array, is_repr)


_core.tensor._set_printer(_print)

newaxis = None
e = 2.718281828459045
euler_gamma = 0.5772156649015329
inf = float("inf")
nan = float("nan")
pi = 3.141592653589793
little_endian = True
True_, False_ = _core.bool(True), _core.bool(False)
__array_api_version__ = "2024.12"

# What this file needs itself is no name of the package.
del TYPE_CHECKING, annotations
