"""Calls of np.random: the same seeds give the same numbers, whichever way they are drawn."""

from __future__ import annotations

from typing import Any

from .making import INTEGERS, WIDE, Maker
from .table import Arguments, Check, entry

NEAR = Check(rtol=4.0, zeros=False)
# Parameters that are valid, by distribution.
PLAIN: dict[str, list[list[float]]] = {
    "beta": [[0.3, 0.4], [2, 3]],
    "binomial": [[10, 0.3], [1000, 0.7], [0, 0.5]],
    "chisquare": [[3], [0.5]],
    "exponential": [[], [2.5]],
    "f": [[3, 4]],
    "gamma": [[0.3, 2], [5.5, 3], [1, 2]],
    "geometric": [[0.5], [0.1]],
    "gumbel": [[], [1, 2]],
    "hypergeometric": [[5, 6, 4], [1000, 2000, 500]],
    "laplace": [[], [1, 2]],
    "logistic": [[], [1, 2]],
    "lognormal": [[], [0, 1]],
    "logseries": [[0.5], [0.99]],
    "negative_binomial": [[3, 0.2]],
    "noncentral_chisquare": [[3, 2], [0.5, 3]],
    "noncentral_f": [[3, 4, 2]],
    "normal": [[], [1, 3], [0, -1]],
    "pareto": [[2.5]],
    "poisson": [[], [3.3], [200.5]],
    "power": [[2.5]],
    "rayleigh": [[], [2]],
    "standard_cauchy": [[]],
    "standard_exponential": [[]],
    "standard_gamma": [[0.3], [7.0]],
    "standard_normal": [[]],
    "standard_t": [[3.5]],
    "triangular": [[1, 2, 5]],
    "uniform": [[], [2, 5]],
    "vonmises": [[1, 2], [0, 0.5]],
    "wald": [[2, 3]],
    "weibull": [[1.5]],
    "zipf": [[4], [2.5]],
}
SAMPLES = ("random", "random_sample", "ranf", "sample")


def seed(m: Maker) -> int:
    return m.number(0, 2**32 - 1)


def sized(m: Maker) -> dict[str, Any]:
    return m.options(size=m.choose([3, (2, 3), 0, ()]))


def lines(m: Maker) -> Any:
    """In C order: others are shuffled in the order of their memory."""
    return m.array(WIDE, m.shape(1), special=False, layout="")


def enter(kinds: tuple[str, ...], name: str, make: Any, **how: Any) -> None:
    for kind in kinds:
        entry(f"{kind}.{name}", **{"examples": 5, **how})(make)


ALL = ("Generator", "RandomState", "random")
OLD = ("RandomState", "random")

for _name, _parameters in PLAIN.items():
    enter(
        ALL,
        _name,
        lambda m, parameters=_parameters: ([seed(m), *m.choose(parameters)], sized(m)),
        check=NEAR,
        examples=8,
    )
for _name in SAMPLES:
    if _name != "random":
        enter(
            OLD if _name == "random_sample" else ("random",), _name, lambda m: ([seed(m)], sized(m))
        )
enter(ALL, "random", lambda m: ([seed(m)], sized(m)))
enter(OLD, "rand", lambda m: ([seed(m), *m.shape(0, 2)], {}))
enter(OLD, "randn", lambda m: ([seed(m), *m.shape(0, 2)], {}))
enter(ALL, "bytes", lambda m: ([seed(m), m.number(0, 9)], {}))


def integers(m: Maker) -> Arguments:
    bounds = m.choose([[10], [3, 9], [-5, 5], [5, 5], [0, 256]])
    return [seed(m), *bounds], {**sized(m), **m.options(dtype=m.choose([*INTEGERS, "bool"]))}


enter(("Generator",), "integers", integers, examples=16)
enter(OLD, "randint", integers, examples=16)
enter(OLD, "random_integers", lambda m: ([seed(m), *m.choose([[10], [3, 9]])], sized(m)))
enter(ALL, "permutation", lambda m: ([seed(m), m.choose([5, 0, lines(m)])], {}))
enter(
    ("Generator",),
    "permuted",
    lambda m: ([seed(m), lines(m)], m.options(axis=0)),
)


def choice(m: Maker) -> Arguments:
    p = m.choose([None, [0.1, 0.2, 0.3, 0.4]])
    return [seed(m), m.choose([4, [5, 6, 7, 8]])], {
        "size": m.choose([2, 3, (2, 2), 9]),
        "p": p,
        **m.options(replace=False),
    }


enter(ALL, "choice", choice, examples=16)
enter(ALL, "multinomial", lambda m: ([seed(m), 20, [0.2, 0.3, 0.5]], sized(m)))
enter(
    ALL,
    "dirichlet",
    lambda m: ([seed(m), m.choose([[1.5, 2, 3], [0.01, 0.02]])], sized(m)),
    check=NEAR,
)
enter(
    ALL,
    "multivariate_normal",
    lambda m: ([seed(m), [1, 2], [[2, 0.5], [0.5, 1]]], sized(m)),
    check=NEAR,
)


@entry("Generator.shuffle RandomState.shuffle random.shuffle", examples=6)
def _(m: Maker) -> Arguments:
    return [seed(m), m.choose([lines(m), [1, 2, 3, 4]])], {}


@entry("random.PCG64 random.PCG64DXSM random.SFC64 random.Philox random.MT19937", examples=6)
def _(m: Maker) -> Arguments:
    return [seed(m), m.number(0, 9)], {}


@entry("random.SeedSequence", examples=6)
def _(m: Maker) -> Arguments:
    return [m.choose([seed(m), [1, 2, 3], 2**70]), m.number(0, 9)], {}


@entry("random.default_rng random.RandomState random.BitGenerator random.Generator", examples=4)
def _(m: Maker) -> Arguments:
    return [seed(m)], {}


@entry("Generator.spawn random.seed RandomState.seed", examples=4)
def _(m: Maker) -> Arguments:
    return [seed(m)], {}


@entry("random.get_state random.set_state RandomState.get_state RandomState.set_state", examples=3)
def _(m: Maker) -> Arguments:
    return [seed(m)], {}
