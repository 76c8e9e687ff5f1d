"""np.random: the streams are NumPy's, bit by bit."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from polyvm import np as xp

BITS = ("PCG64", "PCG64DXSM", "SFC64", "Philox")
SEEDS: tuple[Any, ...] = (0, 1, 12345, 2**40, 2**200 + 7, [1, 2, 3, 4, 5, 6])
COUNT = 3000
PLAIN: dict[str, list[tuple[float, ...]]] = {
    "random": [()],
    "standard_normal": [()],
    "standard_exponential": [()],
    "standard_cauchy": [()],
    "uniform": [(2, 5), (-1.5, 1e10)],
    "normal": [(1, 3), (0, 0)],
    "exponential": [(2.5,)],
    "gamma": [(0.3, 2), (1, 2), (5.5, 3), (0, 1)],
    "standard_gamma": [(0.3,), (7.0,)],
    "beta": [(0.3, 0.4), (2, 3), (1e-200, 1e-201), (0.5, 2), (1e-4, 1e-4)],
    "chisquare": [(3,), (0.5,)],
    "noncentral_chisquare": [(3, 2), (0.5, 3), (2, 0)],
    "f": [(3, 4)],
    "noncentral_f": [(3, 4, 2)],
    "lognormal": [(0, 1)],
    "laplace": [(1, 2)],
    "logistic": [(1, 2)],
    "gumbel": [(1, 2)],
    "weibull": [(1.5,), (0,)],
    "pareto": [(2.5,)],
    "power": [(2.5,)],
    "rayleigh": [(2,)],
    "standard_t": [(3.5,)],
    "vonmises": [(0, 1e-9), (1, 1e-6), (1, 2), (3, 1e7), (2, 0.5)],
    "wald": [(2, 3), (1e-3, 5), (50, 0.1)],
    "triangular": [(1, 2, 5), (1, 1, 2)],
    "poisson": [(0,), (3.3,), (10,), (200.5,), (1e9,)],
    "binomial": [(10, 0.3), (10, 0.9), (1000, 0.3), (1000, 0.7), (10**6, 0.01), (0, 0.5), (5, 1)],
    "negative_binomial": [(3, 0.2), (2.5, 0.9), (1, 1)],
    "geometric": [(0.5,), (0.1,), (1e-12,)],
    "zipf": [(1.5,), (4,), (2000,)],
    "logseries": [(0.5,), (0.99,), (0,)],
    "hypergeometric": [(5, 6, 4), (15, 20, 15), (1000, 2000, 500), (10, 10, 20), (5, 5, 0)],
}
INTEGERS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def same(got: Any, wanted: Any) -> None:
    """Shape, type and every bit."""
    if isinstance(got, xp.ndarray):
        got = np.asarray(memoryview(got))
    wanted = np.asarray(wanted)
    assert np.asarray(got).dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted, strict=True)


def pair(seed: Any = 42) -> tuple[Any, Any]:
    return xp.random.default_rng(seed), np.random.default_rng(seed)


@pytest.mark.parametrize("seed", SEEDS, ids=str)
@pytest.mark.parametrize("name", BITS)
def test_bit_generators(name: str, seed: Any) -> None:
    ours, theirs = getattr(xp.random, name)(seed), getattr(np.random, name)(seed)
    same(ours.random_raw(20), theirs.random_raw(20))
    a, b = xp.random.Generator(ours), np.random.Generator(theirs)
    same(a.random(7, dtype="float32"), b.random(7, dtype="float32"))
    if name != "SFC64":
        same(ours.jumped(3).random_raw(9), theirs.jumped(3).random_raw(9))
        for steps in (1, 2**100 + 12345, -5):
            same(a.integers(9, size=3), b.integers(9, size=3))
            ours.advance(steps)
            theirs.advance(steps % 2**128)
            same(a.random(5), b.random(5))
    kept = ours.state
    first = a.random(5)
    ours.state = kept
    same(a.random(5), np.asarray(memoryview(first)))
    b.random(5)
    same([one.random() for one in a.spawn(3)], [one.random() for one in b.spawn(3)])
    same([one.random() for one in a.spawn(1)], [one.random() for one in b.spawn(1)])


@pytest.mark.parametrize("name", ["PCG64", "PCG64DXSM"])
def test_states_move_between_the_two(name: str) -> None:
    ours, theirs = getattr(xp.random, name)(3), getattr(np.random, name)(4)
    xp.random.Generator(ours).random(3, dtype="float32")
    theirs.state = ours.state
    assert ours.state == theirs.state
    same(ours.random_raw(5), theirs.random_raw(5))


def test_seed_sequences() -> None:
    ours, theirs = xp.random.SeedSequence(77), np.random.SeedSequence(77)
    same(ours.pool, theirs.pool)
    same(ours.generate_state(11), theirs.generate_state(11))
    same(
        ours.spawn(2)[1].spawn(3)[2].generate_state(5, xp.uint64),
        theirs.spawn(2)[1].spawn(3)[2].generate_state(5, np.uint64),
    )
    assert xp.random.SeedSequence().entropy != xp.random.SeedSequence().entropy
    for bad, error in ((-1, ValueError), (1.5, TypeError), ("x", TypeError)):
        with pytest.raises(error):
            xp.random.SeedSequence(bad)


@pytest.mark.parametrize("name", PLAIN)
def test_distributions(name: str) -> None:
    for parameters in PLAIN[name]:
        a, b = pair()
        same(getattr(a, name)(*parameters, COUNT), getattr(b, name)(*parameters, COUNT))
        number, wanted = getattr(a, name)(*parameters), getattr(b, name)(*parameters)
        assert type(number) is type(wanted)
        assert number == wanted


@pytest.mark.parametrize("name", ["random", "standard_normal", "standard_exponential"])
def test_many_singles_and_doubles(name: str) -> None:
    for dtype in ("float32", "float64"):
        a, b = pair(5)
        same(getattr(a, name)(300_000, dtype=dtype), getattr(b, name)(300_000, dtype=dtype))
        out, wanted = xp.zeros((3, 4), dtype=dtype), np.zeros((3, 4), dtype=dtype)
        getattr(a, name)(out=out, dtype=dtype)
        getattr(b, name)(out=wanted, dtype=dtype)
        same(out, wanted)


def test_singles_with_parameters() -> None:
    for shape in (0.4, 1, 3):
        a, b = pair()
        same(
            a.standard_gamma(shape, 5000, dtype="float32"),
            b.standard_gamma(shape, 5000, dtype="float32"),
        )
    for dtype in ("float32", "float64"):
        a, b = pair()
        same(
            a.standard_exponential(1000, dtype=dtype, method="inv"),
            b.standard_exponential(1000, dtype=dtype, method="inv"),
        )


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers(dtype: str) -> None:
    least, most = (
        (0, 1)
        if dtype == "bool"
        else (
            int(np.iinfo(dtype).min),
            int(np.iinfo(dtype).max),
        )
    )
    spans = [(0, 0), (0, 1), (least, most), (0, min(100, most)), (least // 3, most // 2)]
    spans += [(0, min(most, 2**32 - 1)), (0, min(most, 2**32)), (0, min(most, 2**62))]
    for low, high in spans:
        a, b = pair(7)
        given = {"dtype": dtype, "endpoint": True}
        same(a.integers(low, high, 1003, **given), b.integers(low, high, 1003, **given))
        assert a.random() == b.random()
        assert int(a.integers(low, high, **given)) == int(b.integers(low, high, **given))
    if dtype != "bool":
        lows = np.array([[0], [least], [3]], dtype=object).astype(dtype)
        highs = np.array([9, most, 100], dtype=object).astype(dtype)
        a, b = pair(7)
        same(
            a.integers(xp.asarray(lows), xp.asarray(highs), (4, 3, 3), dtype=dtype, endpoint=True),
            b.integers(lows, highs, (4, 3, 3), dtype=dtype, endpoint=True),
        )


def test_bytes() -> None:
    a, b = pair()
    for length in (0, 1, 5, 64):
        assert a.bytes(length) == b.bytes(length)


def test_orders() -> None:
    x = np.arange(60).reshape(3, 4, 5)
    for count in (0, 1, 10, 1000):
        a, b = pair()
        same(a.permutation(count), b.permutation(count))
    for axis in (0, 1, 2, -1):
        a, b = pair()
        same(a.permutation(xp.asarray(x), axis=axis), b.permutation(x, axis=axis))
        same(a.permuted(xp.asarray(x), axis=axis), b.permuted(x, axis=axis))
        ours, theirs = xp.array(x), x.copy()
        a.shuffle(ours, axis=axis)
        b.shuffle(theirs, axis=axis)
        same(ours, theirs)
    same(a.permuted(xp.asarray(x)), b.permuted(x))
    first, second = list("shuffled"), list("shuffled")
    a.shuffle(first)
    b.shuffle(second)
    assert first == second


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(
    ("population", "count"),
    [(10, 3), (10, 10), (10, 0), (100_000, 50), (100_000, 6000), (10_001, 600), (10_000, 9999)],
)
def test_samples(population: int, count: int, shuffle: bool) -> None:
    a, b = pair()
    given: dict[str, Any] = {"replace": False, "shuffle": shuffle}
    same(a.choice(population, count, **given), b.choice(population, count, **given))
    assert a.random() == b.random()


def test_choices() -> None:
    p = np.random.default_rng(1).random(20)
    p /= p.sum()
    x = np.arange(60).reshape(3, 4, 5)
    a, b = pair()
    same(a.choice(20, (3, 50), p=xp.asarray(p)), b.choice(20, (3, 50), p=p))
    same(a.choice(20, 12, replace=False, p=xp.asarray(p)), b.choice(20, 12, replace=False, p=p))
    same(a.choice(xp.asarray(x), 4, axis=1), b.choice(x, 4, axis=1))
    assert int(a.choice(5)) == int(b.choice(5))
    assert float(a.choice(xp.asarray(p))) == float(b.choice(p))
    assert a.random() == b.random()


def test_several_variables() -> None:
    p = [0.2, 0.3, 0.5]
    a, b = pair()
    same(a.multinomial(100, p, 50), b.multinomial(100, p, 50))
    same(a.multinomial([3, 40], p), b.multinomial([3, 40], p))
    for alpha in ([0.5, 1, 3], [0.01, 0.02, 0.05]):
        same(a.dirichlet(alpha, 300), b.dirichlet(alpha, 300))
        same(a.dirichlet(alpha), b.dirichlet(alpha))
    cov = [[2.0, 0.5], [0.5, 1.0]]
    drawn = np.asarray(memoryview(a.multivariate_normal([1, 2], cov, 50_000)))
    assert np.abs(drawn.mean(axis=0) - [1, 2]).max() < 0.05
    assert np.abs(np.cov(drawn.T) - cov).max() < 0.1
    a, b = pair()
    got = a.multivariate_normal([1, 2], cov, 9, method="cholesky")
    wanted = b.multivariate_normal([1, 2], cov, 9, method="cholesky")
    np.testing.assert_allclose(np.asarray(memoryview(got)), wanted, rtol=1e-12)


def test_parameters_broadcast() -> None:
    a, b = pair()
    same(a.normal(xp.asarray([1.0, 2, 3]), [[1], [2]]), b.normal([1.0, 2, 3], [[1], [2]]))
    same(
        a.binomial([5, 100, 1000], [[0.1], [0.5]], size=(4, 2, 3)),
        b.binomial([5, 100, 1000], [[0.1], [0.5]], size=(4, 2, 3)),
    )


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("normal", (0, -1)),
        ("normal", ([0, 1], [1, -1])),
        ("gamma", (-1,)),
        ("beta", (0, 1)),
        ("poisson", (-1,)),
        ("poisson", (1e30,)),
        ("binomial", (-1, 0.5)),
        ("binomial", (5, 1.5)),
        ("binomial", (5, float("nan"))),
        ("geometric", (0,)),
        ("zipf", (1,)),
        ("triangular", (3, 2, 1)),
        ("uniform", (0, float("inf"))),
        ("hypergeometric", (5, 5, 11)),
        ("integers", (5, 5)),
        ("integers", (0, 2**63 + 1)),
        ("choice", (0, 3)),
        ("choice", (3, 5, False)),
        ("choice", (3, 2, True, [0.5, 0.5])),
        ("choice", (2, 2, True, [0.5, 0.6])),
        ("multinomial", (5, [0.7, 0.7, 0.1])),
        ("dirichlet", ([-1.0, 2.0],)),
        ("normal", (0, 1, -3)),
        ("normal", ([0, 1, 2], 1, 2)),
    ],
)
def test_bad_values(name: str, arguments: tuple[Any, ...]) -> None:
    a, b = pair()
    with pytest.raises((ValueError, OverflowError)):
        getattr(b, name)(*arguments)
    with pytest.raises(ValueError, match=r"\w"):
        getattr(a, name)(*arguments)


def test_bad_types() -> None:
    a, _ = pair()
    with pytest.raises(TypeError):
        a.random(3, dtype="int32")
    with pytest.raises(TypeError):
        a.integers(0, 3, dtype="float64")
    with pytest.raises(TypeError):
        a.random(out=xp.zeros(3, dtype="float32"))
    with pytest.raises(TypeError):
        a.poisson(1, 2, 3)
    with pytest.raises(TypeError):
        a.beta(1)


def test_unseeded_generators_differ_in_every_process() -> None:
    command = "from polyvm import np; print(np.random.default_rng().random())"
    printed = {
        subprocess.run([sys.executable, "-c", command], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert len(printed) == 2
